//! Spans as OTLP/JSON, which any OTLP/HTTP endpoint takes: what one sees here can be sent on, or
//! attached to a bug report.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    trace::v1::Span,
};
use serde_json::{Value, json};

use crate::{page::trace::hex, store::Stored};

/// The spans of each scope, after the first of them, which has the scope.
type Scopes<'a> = Vec<(&'a Stored<Span>, Vec<Value>)>;

/// An export request with these spans, as they came.
pub(super) fn request(spans: &[Stored<Span>]) -> Value {
    let mut resources: Vec<(&Stored<Span>, Scopes<'_>)> = Vec::new();
    for span in spans {
        let of = resources
            .iter()
            .position(|(first, _)| same(&first.resource, &span.resource));
        let of = of.unwrap_or_else(|| {
            resources.push((span, Vec::new()));
            resources.len() - 1
        });
        let scopes = &mut resources[of].1;
        let scope = scopes
            .iter()
            .position(|(first, _)| same(&first.scope, &span.scope));
        let scope = scope.unwrap_or_else(|| {
            scopes.push((span, Vec::new()));
            scopes.len() - 1
        });
        scopes[scope].1.push(self::span(&span.item));
    }
    let resources: Vec<Value> = resources
        .into_iter()
        .map(|(first, scopes)| {
            let scopes: Vec<Value> = scopes
                .into_iter()
                .map(|(first, spans)| json!({ "scope": scope(&first.scope), "spans": spans }))
                .collect();
            json!({
                "resource": {
                    "attributes": attributes(&first.resource.attributes),
                    "droppedAttributesCount": first.resource.dropped_attributes_count,
                },
                "scopeSpans": scopes,
            })
        })
        .collect();
    json!({ "resourceSpans": resources })
}

/// Resources are shared when they are read, so that most are told apart without a look.
fn same<T: PartialEq>(left: &Arc<T>, right: &Arc<T>) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

fn scope(scope: &InstrumentationScope) -> Value {
    json!({
        "name": scope.name,
        "version": scope.version,
        "attributes": attributes(&scope.attributes),
        "droppedAttributesCount": scope.dropped_attributes_count,
    })
}

fn span(span: &Span) -> Value {
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "timeUnixNano": event.time_unix_nano.to_string(),
                "name": event.name,
                "attributes": attributes(&event.attributes),
                "droppedAttributesCount": event.dropped_attributes_count,
            })
        })
        .collect();
    let links: Vec<Value> = span
        .links
        .iter()
        .map(|link| {
            json!({
                "traceId": hex(&link.trace_id),
                "spanId": hex(&link.span_id),
                "traceState": link.trace_state,
                "attributes": attributes(&link.attributes),
                "droppedAttributesCount": link.dropped_attributes_count,
                "flags": link.flags,
            })
        })
        .collect();
    let mut json = json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "traceState": span.trace_state,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "events": events,
        "droppedEventsCount": span.dropped_events_count,
        "links": links,
        "droppedLinksCount": span.dropped_links_count,
    });
    if let (Some(status), Some(object)) = (&span.status, json.as_object_mut()) {
        let status = json!({ "code": status.code, "message": status.message });
        object.insert("status".to_owned(), status);
    }
    json
}

fn attributes(attributes: &[KeyValue]) -> Vec<Value> {
    let entry = |attribute: &KeyValue| {
        json!({
            "key": attribute.key,
            "value": attribute.value.as_ref().map_or_else(|| json!({}), value),
        })
    };
    attributes.iter().map(entry).collect()
}

fn value(value: &AnyValue) -> Value {
    match &value.value {
        Some(any_value::Value::StringValue(text)) => json!({ "stringValue": text }),
        Some(any_value::Value::BoolValue(value)) => json!({ "boolValue": value }),
        // Larger ones than 2^53 do not survive as a number of JSON.
        Some(any_value::Value::IntValue(value)) => json!({ "intValue": value.to_string() }),
        Some(any_value::Value::DoubleValue(value)) => json!({ "doubleValue": double(*value) }),
        Some(any_value::Value::BytesValue(bytes)) => {
            json!({ "bytesValue": BASE64_STANDARD.encode(bytes) })
        }
        Some(any_value::Value::ArrayValue(list)) => {
            let values: Vec<Value> = list.values.iter().map(self::value).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Some(any_value::Value::KvlistValue(map)) => {
            json!({ "kvlistValue": { "values": attributes(&map.values) } })
        }
        _ => json!({}),
    }
}

/// JSON has no numbers that are none.
fn double(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        value.into()
    }
}
