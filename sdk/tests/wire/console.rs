//! `console` among a signal's exporters.

use crate::support::{Outcome, in_child, received_by};
use serde_json::Value;

fn emit() {
    let telemetry = throughline::init("console").unwrap();
    let outer = tracing::info_span!("order", otel.kind = "server", order.id = 7);
    outer.in_scope(|| {
        tracing::info_span!("pay", note = "two\nlines").in_scope(|| tracing::info!("paying"));
        metrics::counter!("orders.placed", "channel" => "web").increment(3);
        metrics::histogram!("order.duration").record(0.02);
    });
    drop(outer);
    telemetry.shutdown();
}

/// The lines of one signal. A record's line has no such key.
fn of(outcome: &Outcome, signal: &str) -> Vec<Value> {
    let mut lines = outcome.lines();
    lines.retain(|line| line["signal"] == signal);
    lines
}

#[test]
fn spans_are_lines_as_they_end() {
    let test = "spans_are_lines_as_they_end";
    let variables = [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
    ];
    let (receiver, outcome) = received_by(test, "grpc", &variables, emit);
    assert!(receiver.spans().is_empty(), "not by OTLP as well");
    let spans = of(&outcome, "span");
    let [pay, order] = &spans[..] else {
        panic!("two spans: {spans:#?}");
    };
    assert_eq!(order["name"], "order");
    assert_eq!(order["kind"], "server");
    assert_eq!(order["attributes"]["order.id"], 7);
    assert_eq!(order["parent_span_id"], Value::Null);
    assert_eq!(pay["parent_span_id"], order["span_id"]);
    assert_eq!(pay["trace_id"], order["trace_id"]);
    assert_eq!(pay["attributes"]["note"], "two\nl", "limits hold here too");
    assert!(order["duration_s"].as_f64().unwrap() >= 0.0);
    assert!(order["start"].as_str().unwrap().ends_with('Z'));
    let record = outcome.lines();
    let record = record
        .iter()
        .find(|line| line["message"] == "paying")
        .unwrap();
    assert_eq!(record["trace_id"], order["trace_id"]);
}

#[test]
fn spans_have_the_user_once_whichever_exporters_there_are() {
    let test = "spans_have_the_user_once_whichever_exporters_there_are";
    for exporters in ["console", "otlp,console"] {
        let variables = [("OTEL_TRACES_EXPORTER", exporters)];
        let (receiver, outcome) = received_by(test, "grpc", &variables, || {
            let telemetry = throughline::init("console").unwrap();
            let outer = tracing::info_span!("order", user.id = "ada");
            outer.in_scope(|| drop(tracing::info_span!("pay")));
            drop(outer);
            telemetry.shutdown();
        });
        for span in of(&outcome, "span") {
            assert_eq!(span["attributes"]["user.id"], "ada", "{exporters}: {span}");
        }
        let pay = receiver.spans().into_iter().find(|span| span.name == "pay");
        let users = pay.map(|span| {
            let users = span.attributes.iter().filter(|a| a.key == "user.id");
            users.count()
        });
        assert_eq!(users, exporters.contains("otlp").then_some(1));
    }
}

#[test]
fn data_points_are_lines_at_each_interval() {
    let test = "data_points_are_lines_at_each_interval";
    let variables = [("OTEL_METRICS_EXPORTER", "console,otlp")];
    let (receiver, outcome) = received_by(test, "grpc", &variables, emit);
    let points = of(&outcome, "metric");
    let named = |name: &str| points.iter().find(|point| point["name"] == name).unwrap();
    let counter = named("orders.placed");
    assert_eq!(counter["kind"], "sum");
    assert_eq!(counter["value"], 3);
    assert_eq!(counter["attributes"]["channel"], "web");
    let histogram = named("order.duration");
    assert_eq!(histogram["value"]["count"], 1);
    assert_eq!(histogram["value"]["sum"], 0.02);
    let contents = receiver.contents();
    assert!(contents.metric("orders.placed").is_some(), "and by OTLP");
}

#[test]
fn records_are_on_the_console_if_anything_asks_for_it() {
    let test = "records_are_on_the_console_if_anything_asks_for_it";
    for (exporter, format, lines, by_otlp) in [
        ("otlp", "off", 0, 1),
        ("console", "off", 1, 0),
        ("console", "json", 1, 0),
        ("otlp,console", "json", 1, 1),
        ("none", "json", 1, 0),
    ] {
        let variables = [
            ("OTEL_LOGS_EXPORTER", exporter),
            ("THROUGHLINE_LOG_FORMAT", format),
        ];
        let (receiver, outcome) = received_by(test, "grpc", &variables, emit);
        assert_eq!(outcome.lines().len(), lines, "{exporter} {format}");
        assert_eq!(receiver.logs().len(), by_otlp, "{exporter} {format}");
        let said = outcome.diagnostics().join("\n");
        let contradiction = exporter == "console" && format == "off";
        assert_eq!(said.contains("contradict"), contradiction, "{said}");
    }
}

#[test]
fn a_disabled_sdk_writes_neither() {
    let test = "a_disabled_sdk_writes_neither";
    let variables = [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "console"),
    ];
    let outcome = in_child(test, &variables, emit);
    assert!(of(&outcome, "span").is_empty() && of(&outcome, "metric").is_empty());
}
