//! Whether the clients of others send what their scripts say, so that what `dev` shows of it
//! can be judged: against the receiver, and against a listener for envelopes.

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use flate2::read::GzDecoder;
use serde_json::Value;
use throughline_receiver::{
    Receiver, Transport, latest_metrics,
    proto::{
        common::v1::any_value::Value as Any,
        metrics::v1::{metric::Data, number_data_point::Value as Number},
        trace::v1::{span::SpanKind, status::StatusCode},
    },
};
use throughline_viewer_tests::clients::{self, Protocol};
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(10);

async fn the_known_set_arrives(protocol: Protocol) {
    let receiver = Receiver::start().unwrap();
    let (endpoint, transport) = match protocol {
        Protocol::Grpc => (receiver.grpc_endpoint(), Transport::Grpc),
        _ => (receiver.http_endpoint(), Transport::HttpProtobuf),
    };
    let sent = clients::opentelemetry(protocol, &endpoint, "shop")
        .await
        .unwrap();
    receiver
        .wait_until(DEADLINE, |received| received.requests.len() >= 5)
        .await
        .unwrap();
    let received = receiver.contents();
    assert!(
        received
            .requests
            .iter()
            .all(|request| request.transport == transport)
    );

    let mut spans: Vec<_> = received
        .spans
        .iter()
        .map(|span| {
            (
                span.service_name().unwrap(),
                span.name.as_str(),
                span.kind(),
            )
        })
        .collect();
    spans.sort_unstable_by_key(|span| span.1);
    assert_eq!(
        spans,
        [
            ("shop-web", "GET /orders/{id}", SpanKind::Server),
            ("shop-payments", "POST /charges", SpanKind::Server),
            ("shop-web", "charge card", SpanKind::Client),
        ]
    );
    for span in &received.spans {
        assert_eq!(span.trace_id().to_string(), sent.trace_id);
        assert_eq!(span.span_id().to_string(), sent.spans[&span.name]);
    }
    let span = |name| {
        received
            .spans
            .iter()
            .find(|span| span.name == name)
            .unwrap()
    };
    let (asked, asks, charge) = (
        span("GET /orders/{id}"),
        span("charge card"),
        span("POST /charges"),
    );
    assert_eq!(asks.parent_span_id(), Some(asked.span_id()));
    assert_eq!(charge.parent_span_id(), Some(asks.span_id()));
    assert_eq!(asked.links.len(), 1);
    assert_eq!(asked.events[0].name, "cache.miss");
    assert_eq!(asked.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(charge.events[0].name, "exception");

    let records: Vec<_> = received
        .logs
        .iter()
        .map(|record| {
            let Some(Any::StringValue(body)) = record.body.clone().and_then(|body| body.value)
            else {
                panic!("{record:?}");
            };
            (
                record.severity_text.as_str(),
                body,
                record.span_id().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        records,
        [
            (
                "WARN",
                "the card of order 42 is charged again".to_owned(),
                asked.span_id()
            ),
            ("ERROR", "charge failed".to_owned(), charge.span_id()),
        ]
    );

    let metrics = latest_metrics(&received.metrics);
    let data = |name| {
        let metric = metrics.iter().find(|metric| metric.name == name);
        metric
            .unwrap_or_else(|| panic!("no {name}"))
            .data
            .as_ref()
            .unwrap()
    };
    let sum = |name| match data(name) {
        Data::Sum(sum) => (sum.is_monotonic, sum.data_points[0].value),
        other => panic!("{other:?}"),
    };
    assert_eq!(sum("orders.created"), (true, Some(Number::AsInt(6))));
    assert_eq!(sum("queue.depth"), (false, Some(Number::AsInt(2))));
    match data("order.value") {
        Data::Histogram(histogram) => {
            let point = &histogram.data_points[0];
            assert_eq!((point.count, point.sum), (4, Some(4321.0)));
        }
        other => panic!("{other:?}"),
    }
    match data("order.latency") {
        Data::ExponentialHistogram(histogram) => assert_eq!(histogram.data_points[0].count, 4),
        other => panic!("{other:?}"),
    }
    match data("pool.usage") {
        Data::Gauge(gauge) => {
            assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(0.75)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_python_sdk_sends_the_known_set_by_grpc() {
    the_known_set_arrives(Protocol::Grpc).await;
}

#[tokio::test]
async fn the_python_sdk_sends_the_known_set_by_http_in_protobuf() {
    the_known_set_arrives(Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn a_client_that_is_not_heard_says_so() {
    // Taken and given back: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let failure = clients::sentry(&format!("http://throughline@{nobody}/1"))
        .await
        .unwrap_err();
    assert!(
        format!("{failure:#}").contains("not all events were taken"),
        "{failure:#}"
    );
}

type Envelopes = Arc<Mutex<Vec<String>>>;

async fn keep(State(kept): State<Envelopes>, headers: HeaderMap, body: Bytes) -> &'static str {
    let mut text = String::new();
    if headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip")
    {
        GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(body.to_vec()).unwrap();
    }
    kept.lock().unwrap().push(text);
    "{}"
}

#[tokio::test]
async fn sentrys_python_sdk_reports_an_exception_with_its_cause_and_a_message() {
    let kept = Envelopes::default();
    let app = Router::new()
        .route("/api/1/envelope/", post(keep))
        .with_state(Arc::clone(&kept));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let reported = clients::sentry(&format!("http://throughline@{address}/1"))
        .await
        .unwrap();
    server.abort();

    let lines: Vec<Value> = kept
        .lock()
        .unwrap()
        .iter()
        .flat_map(|envelope| envelope.lines())
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let event = |id: &str| {
        let is_it = |line: &&Value| line["event_id"] == id && line.get("platform").is_some();
        lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {id} in {lines:?}"))
    };
    let exception = event(&reported.exception);
    let types: Vec<_> = exception["exception"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["KeyError", "PaymentDeclined"]);
    assert_eq!(exception["release"], "shop@1.2.3");
    assert_eq!(exception["tags"]["channel"], "web");
    assert_eq!(exception["user"]["id"], "ada");
    assert_eq!(
        exception["breadcrumbs"]["values"][0]["message"],
        "an article was added"
    );
    let message = event(&reported.message);
    assert_eq!(message["level"], "warning");
}
