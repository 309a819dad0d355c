//! One request as it came: its head, its size and its items.

use std::io::Read;
use std::time::Instant;

use axum::http::HeaderMap;
use prost::Message;
use throughline_receiver::proto::collector::logs::v1::ExportLogsServiceRequest;
use throughline_receiver::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use throughline_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use throughline_receiver::proto::common::v1::KeyValue;
use throughline_receiver::{Attributes, Signal, Transport};

/// Flags and length before a message of gRPC.
const PREFIX: usize = 5;

#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: Instant,
    pub transport: Transport,
    pub signal: Signal,
    pub path: String,
    pub headers: HeaderMap,
    /// The body on the wire, without gRPC's prefix.
    pub wire_bytes: usize,
    /// The message, decompressed.
    pub bytes: usize,
    /// The attribute `item` of each span or record; -1 where there is none.
    pub items: Vec<i64>,
}

impl Arrival {
    /// What the body was compressed with, as the headers say it.
    pub fn encoding(&self) -> Option<&str> {
        let name = match self.transport {
            Transport::Grpc => "grpc-encoding",
            Transport::HttpProtobuf | Transport::HttpJson => "content-encoding",
        };
        self.headers.get(name)?.to_str().ok()
    }
}

/// Reads a whole body. What cannot be read is a mistake of the exporter, so the test is told.
pub(super) fn read(
    path: &str,
    headers: HeaderMap,
    body: &[u8],
) -> Result<(Arrival, Option<ExportMetricsServiceRequest>), String> {
    let signal = match path {
        "/v1/traces" | "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => {
            Signal::Traces
        }
        "/v1/logs" | "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        "/v1/metrics" | "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
            Signal::Metrics
        }
        _ => return Err(format!("no such path: {path}")),
    };
    let mut arrival = Arrival {
        at: Instant::now(),
        transport: if path.starts_with("/v1/") {
            Transport::HttpProtobuf
        } else {
            Transport::Grpc
        },
        signal,
        path: path.to_owned(),
        headers,
        wire_bytes: 0,
        bytes: 0,
        items: Vec::new(),
    };
    let (compressed, payload) = match arrival.transport {
        Transport::HttpProtobuf | Transport::HttpJson => (arrival.encoding().is_some(), body),
        Transport::Grpc => {
            let (prefix, payload) = body.split_at_checked(PREFIX).ok_or("no prefix")?;
            let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
            if length as usize != payload.len() {
                return Err(format!("{length} bytes told, {} came", payload.len()));
            }
            (prefix[0] == 1, payload)
        }
    };
    let message = match arrival.encoding() {
        Some(encoding) if compressed => inflate(encoding, payload)?,
        None if compressed => return Err("compressed, but not said how".to_owned()),
        _ => payload.to_vec(),
    };
    arrival.wire_bytes = payload.len();
    arrival.bytes = message.len();
    let metrics = arrival
        .read_items(&message)
        .map_err(|error| error.to_string())?;
    Ok((arrival, metrics))
}

fn inflate(encoding: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
    let mut message = Vec::new();
    let read = match encoding {
        "gzip" => flate2::read::MultiGzDecoder::new(payload).read_to_end(&mut message),
        "zstd" => zstd::stream::copy_decode(payload, &mut message).map(|()| 0),
        "identity" => return Ok(payload.to_vec()),
        other => return Err(format!("{other} was not offered")),
    };
    read.map_err(|error| format!("not {encoding}: {error}"))?;
    Ok(message)
}

impl Arrival {
    fn read_items(
        &mut self,
        mut message: &[u8],
    ) -> Result<Option<ExportMetricsServiceRequest>, prost::DecodeError> {
        fn item(attributes: &[KeyValue]) -> i64 {
            attributes.attribute_i64("item").unwrap_or(-1)
        }
        let message = &mut message;
        match self.signal {
            Signal::Traces => {
                let request = ExportTraceServiceRequest::decode(message)?;
                let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
                let spans = scopes.flat_map(|of| &of.spans);
                self.items = spans.map(|span| item(&span.attributes)).collect();
                Ok(None)
            }
            Signal::Logs => {
                let request = ExportLogsServiceRequest::decode(message)?;
                let scopes = request.resource_logs.iter().flat_map(|of| &of.scope_logs);
                let records = scopes.flat_map(|of| &of.log_records);
                self.items = records.map(|record| item(&record.attributes)).collect();
                Ok(None)
            }
            Signal::Metrics => ExportMetricsServiceRequest::decode(message).map(Some),
        }
    }
}
