//! What scripts read: all of OTLP's fields under its names, ids in hexadecimal, times as
//! RFC 3339 in UTC with nanoseconds, and values with their types.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::LogRecord,
    metrics::v1::exponential_histogram_data_point::Buckets,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use serde_json::{Map, Value, json};

use crate::store::{Issue, Point, RecordRow, Series, SpanRow, Stored};

/// Lists and maps within each other; deeper ones were refused when they came.
const DEEPEST: usize = 64;

/// Nanoseconds since 1970; zero is unknown.
pub(super) fn time(nanoseconds: u64) -> Value {
    if nanoseconds == 0 {
        return Value::Null;
    }
    jiff::Timestamp::from_nanosecond(nanoseconds.into())
        .map_or(Value::Null, |time| format!("{time:.9}").into())
}

pub(super) fn hex(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let hex = bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            _ = write!(hex, "{byte:02x}");
            hex
        });
    hex.into()
}

/// What is no number in JSON is its name, as in OTLP's own JSON.
pub(super) fn number(number: f64) -> Value {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .into()
    } else {
        number.into()
    }
}

pub(super) fn value(value: Option<&AnyValue>) -> Value {
    value_at(value, 0)
}

fn value_at(value: Option<&AnyValue>, depth: usize) -> Value {
    let Some(value) = value.and_then(|value| value.value.as_ref()) else {
        return Value::Null;
    };
    match value {
        any_value::Value::StringValue(text) => text.as_str().into(),
        any_value::Value::BoolValue(truth) => (*truth).into(),
        any_value::Value::IntValue(integer) => (*integer).into(),
        any_value::Value::DoubleValue(double) => number(*double),
        any_value::Value::BytesValue(bytes) => json!({ "bytes": hex(bytes) }),
        _ if depth == DEEPEST => Value::Null,
        any_value::Value::ArrayValue(list) => list
            .values
            .iter()
            .map(|item| value_at(Some(item), depth + 1))
            .collect(),
        any_value::Value::KvlistValue(map) => attributes_at(&map.values, depth + 1),
        // A reference into a table that OTLP's profiles carry, and no other signal.
        any_value::Value::StringValueStrindex(_) => Value::Null,
    }
}

pub(super) fn attributes(attributes: &[KeyValue]) -> Value {
    attributes_at(attributes, 0)
}

fn attributes_at(attributes: &[KeyValue], depth: usize) -> Value {
    let mut map = Map::new();
    for attribute in attributes {
        map.insert(
            attribute.key.clone(),
            value_at(attribute.value.as_ref(), depth),
        );
    }
    Value::Object(map)
}

fn scope(scope: &InstrumentationScope) -> Value {
    json!({
        "name": scope.name,
        "version": scope.version,
        "attributes": attributes(&scope.attributes),
    })
}

pub(super) fn span(stored: &Stored<Span>) -> Value {
    let span = &stored.item;
    let kind = match SpanKind::try_from(span.kind).unwrap_or_default() {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    };
    let status = span.status.clone().unwrap_or_default();
    let code = match status.code() {
        StatusCode::Unset => "unset",
        StatusCode::Ok => "ok",
        StatusCode::Error => "error",
    };
    let events = span.events.iter().map(|event| {
        json!({
            "time": time(event.time_unix_nano),
            "name": event.name,
            "attributes": attributes(&event.attributes),
            "dropped_attributes_count": event.dropped_attributes_count,
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "trace_id": hex(&link.trace_id),
            "span_id": hex(&link.span_id),
            "trace_state": link.trace_state,
            "attributes": attributes(&link.attributes),
            "dropped_attributes_count": link.dropped_attributes_count,
            "flags": link.flags,
        })
    });
    json!({
        "type": "span",
        "trace_id": hex(&span.trace_id),
        "span_id": hex(&span.span_id),
        "parent_span_id": hex(&span.parent_span_id),
        "trace_state": span.trace_state,
        "flags": span.flags,
        "service": stored.service.as_ref(),
        "name": span.name,
        "kind": kind,
        "start": time(span.start_time_unix_nano),
        "end": time(span.end_time_unix_nano),
        "duration_ns": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
        "status": { "code": code, "message": status.message },
        "attributes": attributes(&span.attributes),
        "dropped_attributes_count": span.dropped_attributes_count,
        "events": events.collect::<Value>(),
        "dropped_events_count": span.dropped_events_count,
        "links": links.collect::<Value>(),
        "dropped_links_count": span.dropped_links_count,
        "resource": attributes(&stored.resource.attributes),
        "scope": scope(&stored.scope),
    })
}

/// A span as lists have it.
pub(super) fn span_row(row: &SpanRow) -> Value {
    json!({
        "trace_id": format!("{:032x}", row.trace),
        "span_id": format!("{:016x}", row.span),
        "service": row.service.as_ref(),
        "name": row.name.as_ref(),
        "start": time(row.start),
        "duration_ns": row.duration,
        "error": row.error,
        "http_status": row.http_status,
    })
}

pub(super) fn record(stored: &Stored<LogRecord>) -> Value {
    let record = &stored.item;
    json!({
        "type": "record",
        "id": stored.id,
        "time": time(record.time_unix_nano),
        "observed_time": time(record.observed_time_unix_nano),
        "severity_number": record.severity_number,
        "severity_text": record.severity_text,
        "service": stored.service.as_ref(),
        "event_name": record.event_name,
        "body": value(record.body.as_ref()),
        "attributes": attributes(&record.attributes),
        "dropped_attributes_count": record.dropped_attributes_count,
        "flags": record.flags,
        "trace_id": hex(&record.trace_id),
        "span_id": hex(&record.span_id),
        "resource": attributes(&stored.resource.attributes),
        "scope": scope(&stored.scope),
    })
}

/// A record whose own time may be unknown: that of its row is when it came.
pub(super) fn record_of_row(row: &RecordRow, stored: &Stored<LogRecord>) -> Value {
    let mut value = record(stored);
    value["happened"] = time(row.time);
    value
}

pub(super) fn issue(issue: &Issue) -> Value {
    json!({
        "type": "error",
        "id": issue.fingerprint.to_string(),
        "title": issue.title,
        "subtitle": issue.subtitle,
        "culprit": issue.culprit,
        "level": issue.level,
        "service": issue.service.as_ref(),
        "count": issue.count,
        "users": issue.users,
        "first_seen": time(issue.first_seen),
        "last_seen": time(issue.last_seen),
        "status": issue.state.as_str(),
        "resolved_at": issue.resolved_at.map(time),
        "resolved_in": issue.resolved_in,
        "regressed_at": issue.regressed_at.map(time),
        "regressed_in": issue.regressed_in,
        "first_release": issue.first_release,
        "last_release": issue.last_release,
    })
}

/// The name of a metric's kind.
pub(super) fn kind(kind: i64) -> &'static str {
    match kind {
        1 => "gauge",
        2 => "sum",
        3 => "histogram",
        4 => "exponential_histogram",
        5 => "summary",
        _ => "unknown",
    }
}

/// A series with a point.
pub(super) fn series(series: &Series, at: i64, point: &Point) -> Value {
    let temporality = match series.temporality {
        1 => "delta".into(),
        2 => "cumulative".into(),
        _ => Value::Null,
    };
    json!({
        "type": "series",
        "name": series.name.as_ref(),
        "service": series.service.as_ref(),
        "unit": series.unit,
        "description": series.description,
        "kind": kind(series.kind),
        "temporality": temporality,
        "monotonic": series.monotonic,
        "attributes": attributes(&series.attributes),
        "resource": attributes(&series.resource.attributes),
        "time": time(at.unsigned_abs()),
        "point": self::point(point),
    })
}

fn point(point: &Point) -> Value {
    let optional = |value: Option<f64>| value.map(number);
    match point {
        Point::Number(value) => json!({ "value": number(*value) }),
        Point::Histogram(histogram) => json!({
            "start": time(histogram.start_time_unix_nano),
            "count": histogram.count,
            "sum": optional(histogram.sum),
            "min": optional(histogram.min),
            "max": optional(histogram.max),
            "bucket_counts": histogram.bucket_counts,
            "explicit_bounds": histogram.explicit_bounds,
        }),
        Point::Exponential(histogram) => {
            let buckets = |buckets: &Option<Buckets>| {
                buckets.as_ref().map(|buckets| {
                    json!({ "offset": buckets.offset, "bucket_counts": buckets.bucket_counts })
                })
            };
            json!({
                "start": time(histogram.start_time_unix_nano),
                "count": histogram.count,
                "sum": optional(histogram.sum),
                "min": optional(histogram.min),
                "max": optional(histogram.max),
                "scale": histogram.scale,
                "zero_count": histogram.zero_count,
                "zero_threshold": number(histogram.zero_threshold),
                "positive": buckets(&histogram.positive),
                "negative": buckets(&histogram.negative),
            })
        }
        Point::Summary(summary) => {
            let quantiles = summary.quantile_values.iter().map(|quantile| {
                json!({ "quantile": number(quantile.quantile), "value": number(quantile.value) })
            });
            json!({
                "start": time(summary.start_time_unix_nano),
                "count": summary.count,
                "sum": number(summary.sum),
                "quantiles": quantiles.collect::<Value>(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    fn of(value: any_value::Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_keep_their_types() {
        use any_value::Value as Any;
        let list = ArrayValue {
            values: vec![of(Any::IntValue(i64::MAX)), of(Any::BoolValue(true))],
        };
        let map = KeyValueList {
            values: vec![KeyValue {
                key: "a".into(),
                value: Some(of(Any::DoubleValue(1.0))),
                ..KeyValue::default()
            }],
        };
        for (given, expected) in [
            (Any::StringValue("7".into()), "\"7\""),
            (Any::IntValue(7), "7"),
            (Any::DoubleValue(7.0), "7.0"),
            (Any::DoubleValue(f64::NAN), "\"NaN\""),
            (Any::BytesValue(vec![0, 255]), r#"{"bytes":"00ff"}"#),
            (Any::ArrayValue(list), "[9223372036854775807,true]"),
            (Any::KvlistValue(map), r#"{"a":1.0}"#),
        ] {
            assert_eq!(value(Some(&of(given))).to_string(), expected);
        }
        assert_eq!(value(None), Value::Null);
    }

    #[test]
    fn a_moment_has_its_nanoseconds_and_none_is_null() {
        assert_eq!(
            time(1_700_000_000_000_000_001),
            "2023-11-14T22:13:20.000000001Z"
        );
        assert_eq!(
            time(1_700_000_000_000_000_000),
            "2023-11-14T22:13:20.000000000Z"
        );
        assert_eq!(time(0), Value::Null);
    }
}
