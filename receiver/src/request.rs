//! One export request as it came off the wire, decoded.

use std::fmt;

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

/// Which of OTLP's transports a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Grpc,
    HttpProtobuf,
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

impl Payload {
    #[must_use]
    pub fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }
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

impl ExportRequest {
    pub(crate) fn new(
        transport: Transport,
        headers: HeaderMap,
        payload: impl Into<Payload>,
    ) -> Self {
        let payload = payload.into();
        let info = RequestInfo {
            transport,
            signal: payload.signal(),
            headers,
        };
        Self { info, payload }
    }
}
