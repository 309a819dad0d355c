//! <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#client>,
//! <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/#metric-rpcclientcallduration>:
//! the tables of the published pages. The model has `rpc.status_code` for
//! `rpc.response.status_code` since its pull request 3921; neither they nor the crates have.

use super::{calls, histogram, is_error, metric, text, with_telemetry};
use crate::support::received_by;
use crate::support::semconv::{
    GRPC_CODES, Instrument, Kind, REQUEST_SECONDS, Row, Shape, conditional, hold, optional,
    required,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use throughline_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use throughline_receiver::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use throughline_receiver::{Addresses, ExportRequest, Rejection};
use tonic::transport::Endpoint;
use tower::{Layer, ServiceExt, service_fn};

const SPAN: &[Row] = &[
    required("rpc.system.name", Kind::OneOf(&["grpc"])),
    required("rpc.method", Kind::Text),
    required("rpc.response.status_code", GRPC_CODES),
    required("server.address", Kind::Text),
    conditional("error.type", Kind::Text),
    conditional("rpc.method_original", Kind::Text),
    conditional("server.port", Kind::Int),
    optional("network.peer.address", Kind::Text),
    optional("network.peer.port", Kind::Int),
    optional("network.protocol.name", Kind::Text),
    optional("network.protocol.version", Kind::Text),
    optional(
        "network.transport",
        Kind::OneOf(&["pipe", "quic", "tcp", "udp", "unix"]),
    ),
    optional("rpc.request.metadata.*", Kind::Texts),
    optional("rpc.response.metadata.*", Kind::Texts),
];

const DURATION: Instrument = Instrument {
    name: "rpc.client.call.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: SPAN,
};

const EXPORT: &str = "opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A call over a real channel; what became of it.
async fn export(uri: Uri) -> Result<(), tonic::Code> {
    let channel = Endpoint::from(uri.clone()).connect_lazy();
    let channel = throughline::http::client().origin(uri).layer(channel);
    let mut client = TraceServiceClient::new(channel);
    let request = ExportTraceServiceRequest::default();
    let response = client.export(request).await;
    response.map(drop).map_err(|status| status.code())
}

#[test]
fn a_call_of_a_tonic_client_is_told_as_the_conventions_have_it() {
    let test = "a_call_of_a_tonic_client_is_told_as_the_conventions_have_it";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let at = |server: &throughline_receiver::Server| {
                server.grpc_endpoint().parse::<Uri>().unwrap()
            };
            let carried = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            let keep = std::sync::Arc::clone(&carried);
            let taking = throughline_receiver::Server::start(
                Addresses::default(),
                move |request: ExportRequest| {
                    let header = request.info.header("traceparent").map(str::to_owned);
                    keep.lock().unwrap().push(header);
                    Ok(())
                },
            );
            let taking = taking.unwrap();
            assert_eq!(export(at(&taking)).await, Ok(()));
            assert!(carried.lock().unwrap()[0].is_some(), "the trace goes along");
            let refusing =
                throughline_receiver::Server::start(Addresses::default(), |_: ExportRequest| {
                    Err(Rejection::Invalid("no".to_owned()))
                });
            let refusing = refusing.unwrap();
            let refused = Err(tonic::Code::InvalidArgument);
            assert_eq!(export(at(&refusing)).await, refused);
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let nobody = format!("http://{}", closed.local_addr().unwrap());
            drop(closed);
            let nobody = nobody.parse().unwrap();
            assert_eq!(export(nobody).await, Err(tonic::Code::Unavailable));
        });
    });
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 3, "{calls:#?}");
    for (code, error) in [
        ("OK", None),
        ("INVALID_ARGUMENT", Some("INVALID_ARGUMENT")),
        ("UNAVAILABLE", Some("connection_refused")),
    ] {
        let is = |call: &&throughline_receiver::Received<_>| {
            text(call, "rpc.response.status_code").as_deref() == Some(code)
        };
        let call = calls
            .iter()
            .find(is)
            .unwrap_or_else(|| panic!("{code}: {calls:#?}"));
        let due: &[&str] = match error {
            Some(_) => &["server.port", "error.type"],
            None => &["server.port"],
        };
        hold(SPAN, &call.attributes, due, &[]);
        assert_eq!(call.name, EXPORT);
        assert_eq!(text(call, "rpc.method").as_deref(), Some(EXPORT));
        assert_eq!(text(call, "error.type").as_deref(), error);
        assert_eq!(is_error(call), error.is_some(), "{code}");
    }
    let metric = metric(&receiver, DURATION.name);
    DURATION.hold(&metric, &["server.port"]);
    assert_eq!(histogram(&metric).len(), 3);
    let names: Vec<_> = receiver
        .metrics()
        .iter()
        .map(|it| it.name.clone())
        .collect();
    let http = "http.client.request.duration".to_owned();
    assert!(!names.contains(&http), "a call is no request as well");
}

#[test]
fn a_call_ends_with_its_trailers_or_where_its_body_does() {
    let test = "a_call_ends_with_its_trailers_or_where_its_body_does";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            for (name, frames, status) in [
                ("Trailers", vec![data(), trailers("5")], 200),
                ("Nameless", vec![data(), trailers("99")], 200),
                ("Nothing", vec![data()], 200),
                (
                    "Broken",
                    vec![data(), Err(std::io::ErrorKind::ConnectionReset)],
                    200,
                ),
                ("Gateway", vec![data()], 502),
            ] {
                call(name, frames, status)
                    .await
                    .collect()
                    .await
                    .map(drop)
                    .ok();
            }
            // Of a stream that goes on the caller has had enough.
            let mut body = call("Stream", vec![data(), data(), trailers("0")], 200).await;
            body.frame().await.unwrap().unwrap();
            drop(body);
        });
    });
    let mut told: Vec<_> = calls(&receiver)
        .iter()
        .map(|call| {
            let text = |key| text(call, key).unwrap_or_default();
            let name = call.name.rsplit('/').next().unwrap().to_owned();
            (name, text("rpc.response.status_code"), text("error.type"))
        })
        .collect();
    told.sort();
    let expected = [
        ("Broken", "UNAVAILABLE", "connection_reset"),
        ("Gateway", "UNAVAILABLE", "UNAVAILABLE"),
        ("Nameless", "UNKNOWN", "UNKNOWN"),
        ("Nothing", "UNKNOWN", "UNKNOWN"),
        ("Stream", "CANCELLED", "cancelled"),
        ("Trailers", "NOT_FOUND", "NOT_FOUND"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, expected);
}

type Part = Result<Frame<Bytes>, std::io::ErrorKind>;

fn data() -> Part {
    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))
}

fn trailers(status: &'static str) -> Part {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    Ok(Frame::trailers(trailers))
}

/// The body of a call that a service without a network answers with these parts.
async fn call(
    method: &str,
    parts: Vec<Part>,
    status: u16,
) -> impl hyper::body::Body<Data = Bytes, Error = tower::BoxError> + Unpin {
    let parts: Vec<Result<_, std::io::Error>> = parts
        .into_iter()
        .map(|part| part.map_err(Into::into))
        .collect();
    let mut parts = Some(parts);
    let inner = service_fn(move |_: Request<Full<Bytes>>| {
        let body = StreamBody::new(futures::stream::iter(parts.take().unwrap()));
        let response = http::Response::builder().status(status).body(body);
        std::future::ready(Ok::<_, std::io::Error>(response.unwrap()))
    });
    let request = Request::post(format!("http://payments/shop.Payments/{method}"))
        .header("content-type", "application/grpc+proto")
        .body(Full::default())
        .unwrap();
    let client = throughline::http::client().layer(inner);
    client.oneshot(request).await.unwrap().into_body()
}
