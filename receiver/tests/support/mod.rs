//! A sink that answers as a test says, and clients for both transports.

// Clippy's exemption for tests does not reach their helper functions, and no test program
// uses all of them.
#![allow(clippy::unwrap_used, dead_code)]

use std::{io::Write, sync::Mutex, time::Duration};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_client::TraceServiceClient,
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use throughline_receiver::{
    Accepted, Addresses, BoxFuture, Options, RawRequest, RawSink, Rejection, Server,
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Always the same answer.
pub(crate) struct Always(pub(crate) Result<Accepted, Rejection>);

impl RawSink for Always {
    fn receive(&self, _: RawRequest) -> BoxFuture<Result<Accepted, Rejection>> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

pub(crate) fn taking(options: Options) -> Server {
    Server::start_raw(
        Addresses::default(),
        Always(Ok(Accepted::default())),
        options,
    )
    .unwrap()
}

pub(crate) fn answering(answer: Result<Accepted, Rejection>) -> Server {
    Server::start_raw(Addresses::default(), Always(answer), Options::default()).unwrap()
}

/// Hands requests to the test, which answers them when it likes.
pub(crate) struct Held(Mutex<mpsc::UnboundedSender<Arrived>>);

pub(crate) struct Arrived {
    pub(crate) request: RawRequest,
    pub(crate) answer: oneshot::Sender<Result<Accepted, Rejection>>,
}

impl Held {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Arrived>) {
        let (sender, arrived) = mpsc::unbounded_channel();
        (Self(Mutex::new(sender)), arrived)
    }
}

impl RawSink for Held {
    fn receive(&self, request: RawRequest) -> BoxFuture<Result<Accepted, Rejection>> {
        let (answer, answered) = oneshot::channel();
        self.0
            .lock()
            .unwrap()
            .send(Arrived { request, answer })
            .ok();
        Box::pin(async { answered.await.unwrap() })
    }
}

pub(crate) fn span(name: String) -> ExportTraceServiceRequest {
    let span = Span {
        name,
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// About so many bytes.
pub(crate) fn span_of(bytes: usize) -> ExportTraceServiceRequest {
    span("x".repeat(bytes))
}

pub(crate) async fn post(
    server: &Server,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let mut request = reqwest::Client::new()
        .post(format!("{}/v1/traces", server.http_endpoint()))
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

pub(crate) async fn post_span(
    server: &Server,
    span: &ExportTraceServiceRequest,
) -> reqwest::Response {
    post(server, &[("content-type", PROTOBUF)], span.encode_to_vec()).await
}

pub(crate) async fn call(
    server: &Server,
    span: ExportTraceServiceRequest,
) -> Result<ExportTraceServiceResponse, Status> {
    client(server)
        .await
        .export(span)
        .await
        .map(tonic::Response::into_inner)
}

pub(crate) async fn client(server: &Server) -> TraceServiceClient<tonic::transport::Channel> {
    TraceServiceClient::connect(server.grpc_endpoint())
        .await
        .unwrap()
}

/// The `google.rpc.Status` of a response in protobuf.
pub(crate) async fn status_of(response: reqwest::Response) -> (Code, String) {
    let status = tonic_types::Status::decode(response.bytes().await.unwrap()).unwrap();
    (status.code.into(), status.message)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
