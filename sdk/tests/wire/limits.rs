//! What leaves the process is no larger than the limits say.

use crate::support::received_by;
use opentelemetry::trace::{Span, SpanContext, SpanId, TraceFlags, TraceId, Tracer};
use opentelemetry::{Array, KeyValue, StringValue, Value, global};
use throughline::reexport::opentelemetry;
use throughline_receiver::{Attributes, Receiver};

fn linked() -> SpanContext {
    let (trace, span) = (TraceId::from(1_u128), SpanId::from(1_u64));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, Default::default())
}

/// A span with more of everything than the tests allow, and a record as large.
fn emit() {
    let telemetry = throughline::init("limits").unwrap();
    let mut span = global::tracer("limits").start("large");
    for number in 0..6_i64 {
        span.set_attribute(KeyValue::new(format!("key.{number}"), "abcdéfgh"));
    }
    for name in ["first", "second", "third"] {
        let attributes = vec![KeyValue::new("a", "abcdéfgh"), KeyValue::new("b", 1)];
        span.add_event(name, attributes.clone());
        span.add_link(linked(), attributes);
    }
    span.end();
    let mut span = global::tracer("limits").start("list");
    let texts = vec![StringValue::from("abcdéfgh"), StringValue::from("x")];
    span.set_attribute(KeyValue::new("texts", Value::Array(Array::String(texts))));
    span.end();
    tracing::info!(
        a = "abcdéfgh",
        b = 1,
        c = 2,
        d = 3,
        "a message of any length"
    );
    let report = telemetry.shutdown();
    assert!(report.is_lossless(), "{report}");
}

fn received(test: &str, variables: &[(&'static str, &str)]) -> Receiver {
    received_by(test, "grpc", variables, emit).0
}

#[test]
fn spans_have_no_more_than_they_may() {
    let test = "spans_have_no_more_than_they_may";
    let receiver = received(
        test,
        &[
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "1"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0"),
        ],
    );
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == "large").unwrap();
    assert_eq!(
        (span.attributes.len(), span.dropped_attributes_count),
        (4, 2)
    );
    assert_eq!((span.events.len(), span.dropped_events_count), (2, 1));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 2));
    assert_eq!(span.events[0].attributes.len(), 1);
    assert_eq!(span.events[0].dropped_attributes_count, 1);
    assert!(span.links[0].attributes.is_empty());
}

#[test]
fn long_values_are_cut_in_spans_events_links_and_lists() {
    let test = "long_values_are_cut_in_spans_events_links_and_lists";
    let limit = [("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5")];
    let receiver = received(test, &limit);
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == "large").unwrap();
    assert_eq!(span.attribute_str("key.0"), Some("abcdé"));
    assert_eq!(span.events[0].attributes.attribute_str("a"), Some("abcdé"));
    assert_eq!(span.links[0].attributes.attribute_str("a"), Some("abcdé"));
    let list = spans.iter().find(|span| span.name == "list").unwrap();
    let texts = format!("{:?}", list.attribute("texts"));
    assert!(
        texts.contains("\"abcdé\"") && !texts.contains("abcdéf"),
        "{texts}"
    );
    assert_eq!(
        receiver.logs()[0].attribute_str("a"),
        Some("abcdéfgh"),
        "no span"
    );
}

#[test]
fn records_have_no_more_than_they_may_and_the_message_stays_whole() {
    let test = "records_have_no_more_than_they_may_and_the_message_stays_whole";
    let receiver = received(
        test,
        &[
            ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "3"),
            ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ],
    );
    let logs = receiver.logs();
    assert_eq!(logs[0].attributes.len(), 3);
    for attribute in ["code.file.path", "a"] {
        let text = logs[0].attribute_str(attribute).unwrap_or_default();
        assert!(text.chars().count() <= 5, "{attribute}={text}");
    }
    assert_eq!(logs[0].message(), Some("a message of any length"));
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == "large").unwrap();
    assert_eq!(span.attribute_str("key.0"), Some("abcdéfgh"), "no record");
}

#[test]
fn the_general_limits_hold_for_both() {
    let test = "the_general_limits_hold_for_both";
    let receiver = received(
        test,
        &[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "4"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ],
    );
    let (spans, logs) = (receiver.spans(), receiver.logs());
    let span = spans.iter().find(|span| span.name == "large").unwrap();
    assert_eq!((span.attributes.len(), logs[0].attributes.len()), (4, 4));
    assert_eq!(span.attribute_str("key.0"), Some("abcdé"));
    assert_eq!(span.events.len(), 3, "events are no attributes");
}
