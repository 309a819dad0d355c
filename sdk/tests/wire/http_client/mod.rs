//! The layer for HTTP clients, held against the conventions and against what a server sees.

mod conventions;
mod correlation;
mod example;
mod failures;
mod grpc;
mod propagation;
mod redaction;
#[cfg(feature = "reqwest")]
mod reqwest;
mod retries;
mod sampling;
mod series;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use throughline::http::{ClientBody, ClientLayer, ClientService, Resends, UrlTemplate};
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::proto::metrics::v1::{HistogramDataPoint, Metric};
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::{Attributes, Received, Receiver};
use tower::{Layer, ServiceExt, service_fn};

/// Runs a child's work in a runtime, between the start and the end of telemetry.
fn with_telemetry(work: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let telemetry = throughline::init("client").unwrap();
        work().await;
        telemetry.shutdown_async().await;
    });
}

/// A server that says what it was asked with.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Server {
    /// `/status/404` answers so, `/hang` never, anything else with `hello`.
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let routes = axum::Router::new()
            .route("/status/{code}", any(Self::status))
            .route("/hang", any(std::future::pending::<()>))
            .fallback(Self::hello)
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        server
    }

    async fn status(
        State(server): State<Self>,
        Path(code): Path<u16>,
        headers: HeaderMap,
    ) -> StatusCode {
        server.seen.lock().unwrap().push(headers);
        StatusCode::from_u16(code).unwrap()
    }

    async fn hello(State(server): State<Self>, headers: HeaderMap) -> &'static str {
        server.seen.lock().unwrap().push(headers);
        "hello"
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The headers of the last request.
    fn last(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

type Hyper = Client<HttpConnector<Everywhere>, Full<Bytes>>;

/// Takes every name for this machine, so that a test may call `api.example.com`.
type Everywhere = tower::util::ServiceFn<fn(Name) -> Ready<Result<OnThisMachine, Infallible>>>;
type OnThisMachine = std::iter::Once<SocketAddr>;

fn hyper_client() -> Hyper {
    let resolve: fn(Name) -> Ready<Result<OnThisMachine, Infallible>> =
        |_| ready(Ok(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))));
    let connector = HttpConnector::new_with_resolver(service_fn(resolve));
    Client::builder(TokioExecutor::new()).build(connector)
}

fn client(layer: ClientLayer) -> ClientService<Hyper> {
    layer.layer(hyper_client())
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

/// Sends one request by the default layer, within the current span.
async fn send(request: Request<Full<Bytes>>) -> Result<StatusCode, tower::BoxError> {
    let client = client(throughline::http::client());
    Ok(client.oneshot(request).await?.status())
}

/// The spans of kind `client`.
fn calls(receiver: &Receiver) -> Vec<Received<Span>> {
    let mut spans = receiver.spans();
    // SPAN_KIND_CLIENT
    spans.retain(|span| span.kind == 3);
    spans
}

fn text(span: &Span, key: &str) -> Option<String> {
    span.attribute(key)
        .map(|value| crate::support::text(Some(value)))
}

fn is_error(span: &Span) -> bool {
    // STATUS_CODE_ERROR
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

fn metric(receiver: &Receiver, name: &str) -> Metric {
    let metrics = receiver.metrics();
    let found = metrics.iter().rev().find(|metric| metric.name == name);
    let found = found.unwrap_or_else(|| panic!("no {name}"));
    (**found).clone()
}

fn histogram(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Histogram(histogram) => &histogram.data_points,
        other => panic!("{other:?}"),
    }
}

/// A service that answers with these headers, without a network.
fn answering(
    status: u16,
    headers: HeaderMap,
) -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = Response<ClientBody<Full<Bytes>>>,
    Error = tower::BoxError,
> {
    let inner = service_fn(move |_: Request<Full<Bytes>>| {
        let mut response = Response::new(Full::from("hello"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = headers.clone();
        ready(Ok::<_, Infallible>(response))
    });
    throughline::http::client().layer(inner)
}

/// Requests that have between them every attribute that the client's spans can have.
pub(crate) async fn everything() {
    let headers = HeaderMap::new();
    let request = Request::builder()
        .method("BREW")
        .uri("http://payments/pots/7")
        .extension(Resends::default())
        .extension(UrlTemplate("/pots/{id}"))
        .body(Full::default())
        .unwrap();
    for _ in 0..2 {
        let client = answering(418, headers.clone());
        client.oneshot(request.clone()).await.unwrap();
    }
    let request = Request::post("http://payments:50051/shop.Payments/Refund")
        .header("content-type", "application/grpc")
        .body(Full::default())
        .unwrap();
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("5"),
    )]);
    answering(200, headers).oneshot(request).await.unwrap();
}
