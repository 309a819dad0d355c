//! One export request as it came off the wire: as bytes, and decoded.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::{DecodeError, Message};

/// Which of OTLP's transports a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

/// Which signal a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        })
    }
}

/// How a request came: everything but its payload.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    pub transport: Transport,
    pub signal: Signal,
    /// The HTTP headers, or the gRPC metadata, as the client sent them: `content-encoding`
    /// and `grpc-encoding` are here although the payload is decompressed by now.
    pub headers: HeaderMap,
}

impl RequestInfo {
    /// The value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The decoded message of one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl From<ExportTraceServiceRequest> for Payload {
    fn from(request: ExportTraceServiceRequest) -> Self {
        Self::Traces(request)
    }
}

impl From<ExportMetricsServiceRequest> for Payload {
    fn from(request: ExportMetricsServiceRequest) -> Self {
        Self::Metrics(request)
    }
}

impl From<ExportLogsServiceRequest> for Payload {
    fn from(request: ExportLogsServiceRequest) -> Self {
        Self::Logs(request)
    }
}

/// A whole request: how it came, and what it said.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub info: RequestInfo,
    pub payload: Payload,
}

/// A whole request whose message nobody has looked at yet.
#[derive(Clone, Debug)]
pub struct RawRequest {
    pub info: RequestInfo,
    /// The `Export…ServiceRequest` of the signal, decompressed, in protobuf whatever the
    /// transport. It may be anything: whether it is a message is for the sink to find out.
    pub body: Bytes,
}

impl RawRequest {
    /// Decodes the message. Takes up to forty times the memory of the body if that is made
    /// of tiny attributes.
    ///
    /// # Errors
    /// If the body is not the message of its signal.
    pub fn decode(self) -> Result<ExportRequest, DecodeError> {
        let payload = match self.info.signal {
            Signal::Traces => ExportTraceServiceRequest::decode(self.body)?.into(),
            Signal::Metrics => ExportMetricsServiceRequest::decode(self.body)?.into(),
            Signal::Logs => ExportLogsServiceRequest::decode(self.body)?.into(),
        };
        Ok(ExportRequest {
            info: self.info,
            payload,
        })
    }
}
