//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>,
//! <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration>:
//! the tables of the model (`model/http/common.yaml`, `spans.yaml`, `metrics.yaml`).

use super::{Server, calls, get, histogram, is_error, metric, send, text, with_telemetry};
use crate::support::received_by;
use crate::support::semconv::{
    Instrument, Kind, REQUEST_SECONDS, Row, Shape, conditional, hold, optional, required,
};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use throughline::http::UrlTemplate;
use throughline_receiver::Attributes;
use tracing::Instrument as _;

const METHODS: Kind = Kind::OneOf(&[
    "_OTHER", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
]);

pub(super) const SPAN: &[Row] = &[
    required("http.request.method", METHODS),
    required("server.address", Kind::Text),
    required("server.port", Kind::Int),
    required("url.full", Kind::Text),
    conditional("error.type", Kind::Text),
    conditional("http.request.method_original", Kind::Text),
    conditional("http.response.status_code", Kind::Int),
    conditional("network.protocol.name", Kind::Text),
    optional("http.request.resend_count", Kind::Int),
    optional("network.peer.address", Kind::Text),
    optional("network.peer.port", Kind::Int),
    optional("network.protocol.version", Kind::Text),
    optional("http.request.body.size", Kind::Int),
    optional("http.request.header.*", Kind::Texts),
    optional("http.request.size", Kind::Int),
    optional("http.response.body.size", Kind::Int),
    optional("http.response.header.*", Kind::Texts),
    optional("http.response.size", Kind::Int),
    optional(
        "network.transport",
        Kind::OneOf(&["pipe", "quic", "tcp", "udp", "unix"]),
    ),
    optional("url.scheme", Kind::Text),
    optional("url.template", Kind::Text),
    optional("user_agent.original", Kind::Text),
    optional("user_agent.synthetic.type", Kind::OneOf(&["bot", "test"])),
];

pub(super) const DURATION: Instrument = Instrument {
    name: "http.client.request.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: &[
        required("http.request.method", METHODS),
        required("server.address", Kind::Text),
        required("server.port", Kind::Int),
        conditional("error.type", Kind::Text),
        conditional("http.response.status_code", Kind::Int),
        conditional("network.protocol.name", Kind::Text),
        optional("network.protocol.version", Kind::Text),
        optional("url.scheme", Kind::Text),
        optional("url.template", Kind::Text),
    ],
};

#[test]
fn a_request_is_told_as_the_conventions_have_it() {
    let test = "a_request_is_told_as_the_conventions_have_it";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            println!("\nPORT {}", server.address.port());
            let work = async {
                send(get(&server.url("/accounts/7?page=2"))).await.unwrap();
            };
            work.instrument(tracing::info_span!("work", request.id = "r-1"))
                .await;
        });
    });
    let calls = calls(&receiver);
    let [call] = &calls[..] else {
        panic!("{calls:#?}");
    };
    let due = ["http.response.status_code"];
    hold(SPAN, &call.attributes, &due, &["request.id"]);
    assert_eq!(call.name, "GET");
    assert!(!is_error(call), "{:?}", call.status);
    assert_eq!(text(call, "server.address").as_deref(), Some("127.0.0.1"));
    let port = text(call, "server.port").unwrap();
    let full = format!("http://127.0.0.1:{port}/accounts/7?page=2");
    assert_eq!(text(call, "url.full"), Some(full));
    assert_eq!(call.attribute_i64("http.response.status_code"), Some(200));
    assert_eq!(
        text(call, "network.protocol.version").as_deref(),
        Some("1.1")
    );
    assert_eq!(call.attribute_i64("http.request.body.size"), Some(0));
    assert_eq!(call.attribute_i64("http.response.body.size"), Some(5));
    assert_eq!(text(call, "request.id").as_deref(), Some("r-1"));
    let spans = receiver.spans();
    let work = spans.iter().find(|span| span.name == "work").unwrap();
    assert_eq!(call.parent_span_id, work.span_id);

    let metric = metric(&receiver, DURATION.name);
    DURATION.hold(&metric, &due);
    let [point] = histogram(&metric) else {
        panic!("{metric:#?}");
    };
    assert_eq!(point.count, 1);
    let seconds = (call.end_time_unix_nano - call.start_time_unix_nano) as f64 / 1e9;
    let measured = point.sum.unwrap();
    assert!(
        (measured - seconds).abs() < 0.05,
        "the duration is the span's: {measured} and {seconds}"
    );
}

#[test]
fn a_method_that_nobody_knows_and_a_template_have_their_attributes() {
    let test = "a_method_that_nobody_knows_and_a_template_have_their_attributes";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let brew = |method: &str| {
                let url = server.url("/pots/7");
                let request = Request::builder().method(method).uri(url);
                let request = request.extension(UrlTemplate("/pots/{id}"));
                request.body(Full::<Bytes>::from("tea")).unwrap()
            };
            send(brew("BREW")).await.unwrap();
            send(brew("PUT")).await.unwrap();
            send(brew("put")).await.unwrap();
        });
    });
    let calls = calls(&receiver);
    let by_name = |name: &str| {
        let mut named = calls.iter().filter(|call| call.name == name);
        let found = named
            .next()
            .unwrap_or_else(|| panic!("no {name}: {calls:#?}"));
        (found, named.count())
    };
    let (brewed, others) = by_name("HTTP /pots/{id}");
    let due = ["http.response.status_code", "http.request.method_original"];
    hold(SPAN, &brewed.attributes, &due, &[]);
    assert_eq!(
        text(brewed, "http.request.method").as_deref(),
        Some("_OTHER")
    );
    assert_eq!(others, 1, "case matters");
    let (put, _) = by_name("PUT /pots/{id}");
    hold(SPAN, &put.attributes, &due[..1], &[]);
    assert_eq!(text(put, "http.request.method_original"), None);
    assert_eq!(text(put, "url.template").as_deref(), Some("/pots/{id}"));
    assert_eq!(put.attribute_i64("http.request.body.size"), Some(3));
    let metric = metric(&receiver, DURATION.name);
    DURATION.hold(&metric, &due[..1]);
    assert_eq!(histogram(&metric).len(), 2, "{metric:#?}");
}

#[test]
fn a_status_of_400_and_above_fails_the_span_and_is_its_error() {
    let test = "a_status_of_400_and_above_fails_the_span_and_is_its_error";
    const STATUSES: [u16; 6] = [204, 301, 400, 404, 500, 503];
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            for status in STATUSES {
                let url = server.url(&format!("/status/{status}"));
                assert_eq!(send(get(&url)).await.unwrap().as_u16(), status);
            }
        });
    });
    let calls = calls(&receiver);
    let metric = metric(&receiver, DURATION.name);
    DURATION.hold(&metric, &["http.response.status_code"]);
    for status in STATUSES {
        let code = Some(i64::from(status));
        let is = |call: &&_| Attributes::attribute_i64(*call, "http.response.status_code") == code;
        let call = calls.iter().map(|call| &**call).find(is).unwrap();
        let failed = status >= 400;
        assert_eq!(is_error(call), failed, "{status}");
        let error = failed.then(|| status.to_string());
        assert_eq!(text(call, "error.type"), error, "{status}");
        let message = call.status.as_ref().map_or("", |status| &status.message);
        assert_eq!(message, "", "the code says it all");
        let mut points = histogram(&metric).iter();
        let point = points
            .find(|point| point.attributes.attribute_i64("http.response.status_code") == code);
        let kind = point.unwrap().attributes.attribute("error.type");
        assert_eq!(
            kind.map(|kind| crate::support::text(Some(kind))),
            error,
            "{status}"
        );
    }
}

#[test]
fn the_span_ends_with_the_headers_whatever_becomes_of_the_body() {
    let test = "the_span_ends_with_the_headers_whatever_becomes_of_the_body";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            use tower::{Layer, ServiceExt, service_fn};
            let inner = service_fn(async |_: Request<Full<Bytes>>| {
                let body = http_body_util::StreamBody::new(futures::stream::pending::<
                    Result<hyper::body::Frame<Bytes>, std::io::Error>,
                >());
                Ok::<_, std::io::Error>(http::Response::new(body))
            });
            let client = throughline::http::client().layer(inner);
            let response = client.oneshot(get("http://payments/stream")).await.unwrap();
            tracing::info_span!("after").in_scope(|| ());
            drop(response);
        });
    });
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 1);
    assert!(
        !is_error(&calls[0]),
        "a body that nobody reads is no failure"
    );
    assert_eq!(
        text(&calls[0], "http.response.body.size"),
        None,
        "not known"
    );
    let spans = receiver.spans();
    let after = spans.iter().find(|span| span.name == "after").unwrap();
    assert!(calls[0].end_time_unix_nano <= after.start_time_unix_nano);
}
