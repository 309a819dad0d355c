//! Traces in Jaeger's words: it keeps no attributes of scopes and links, no schemas and no
//! counts of what was dropped, and nested values as their JSON.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use throughline_receiver::proto::{common::v1::KeyValue, trace::v1::Span};
use throughline_viewer_tests::stored::{Database, Stored, hexadecimal, object};

use crate::{
    ask::Answer,
    jaeger::Jaeger,
    run::Run,
    wait::{ARRIVAL, eventually},
};

/// What Jaeger adds by itself to tell what it thinks of a span.
const WARNINGS: &str = "@jaeger@warnings";

/// Spans by trace and span id.
type Spans = BTreeMap<(String, String), Value>;

/// Waits until Jaeger has each trace that is stored of a service, and no other, and each span
/// as it is stored. Returns how many spans there are.
///
/// # Errors
/// If they differ, with what each has.
pub async fn are_equal(jaeger: &Jaeger, database: &Database, run: &Run) -> Result<usize> {
    let stored = database.spans(&run.service)?;
    let ours: Spans = stored
        .iter()
        .map(|span| (ids(&span.item), shown(span)))
        .collect();
    ensure!(ours.len() == stored.len(), "a span is stored twice");
    let traces: BTreeSet<String> = ours.keys().map(|(trace, _)| trace.clone()).collect();

    eventually(
        &format!("the {} traces of {} in Jaeger", traces.len(), run.service),
        ARRIVAL,
        || jaeger.ids(run),
        |found| *found == traces,
    )
    .await?;
    for trace in &traces {
        let expected: BTreeMap<_, _> = ours.iter().filter(|((id, _), _)| id == trace).collect();
        let of_trace = eventually(
            &format!("the {} spans of trace {trace} in Jaeger", expected.len()),
            ARRIVAL,
            || theirs(jaeger, trace, &run.service),
            |spans| spans.len() >= expected.len(),
        )
        .await?;
        of_trace.must_equal(
            "spans",
            of_trace.value.iter().collect::<BTreeMap<_, _>>(),
            expected,
        )?;
    }
    Ok(ours.len())
}

async fn theirs(jaeger: &Jaeger, trace: &str, service: &str) -> Result<Answer<Spans>> {
    jaeger.otlp(trace).await?.try_map(|result| {
        let mut spans = Spans::new();
        for of_resource in list(&result["resourceSpans"]) {
            let resource = attributes(&of_resource["resource"]["attributes"]);
            if resource["service.name"] != service {
                continue;
            }
            for of_scope in list(&of_resource["scopeSpans"]) {
                for span in list(&of_scope["spans"]) {
                    let ids = (text(&span["traceId"]), text(&span["spanId"]));
                    let before = spans.insert(ids, told(span, &resource, &of_scope["scope"]));
                    ensure!(before.is_none(), "Jaeger has a span twice");
                }
            }
        }
        Ok(spans)
    })
}

/// The same of a span as Jaeger writes it in JSON, where what is zero or empty is left out.
fn told(span: &Value, resource: &Value, scope: &Value) -> Value {
    let events: Vec<_> = list(&span["events"])
        .map(|event| {
            json!({
                "time": integer(&event["timeUnixNano"]),
                "name": event["name"],
                "attributes": attributes(&event["attributes"]),
            })
        })
        .collect();
    let links: Vec<_> = list(&span["links"])
        .map(|link| [text(&link["traceId"]), text(&link["spanId"])])
        .collect();
    json!({
        "parent": text(&span["parentSpanId"]),
        "state": text(&span["traceState"]),
        "name": text(&span["name"]),
        "kind": integer(&span["kind"]),
        "start": integer(&span["startTimeUnixNano"]),
        "end": integer(&span["endTimeUnixNano"]),
        "attributes": attributes(&span["attributes"]),
        "events": events,
        "links": links,
        "status": [json!(integer(&span["status"]["code"])), json!(text(&span["status"]["message"]))],
        "resource": resource,
        "scope": [text(&scope["name"]), text(&scope["version"])],
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Of 64 bits they are text.
fn integer(value: &Value) -> i64 {
    let of_text = || value.as_str()?.parse().ok();
    value.as_i64().or_else(of_text).unwrap_or_default()
}

fn attributes(pairs: &Value) -> Value {
    let pairs = list(pairs).filter(|pair| pair["key"] != WARNINGS);
    pairs
        .map(|pair| {
            let value = match pair["value"]
                .as_object()
                .and_then(|value| value.iter().next())
            {
                Some((kind, value)) if kind == "intValue" => json!(integer(value)),
                Some((kind, value)) if kind == "doubleValue" => json!(value.as_f64()),
                Some((kind, value)) if kind == "bytesValue" => json!({ "bytes": value }),
                Some((_, value)) => value.clone(),
                None => json!(""),
            };
            (text(&pair["key"]), value)
        })
        .collect()
}

fn ids(span: &Span) -> (String, String) {
    (hexadecimal(&span.trace_id), hexadecimal(&span.span_id))
}

/// All of a span that Jaeger keeps.
fn shown(span: &Stored<Span>) -> Value {
    let status = span.status.clone().unwrap_or_default();
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "time": event.time_unix_nano,
                "name": event.name,
                "attributes": flat(&event.attributes),
            })
        })
        .collect();
    let links: Vec<_> = span
        .links
        .iter()
        .map(|link| [hexadecimal(&link.trace_id), hexadecimal(&link.span_id)])
        .collect();
    json!({
        "parent": hexadecimal(&span.parent_span_id),
        "state": span.trace_state,
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": flat(&span.attributes),
        "events": events,
        "links": links,
        "status": [json!(status.code), json!(status.message)],
        "resource": flat(&span.resource.attributes),
        "scope": [&span.scope.name, &span.scope.version],
    })
}

fn flat(attributes: &[KeyValue]) -> Value {
    let mut attributes = object(attributes);
    if let Some(attributes) = attributes.as_object_mut() {
        for value in attributes.values_mut() {
            match value {
                Value::Null => *value = json!(""),
                Value::Object(map) if map.contains_key("bytes") => {}
                Value::Array(_) | Value::Object(_) => *value = json!(value.to_string()),
                _ => {}
            }
        }
    }
    attributes
}
