//! What a Sentry event says of the request or job that it happened in.

use crate::support::intake::Intake;
use crate::support::{in_child, is_child};
use axum::http::StatusCode;
use serde_json::Value;
use tracing::field::Empty;

/// The only event of the child.
fn event(test: &str, more: &[(&str, &str)], body: fn()) -> Value {
    if is_child(test) {
        in_child(test, &[], body);
    }
    let intake = Intake::start(StatusCode::OK);
    let mut variables = vec![
        ("SENTRY_DSN", intake.dsn.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    variables.extend(more);
    in_child(test, &variables, body);
    let mut events = intake.events();
    assert_eq!(events.len(), 1, "{events:#?}");
    events.remove(0)
}

/// As an HTTP layer makes it: the route is known once the request has been routed.
fn request_span() -> tracing::Span {
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = Empty,
        http.request.method = "POST",
        url.scheme = "https",
        server.address = "shop.example",
        url.path = "/cart/7",
        url.query = "page=2&token=hunter2",
        http.route = Empty,
        user_agent.original = "curl/8",
        client.address = "10.1.2.3"
    );
    span.record("http.route", "/cart/{id}");
    span.record("otel.name", "POST /cart/{id}");
    span
}

fn fail_in_request() {
    let telemetry = throughline::init("shop").unwrap();
    request_span().in_scope(|| {
        let call = tracing::info_span!(
            "pay",
            otel.kind = "client",
            http.request.method = "GET",
            url.full = "https://pay.example/"
        );
        call.in_scope(|| tracing::error!(order.id = 7, "no answer"));
    });
    telemetry.shutdown();
}

fn is_the_request(event: &Value) {
    assert_eq!(event["transaction"], "POST /cart/{id}");
    let request = &event["request"];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], "https://shop.example/cart/7");
    assert_eq!(request["query_string"], "page=2&token=[redacted]");
    assert_eq!(request["headers"]["User-Agent"], "curl/8");
    assert_eq!(request["env"]["REMOTE_ADDR"], "10.1.2.3");
    assert_eq!(event["tags"]["http.route"], "/cart/{id}");
    assert!(!event.to_string().contains("hunter2"), "{event:#}");
}

#[test]
fn an_error_knows_the_request_that_it_happened_in() {
    let test = "an_error_knows_the_request_that_it_happened_in";
    let event = event(test, &[], fail_in_request);
    is_the_request(&event);
    assert_eq!(event["extra"]["order.id"], 7);
}

#[test]
fn an_error_of_a_trace_that_is_not_kept_knows_its_request_too() {
    let test = "an_error_of_a_trace_that_is_not_kept_knows_its_request_too";
    let variables = [("OTEL_TRACES_SAMPLER", "always_off")];
    is_the_request(&event(test, &variables, fail_in_request));
}

#[test]
fn a_panic_knows_the_request_that_it_happened_in() {
    let test = "a_panic_knows_the_request_that_it_happened_in";
    let event = event(test, &[], || {
        let telemetry = throughline::init("shop").unwrap();
        let worker = std::thread::spawn(|| {
            request_span().in_scope(|| tracing::info_span!("cart").in_scope(|| panic!("broken")));
        });
        worker.join().unwrap_err();
        telemetry.shutdown();
    });
    is_the_request(&event);
    assert_eq!(event["level"], "fatal");
}

#[test]
fn an_address_that_is_masked_leaves_the_rest_of_the_request() {
    let test = "an_address_that_is_masked_leaves_the_rest_of_the_request";
    let event = event(test, &[], || {
        let telemetry = throughline::builder("shop")
            .redact(throughline::Redaction::default().ip_addresses(true))
            .init()
            .unwrap();
        let span = tracing::info_span!(
            "request",
            http.request.method = "GET",
            url.full = "http://10.9.8.7/cart",
            client.address = "10.1.2.3"
        );
        span.in_scope(|| tracing::error!("it went wrong"));
        telemetry.shutdown();
    });
    assert_eq!(event["message"], "it went wrong");
    assert_eq!(event["request"]["method"], "GET");
    assert_eq!(event["request"]["url"], Value::Null);
    assert_eq!(event["request"]["env"]["REMOTE_ADDR"], "[redacted]");
    for masked in ["10.9.8.7", "10.1.2.3"] {
        assert!(!event.to_string().contains(masked), "{event:#}");
    }
}

#[test]
fn an_error_knows_the_job_that_it_happened_in() {
    let test = "an_error_knows_the_job_that_it_happened_in";
    let event = event(test, &[], || {
        let telemetry = throughline::init("shop").unwrap();
        let _service = tracing::info_span!("main").entered();
        let message = tracing::info_span!(
            "receive",
            otel.kind = "consumer",
            otel.name = "process digests",
            messaging.system = "rabbitmq",
            messaging.destination.name = "digests",
            messaging.message.id = "m-1"
        );
        let _message = message.entered();
        let job = tracing::info_span!("job", job.name = "digest", job.attempt = 2);
        let _job = job.entered();
        tracing::error!("no mail");
        telemetry.shutdown();
    });
    assert_eq!(event["transaction"], "process digests");
    assert_eq!(event["request"], Value::Null);
    let tags = &event["tags"];
    assert_eq!(tags["job.name"], "digest");
    assert_eq!(tags["messaging.system"], "rabbitmq");
    assert_eq!(tags["messaging.destination.name"], "digests");
    let contexts = &event["contexts"];
    assert_eq!(contexts["job"]["name"], "digest");
    assert_eq!(contexts["job"]["attempt"], 2);
    assert_eq!(contexts["messaging"]["message.id"], "m-1");
}

#[test]
fn an_error_outside_of_any_span_tells_what_its_record_does() {
    let test = "an_error_outside_of_any_span_tells_what_its_record_does";
    let event = event(test, &[], || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::error!(
            http.request.method = "GET",
            url.full = "http://shop.example/cart?page=2",
            "it went wrong"
        );
        telemetry.shutdown();
    });
    assert_eq!(event["transaction"], Value::Null);
    assert_eq!(event["request"]["url"], "http://shop.example/cart");
    assert_eq!(event["request"]["query_string"], "page=2");
}
