//! What reaches Sentry: envelopes, decoded.

use crate::support::intake::Intake;
use crate::support::{in_child, is_child, received_by, text};
use axum::http::StatusCode;
use serde_json::Value;
use throughline_receiver::Attributes;
use throughline_receiver::proto::trace::v1::status::StatusCode as SpanStatus;
use tracing::Instrument;

fn reported(test: &str, more: &[(&str, &str)], body: fn()) -> Vec<Value> {
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
    let outcome = in_child(test, &variables, body);
    assert_eq!(outcome.diagnostics(), Vec::<&str>::new());
    let lines = outcome.lines();
    let error = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    let events = intake.events();
    for event in &events {
        assert_eq!(
            event["contexts"]["trace"]["trace_id"], error["trace_id"],
            "{event:#}"
        );
        assert_eq!(
            event["contexts"]["trace"]["span_id"], error["span_id"],
            "{event:#}"
        );
    }
    events
}

#[derive(Debug, thiserror::Error)]
#[error("checkout failed")]
struct CheckoutError(#[source] std::num::ParseIntError);

#[test]
fn an_error_event_becomes_one_sentry_event_of_the_same_trace() {
    let test = "an_error_event_becomes_one_sentry_event_of_the_same_trace";
    let variables = [(
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=staging",
    )];
    let events = reported(test, &variables, || {
        let telemetry = throughline::builder("shop")
            .version("1.2.3")
            .init()
            .unwrap();
        tracing::info_span!("checkout").in_scope(|| {
            tracing::info!("not an error");
            tracing::warn!("not an error either");
            let error = CheckoutError("x".parse::<i32>().unwrap_err());
            let error: &dyn std::error::Error = &error;
            tracing::error!(name: "checkout.failed", { order.id = 7, error }, "it went wrong");
        });
        let report = telemetry.shutdown();
        assert_eq!(
            (report.errors.emitted, report.errors.delivered),
            (1, 1),
            "{report}"
        );
    });
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = &events[0];
    // Left out where it is the protocol's default, "error".
    assert_eq!(event["level"], Value::Null);
    assert_eq!(event["release"], "shop@1.2.3");
    assert_eq!(event["environment"], "staging");
    assert_eq!(event["message"], "it went wrong");
    assert_eq!(event["transaction"], "checkout");
    assert_eq!(event["extra"]["order.id"], 7);
    assert_eq!(event["tags"]["event.name"], "checkout.failed");
    // The root cause first, as Sentry wants it.
    let values = event["exception"]["values"].as_array().unwrap();
    let values: Vec<_> = values
        .iter()
        .map(|value| value["value"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["invalid digit found in string", "checkout failed"]);
}

#[derive(Debug, thiserror::Error)]
#[error("order not placed")]
struct OrderError(#[source] PaymentError);

#[derive(Debug, thiserror::Error)]
#[error("payment refused")]
struct PaymentError(#[source] CheckoutError);

#[test]
fn one_error_is_an_event_a_record_and_a_failed_span_of_one_trace() {
    let test = "one_error_is_an_event_a_record_and_a_failed_span_of_one_trace";
    let intake = (!is_child(test)).then(|| Intake::start(StatusCode::OK));
    let dsn = intake.as_ref().map_or("", |intake| intake.dsn.as_str());
    let (receiver, _) = received_by(test, "grpc", &[("SENTRY_DSN", dsn)], || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::info_span!("place order").in_scope(|| {
            let digits = "x".parse::<i32>().unwrap_err();
            let failure = OrderError(PaymentError(CheckoutError(digits)));
            tracing::error!(error = throughline::error(&failure), "no order");
        });
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    });
    let messages = [
        "order not placed",
        "payment refused",
        "checkout failed",
        "invalid digit found in string",
    ];

    let spans = receiver.spans();
    assert_eq!(spans.len(), 1, "{spans:#?}");
    let status = spans[0].status.as_ref().unwrap();
    assert_eq!(status.code, SpanStatus::Error as i32);
    let (trace_id, span_id) = (spans[0].trace_id(), spans[0].span_id());

    let logs = receiver.logs();
    assert_eq!(logs.len(), 1, "{logs:#?}");
    assert_eq!(
        (logs[0].trace_id(), logs[0].span_id()),
        (Some(trace_id), Some(span_id))
    );
    assert_eq!(
        text(logs[0].attribute("exception.type")),
        "wire::sentry::OrderError"
    );
    assert_eq!(text(logs[0].attribute("exception.message")), messages[0]);
    let chain = text(logs[0].attribute("exception.stacktrace"));
    for message in messages {
        assert!(chain.contains(message), "{message:?} is not in {chain}");
    }

    let events = intake.unwrap().events();
    assert_eq!(events.len(), 1, "{events:#?}");
    let trace = &events[0]["contexts"]["trace"];
    assert_eq!(trace["trace_id"], trace_id.to_string());
    assert_eq!(trace["span_id"], span_id.to_string());
    let exceptions = events[0]["exception"]["values"].as_array().unwrap();
    let values: Vec<_> = exceptions.iter().map(|it| &it["value"]).collect();
    // The root cause first, as Sentry wants it.
    assert_eq!(values, messages.iter().rev().collect::<Vec<_>>());
    assert_eq!(exceptions[3]["type"], "wire::sentry::OrderError");
}

#[test]
fn a_critical_record_is_an_event_at_any_level() {
    let test = "a_critical_record_is_an_event_at_any_level";
    let events = reported(test, &[], || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::info_span!("request").in_scope(|| {
            tracing::warn!(
                name: "attack.sql_injection",
                { log.category = "security", event.severity = "critical" },
                "blocked"
            );
            tracing::warn!(event.severity = "high", "not critical");
            tracing::error!("an error");
        });
        telemetry.shutdown();
    });
    let seen: Vec<_> = events
        .iter()
        .map(|event| (&event["message"], &event["level"]))
        .collect();
    let error = (&Value::from("an error"), &Value::Null);
    assert_eq!(seen, [(&"blocked".into(), &"fatal".into()), error]);
    let tags = &events[0]["tags"];
    assert_eq!(tags["log.category"], "security");
    assert_eq!(tags["event.severity"], "critical");
    assert_eq!(tags["event.name"], "attack.sql_injection");
}

#[test]
fn an_event_brings_its_own_requests_user_and_breadcrumbs() {
    let test = "an_event_brings_its_own_requests_user_and_breadcrumbs";
    let events = reported(test, &[], || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::info_span!("other").in_scope(|| tracing::info!("another request's"));
        tracing::info_span!("request", request.id = "r-1").in_scope(|| {
            throughline::context::set_user("ada");
            throughline::context::set_tenant("blue");
            tracing::info!(cart.items = 2, "cart opened");
            tracing::debug!("too fine");
            let failure = CheckoutError("x".parse::<i32>().unwrap_err());
            tracing::error!(error = throughline::error(&failure), "it went wrong");
        });
        telemetry.shutdown();
    });
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = &events[0];
    assert_eq!(event["user"]["id"], "ada");
    assert_eq!(event["tags"]["request.id"], "r-1");
    assert_eq!(event["tags"]["tenant.id"], "blue");
    let crumbs = event["breadcrumbs"]["values"].as_array().unwrap();
    let crumbs: Vec<_> = crumbs.iter().map(|crumb| &crumb["message"]).collect();
    assert_eq!(crumbs, ["cart opened"]);
    assert_eq!(event["breadcrumbs"]["values"][0]["data"]["cart.items"], 2);
    let outermost = event["exception"]["values"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(outermost["type"], "wire::sentry::CheckoutError");
    assert_eq!(event["fingerprint"][0], "wire::sentry");
    assert_eq!(event["fingerprint"][1], "wire::sentry::CheckoutError");
}

#[test]
fn a_panic_is_reported_exactly_once_with_its_stack() {
    let test = "a_panic_is_reported_exactly_once_with_its_stack";
    let events = reported(test, &[], || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let telemetry = throughline::init("shop").unwrap();
        runtime.block_on(async {
            let task = async { panic!("broken") };
            let panicked: Result<(), _> =
                tokio::spawn(task.instrument(tracing::info_span!("request"))).await;
            assert!(panicked.unwrap_err().is_panic());
        });
        telemetry.shutdown();
    });
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["level"], "fatal");
    let exception = &events[0]["exception"]["values"][0];
    assert_eq!(exception["type"], "panic");
    assert_eq!(exception["value"], "broken");
    assert_eq!(exception["mechanism"]["handled"], false);
    let frames = exception["stacktrace"]["frames"].as_array().unwrap();
    let function = frames.last().unwrap()["function"].as_str().unwrap();
    assert!(
        function.contains("a_panic_is_reported_exactly_once_with_its_stack"),
        "the stack does not end where it panicked: {frames:#?}"
    );
}

#[test]
fn what_the_service_captures_itself_is_of_the_same_trace() {
    let test = "what_the_service_captures_itself_is_of_the_same_trace";
    let variables = [
        ("SENTRY_RELEASE", "shop@9"),
        ("SENTRY_ENVIRONMENT", "prod"),
        ("SENTRY_DIST", "arm64"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=retail"),
    ];
    let events = reported(test, &variables, || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::info_span!("request").in_scope(|| {
            tracing::error!("by the record");
            sentry_core::capture_message("by hand", sentry_core::Level::Info);
        });
        telemetry.shutdown();
    });
    assert_eq!(events[1]["message"], "by hand");
    assert_eq!(events[1]["release"], "shop@9");
    assert_eq!(events[1]["environment"], "prod");
    for event in events {
        assert_eq!(event["dist"], "arm64");
        assert_eq!(event["tags"]["service.name"], "shop");
        assert_eq!(event["tags"]["service.namespace"], "retail");
    }
}

#[test]
fn a_server_that_refuses_is_counted_and_said_once() {
    let test = "a_server_that_refuses_is_counted_and_said_once";
    let body = || {
        let telemetry = throughline::init("shop").unwrap();
        tracing::error!("one");
        tracing::error!("two");
        let report = telemetry.shutdown();
        assert_eq!(
            (report.errors.emitted, report.errors.delivered),
            (2, 0),
            "{report}"
        );
        assert_eq!(report.errors.dropped_total(), 2);
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    let intake = Intake::start(StatusCode::FORBIDDEN);
    let variables = [
        ("SENTRY_DSN", intake.dsn.as_str()),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    let outcome = in_child(test, &variables, body);
    let said: Vec<_> = outcome
        .diagnostics()
        .into_iter()
        .filter(|line| line.contains("error reports"))
        .map(str::to_owned)
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("403") && said[0].contains("SENTRY_DSN"),
        "{}",
        said[0]
    );
    assert!(!said[0].contains("0123456789abcdef"), "{}", said[0]);
}
