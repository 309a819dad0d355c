//! What left the process, decoded: every signal carries the same ids, whatever the event's
//! way to its span.

use std::error::Error;
use std::time::Duration;

use crate::support::text;
use crate::support::{PROTOCOLS, received_by};
use throughline_receiver::proto::common::v1::any_value::Value;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::{Attributes, Received, Receiver};
use tracing::Instrument;

fn log<'a>(logs: &'a [Received<LogRecord>], message: &str) -> &'a Received<LogRecord> {
    logs.iter()
        .find(|log| log.message() == Some(message))
        .unwrap_or_else(|| panic!("no record {message:?} in {logs:#?}"))
}

fn span(receiver: &Receiver, name: &str) -> Span {
    let spans = receiver.spans();
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "spans called {name:?} in {spans:#?}");
    (**found[0]).clone()
}

#[test]
fn spans_records_metrics_and_lines_of_one_request_agree() {
    for protocol in PROTOCOLS {
        let (receiver, outcome) = received_by(
            "spans_records_metrics_and_lines_of_one_request_agree",
            protocol,
            &[(
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=test,team=caf%C3%A9",
            )],
            || {
                let telemetry = throughline::builder("checkout")
                    .version("1.2.3")
                    .init()
                    .unwrap();
                let span = tracing::info_span!("place order", otel.kind = "server", order.id = 7);
                span.in_scope(|| {
                    tracing::info!(name: "order.placed", { order.id = 7, paid = true, total = 9.5 }, "placed");
                    metrics::counter!("orders.placed", "channel" => "web").increment(3);
                    metrics::histogram!("order.duration").record(0.02);
                    metrics::gauge!("cart.items").set(4.0);
                });
                drop(span);
                let report = telemetry.shutdown();
                assert!(report.is_lossless(), "{report}");
                assert_eq!((report.traces.delivered, report.logs.delivered), (1, 1));
            },
        );
        let span = span(&receiver, "place order");
        let logs = receiver.logs();
        assert_eq!(logs.len(), 1, "{logs:#?}");
        let log = log(&logs, "placed");
        assert_eq!(log.trace_id, span.trace_id);
        assert_eq!(log.span_id, span.span_id);
        assert_eq!(log.event_name, "order.placed");
        assert_eq!(text(log.attribute("paid")), "true");
        assert_eq!(text(log.attribute("order.id")), "7");
        assert_eq!(span.kind, 2, "server");
        assert_eq!(text(span.attribute("order.id")), "7");
        assert!(
            span.events.is_empty(),
            "an event is a record, not a span event as well"
        );

        let lines = outcome.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(lines[0]["trace_id"], hex(&span.trace_id));
        assert_eq!(lines[0]["span_id"], hex(&span.span_id));
        assert_eq!(lines[0]["span"], "place order");
        assert_eq!(lines[0]["event"], "order.placed");
        assert_eq!(lines[0]["version"], "1.2.3");
        assert_eq!(lines[0]["environment"], "test");

        let contents = receiver.contents();
        for name in ["orders.placed", "order.duration", "cart.items"] {
            let metric = contents
                .metric(name)
                .unwrap_or_else(|| panic!("no metric {name}"));
            assert_eq!(metric.service_name(), Some("checkout"));
        }
        let spans = receiver.spans();
        for (key, expected) in [
            ("service.name", "checkout"),
            ("service.version", "1.2.3"),
            ("deployment.environment.name", "test"),
            ("team", "café"),
            ("telemetry.distro.name", "throughline"),
        ] {
            assert_eq!(text(spans[0].resource_attribute(key)), expected, "{key}");
            assert_eq!(text(logs[0].resource_attribute(key)), expected, "{key}");
        }
    }
}

#[test]
fn an_event_belongs_to_the_span_that_it_names() {
    let (receiver, _) = received_by(
        "an_event_belongs_to_the_span_that_it_names",
        "grpc",
        &[],
        || {
            let telemetry = throughline::init("ids").unwrap();
            let named = tracing::info_span!("named");
            let entered = tracing::info_span!("entered");
            entered.in_scope(|| {
                tracing::info!("by position");
                tracing::info!(parent: &named, "by name");
                tracing::info!(parent: None, "root");
                tracing::debug_span!("filtered").in_scope(|| tracing::info!("inside filtered"));
            });
            tracing::info!("outside");
            drop((named, entered));
            assert!(telemetry.shutdown().is_lossless());
        },
    );
    let logs = receiver.logs();
    let named = span(&receiver, "named");
    let entered = span(&receiver, "entered");
    assert_eq!(log(&logs, "by position").span_id, entered.span_id);
    assert_eq!(log(&logs, "inside filtered").span_id, entered.span_id);
    assert_eq!(log(&logs, "by name").span_id, named.span_id);
    assert_eq!(log(&logs, "by name").trace_id, named.trace_id);
    assert!(log(&logs, "root").span_id.is_empty());
    assert!(log(&logs, "outside").trace_id.is_empty());
    assert_eq!(log(&logs, "outside").event_name, "", "no name was given");
}

#[test]
fn tasks_that_are_given_the_span_keep_its_ids() {
    let (receiver, _) = received_by(
        "tasks_that_are_given_the_span_keep_its_ids",
        "http/protobuf",
        &[],
        || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(4)
                .enable_all()
                .build()
                .unwrap();
            let telemetry = throughline::init("tasks").unwrap();
            runtime.block_on(async {
                let request = async {
                    let task = async { tracing::info!("spawned") }.in_current_span();
                    tokio::spawn(task).await.unwrap();
                    let span = tracing::Span::current();
                    tokio::task::spawn_blocking(move || {
                        span.in_scope(|| tracing::info!("blocking"));
                    })
                    .await
                    .unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    tracing::info!("after an await");
                };
                request.instrument(tracing::info_span!("request")).await;
                assert!(telemetry.shutdown_async().await.is_lossless());
            });
        },
    );
    let logs = receiver.logs();
    let request = span(&receiver, "request");
    for message in ["spawned", "blocking", "after an await"] {
        assert_eq!(log(&logs, message).span_id, request.span_id, "{message}");
    }
}

#[test]
fn a_spans_values_keep_their_types() {
    let (receiver, _) = received_by("a_spans_values_keep_their_types", "grpc", &[], || {
        let telemetry = throughline::init("types").unwrap();
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            size = 7_usize,
            status = tracing::field::Empty,
            huge = u64::MAX,
            signed = -1,
            ratio = 0.5,
            cached = true,
            route = "/a",
            shown = %"x",
        );
        span.record("status", 200_u16);
        drop(span);
        tracing::info_span!(parent: None, "root", size = 1_u8);
        telemetry.shutdown();
    });
    let request = span(&receiver, "request");
    assert_eq!(request.kind, 2, "the layer's own fields still work");
    assert_eq!(request.attribute_i64("size"), Some(7));
    assert_eq!(request.attribute_i64("status"), Some(200));
    assert_eq!(request.attribute_str("huge"), Some("18446744073709551615"));
    assert_eq!(request.attribute_i64("signed"), Some(-1));
    assert_eq!(request.attribute("ratio"), Some(&Value::DoubleValue(0.5)));
    assert_eq!(request.attribute("cached"), Some(&Value::BoolValue(true)));
    assert_eq!(request.attribute_str("route"), Some("/a"));
    assert_eq!(request.attribute_str("shown"), Some("x"));
    assert_eq!(span(&receiver, "root").attribute_i64("size"), Some(1));
}

#[derive(Debug, thiserror::Error)]
#[error("checkout failed")]
struct CheckoutError(#[source] std::num::ParseIntError);

#[test]
fn an_error_event_tells_its_chain_and_marks_its_span() {
    let (receiver, outcome) = received_by(
        "an_error_event_tells_its_chain_and_marks_its_span",
        "grpc",
        &[],
        || {
            let telemetry = throughline::init("errors").unwrap();
            tracing::info_span!("checkout").in_scope(|| {
                let error = CheckoutError("x".parse::<i32>().unwrap_err());
                tracing::error!(error = &error as &dyn Error, "it went wrong");
            });
            tracing::info_span!("calm").in_scope(|| tracing::warn!("only a warning"));
            assert!(telemetry.shutdown().is_lossless());
        },
    );
    let logs = receiver.logs();
    let record = log(&logs, "it went wrong");
    assert_eq!(
        text(record.attribute("exception.message")),
        "checkout failed"
    );
    let stacktrace = text(record.attribute("exception.stacktrace"));
    assert!(
        stacktrace.contains("0: invalid digit found in string"),
        "{stacktrace}"
    );
    let status = span(&receiver, "checkout").status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "it went wrong"));
    let calm = span(&receiver, "calm").status.unwrap_or_default();
    assert_eq!(calm.code, 0);
    let line = &outcome.lines()[0];
    assert_eq!(line["exception"]["message"], "checkout failed");
}

#[test]
fn an_error_given_by_its_type_tells_it_exactly() {
    let (receiver, outcome) = received_by(
        "an_error_given_by_its_type_tells_it_exactly",
        "grpc",
        &[("RUST_BACKTRACE", "1")],
        || {
            let telemetry = throughline::init("errors").unwrap();
            let error = CheckoutError("x".parse::<i32>().unwrap_err());
            tracing::error!(error = throughline::error(&error), "it went wrong");
            assert!(telemetry.shutdown().is_lossless());
        },
    );
    let logs = receiver.logs();
    let record = log(&logs, "it went wrong");
    assert_eq!(
        text(record.attribute("exception.type")),
        "wire::correlation::CheckoutError"
    );
    assert_eq!(
        text(record.attribute("exception.message")),
        "checkout failed"
    );
    let stacktrace = text(record.attribute("exception.stacktrace"));
    assert!(
        stacktrace.contains("0: invalid digit found"),
        "{stacktrace}"
    );
    assert!(
        stacktrace.contains("an_error_given_by_its_type_tells_it_exactly"),
        "the capture site, as backtraces were asked for: {stacktrace}"
    );
    assert_eq!(record.attribute("error"), None, "told once");
    assert_eq!(
        outcome.lines()[0]["exception"]["type"],
        "wire::correlation::CheckoutError"
    );
}

#[test]
fn a_panic_is_one_record_of_the_span_that_was_at_work() {
    let (receiver, outcome) = received_by(
        "a_panic_is_one_record_of_the_span_that_was_at_work",
        "http/protobuf",
        &[],
        || {
            let telemetry = throughline::init("panics").unwrap();
            let span = tracing::info_span!("request");
            let at_work = span.clone();
            let panicked = std::thread::spawn(move || at_work.in_scope(|| panic!("broken {}", 7)));
            let panicked = panicked.join();
            assert!(panicked.is_err());
            drop(span);
            assert!(telemetry.shutdown().is_lossless());
        },
    );
    let logs = receiver.logs();
    assert_eq!(logs.len(), 1, "{logs:#?}");
    let request = span(&receiver, "request");
    let panic = log(&logs, "broken 7");
    assert_eq!(panic.span_id, request.span_id);
    assert_eq!(panic.severity_text, "ERROR");
    assert_eq!(text(panic.attribute("exception.type")), "panic");
    let file = text(panic.attribute("code.file.path"));
    assert!(file.ends_with("correlation.rs"), "{file}");
    assert_eq!(request.status.unwrap().code, 2);
    assert_eq!(outcome.lines()[0]["exception"]["type"], "panic");
}

#[test]
fn records_of_the_log_crate_keep_their_own_target_and_place() {
    let (receiver, _) = received_by(
        "records_of_the_log_crate_keep_their_own_target_and_place",
        "grpc",
        &[],
        || {
            let telemetry = throughline::init("logs").unwrap();
            tracing::info_span!("request").in_scope(|| {
                log::warn!(target: "old::module", "from the log crate");
            });
            assert!(telemetry.shutdown().is_lossless());
        },
    );
    let logs = receiver.logs();
    let record = log(&logs, "from the log crate");
    assert_eq!(record.scope.name, "old::module");
    assert_eq!(record.severity_text, "WARN");
    assert_eq!(record.event_name, "");
    let file = text(record.attribute("code.file.path"));
    assert!(file.ends_with("correlation.rs"), "{file}");
    assert_eq!(record.attribute("log.target"), None);
    assert_eq!(record.span_id, span(&receiver, "request").span_id);
}
