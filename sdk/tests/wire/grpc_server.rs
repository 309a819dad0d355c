//! The server layer on a real tonic server, by gRPC's conventions:
//! <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use throughline_receiver::Attributes;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::ServiceBuilder;

use crate::support::semconv::*;
use crate::support::{received_by, text};

const SPAN: &[Row] = &[
    required("rpc.system.name", Kind::OneOf(&["grpc"])),
    required("rpc.response.status_code", GRPC_CODES),
    conditional("error.type", Kind::Text),
    optional("rpc.method", Kind::Text),
    conditional("rpc.method_original", Kind::Text),
    optional("server.address", Kind::Text),
    conditional("server.port", Kind::Int),
    optional("client.address", Kind::Text),
    optional("client.port", Kind::Int),
    optional("network.peer.address", Kind::Text),
    optional("network.peer.port", Kind::Int),
    optional("network.protocol.name", Kind::Text),
    optional("network.protocol.version", Kind::Text),
    optional(
        "network.transport",
        Kind::OneOf(&["pipe", "quic", "tcp", "udp", "unix"]),
    ),
];

const DURATION: Instrument = Instrument {
    name: "rpc.server.call.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: &[
        required("rpc.system.name", Kind::OneOf(&["grpc"])),
        required("rpc.response.status_code", GRPC_CODES),
        conditional("rpc.method", Kind::Text),
        conditional("error.type", Kind::Text),
        optional("server.address", Kind::Text),
        optional("server.port", Kind::Int),
        optional("network.protocol.name", Kind::Text),
        optional("network.protocol.version", Kind::Text),
        optional("network.transport", Kind::Text),
    ],
};

/// A service as generated code would make it.
#[derive(Clone)]
struct Stock;

impl NamedService for Stock {
    const NAME: &'static str = "shop.v1.Stock";
}

impl tower::Service<Request<Body>> for Stock {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = match request.uri().path() {
            "/shop.v1.Stock/Count" => streamed("0"),
            "/shop.v1.Stock/Breaks" => streamed("13"),
            "/shop.v1.Stock/Find" => tonic::Status::not_found("none").into_http(),
            "/shop.v1.Stock/Lose" => tonic::Status::data_loss("gone").into_http(),
            "/shop.v1.Stock/Panic" => panic!("out of order"),
            _ => tonic::Status::unimplemented("").into_http(),
        };
        ready(Ok(response))
    }
}

/// A message, and this code in the trailers.
fn streamed(code: &'static str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    let frames = [
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 0]))),
        Ok(Frame::trailers(trailers)),
    ];
    let mut response = Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

async fn call(address: SocketAddr, path: &str) -> String {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-request-id", "mine")
        .body(Full::new(Bytes::from_static(&[0, 0, 0, 0, 0])))
        .unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    assert_eq!(parts.headers["x-request-id"], "mine");
    let collected = body.collect().await.unwrap();
    let code = |headers: &HeaderMap| {
        let value = headers.get("grpc-status")?;
        Some(value.to_str().unwrap().to_owned())
    };
    let trailers = collected.trailers().and_then(code);
    trailers.or_else(|| code(&parts.headers)).unwrap()
}

const CALLS: [(&str, &str); 7] = [
    ("/shop.v1.Stock/Count", "0"),
    ("/shop.v1.Stock/Breaks", "13"),
    ("/shop.v1.Stock/Find", "5"),
    ("/shop.v1.Stock/Lose", "15"),
    ("/shop.v1.Stock/Panic", "13"),
    ("/shop.v1.Stock/Whatever1", "12"),
    ("/unknown.Service/Whatever2", "12"),
];

#[test]
fn calls_are_told_by_grpcs_conventions() {
    let test = "calls_are_told_by_grpcs_conventions";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let telemetry = throughline::init("stock").unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                loop {
                    let (stream, peer) = listener.accept().await.unwrap();
                    let layer = throughline::http::server().peer(move |_| Some(peer));
                    let routes = Routes::new(Stock);
                    let service = ServiceBuilder::new()
                        .layer(layer)
                        .map_request(|request: Request<hyper::body::Incoming>| {
                            request.map(Body::new)
                        })
                        .service(routes);
                    let service = hyper_util::service::TowerToHyperService::new(service);
                    tokio::spawn(async move {
                        let _ = auto::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            });
            for (path, code) in CALLS {
                assert_eq!(call(address, path).await, code, "{path}");
            }
        });
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    });
    // Name, method, code, whether the server has failed.
    let expected = [
        ("shop.v1.Stock/Count", "OK", false),
        ("shop.v1.Stock/Breaks", "INTERNAL", true),
        ("shop.v1.Stock/Find", "NOT_FOUND", false),
        ("shop.v1.Stock/Lose", "DATA_LOSS", true),
        ("shop.v1.Stock/Panic", "INTERNAL", true),
        ("grpc", "UNIMPLEMENTED", true),
        ("grpc", "UNIMPLEMENTED", true),
    ];
    let spans = receiver.spans();
    assert_eq!(spans.len(), expected.len(), "{spans:#?}");
    for (span, (name, code, failed)) in spans.iter().zip(expected) {
        assert_eq!((span.name.as_str(), span.kind), (name, 2));
        let mut due = vec!["server.port"];
        due.extend(failed.then_some("error.type"));
        due.extend((name == "grpc").then_some("rpc.method_original"));
        hold(SPAN, &span.attributes, &due, &["request.id"]);
        assert_eq!(text(span.attribute("rpc.response.status_code")), code);
        let method = if name == "grpc" { "_OTHER" } else { name };
        let methods: Vec<_> = span
            .attributes
            .iter()
            .filter(|it| it.key == "rpc.method")
            .collect();
        assert_eq!(methods.len(), 1, "{methods:?}");
        assert_eq!(text(span.attribute("rpc.method")), method);
        let status = span.status.as_ref().map_or(0, |status| status.code);
        assert_eq!(status == 2, failed, "{name} {code}");
    }
    let panic = text(spans[4].attribute("error.type"));
    assert_eq!(panic, "panic");

    let logs = receiver.logs();
    let access = logs
        .iter()
        .filter(|log| log.event_name == "http.server.request");
    let codes: Vec<String> = access
        .map(|log| text(log.attribute("rpc.response.status_code")))
        .collect();
    assert_eq!(codes, expected.map(|(_, code, _)| code));
    let errors = logs.iter().filter(|log| log.severity_text == "ERROR");
    let errors: Vec<&str> = errors.filter_map(|log| log.message()).collect();
    let told = [
        "shop.v1.Stock/Breaks was answered with INTERNAL",
        "shop.v1.Stock/Lose was answered with DATA_LOSS",
        "out of order",
    ];
    assert_eq!(errors, told);

    let contents = receiver.contents();
    let duration = contents.metric(DURATION.name).unwrap();
    DURATION.hold(&duration.item, &["rpc.method"]);
    assert_eq!(
        duration.points().len(),
        6,
        "unknown methods are one: {duration:#?}"
    );
    assert!(contents.metric("http.server.request.duration").is_none());
}
