//! One JSON object a line, flat. `docs/conventions.md` lists the keys.

use std::thread::ThreadId;

use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::Serializer;

use super::Process;
use crate::event::escape::OneLineJson;
use crate::event::record::{Record, Value};

/// The keys of the line itself. A field of the same name is kept as `field.NAME`, so that
/// no record can pass for another.
const KEYS: [&str; 21] = [
    "timestamp",
    "level",
    "message",
    "logger",
    "module",
    "file",
    "line",
    "span",
    "process",
    "thread",
    "thread_id",
    "service",
    "version",
    "environment",
    "trace_id",
    "span_id",
    "user_id",
    "session_id",
    "request_id",
    "event",
    "exception",
];

/// The keys of the promoted fields, in the order of `PROMOTED`.
const PROMOTED_KEYS: [&str; 3] = ["user_id", "session_id", "request_id"];

pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>, process: &Process) {
    let start = out.len();
    if entries(out, record, process).is_err() {
        // Only a value that refuses to be serialised could cause it; there is none today.
        out.truncate(start);
        out.extend_from_slice(
            b"{\"level\":\"ERROR\",\"message\":\"a record could not be written\"}",
        );
    }
}

fn entries(
    out: &mut Vec<u8>,
    record: &Record<'_>,
    process: &Process,
) -> Result<(), serde_json::Error> {
    let mut serializer = Serializer::with_formatter(out, OneLineJson);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &super::timestamp(record.timestamp))?;
    map.serialize_entry("level", record.level.as_str())?;
    map.serialize_entry("message", &record.message)?;
    map.serialize_entry("logger", record.target)?;
    optional(&mut map, "module", record.module)?;
    optional(&mut map, "file", record.file)?;
    optional(&mut map, "line", record.line)?;
    optional(&mut map, "span", record.span)?;
    map.serialize_entry("process", &process.pid)?;
    let thread = std::thread::current();
    optional(&mut map, "thread", thread.name())?;
    map.serialize_entry("thread_id", &thread_number(thread.id()))?;
    map.serialize_entry("service", &process.service)?;
    optional(&mut map, "version", process.version.as_deref())?;
    optional(&mut map, "environment", process.environment.as_deref())?;
    if let Some(ids) = &record.trace {
        map.serialize_entry("trace_id", &ids.trace_id().to_string())?;
        map.serialize_entry("span_id", &ids.span_id().to_string())?;
    }
    for (key, value) in PROMOTED_KEYS.into_iter().zip(&record.known) {
        optional(&mut map, key, value.as_deref())?;
    }
    optional(&mut map, "event", record.name)?;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        // The last value of a name counts, as in OTLP.
        if record.fields[index + 1..]
            .iter()
            .any(|(later, _)| later == name)
        {
            continue;
        }
        if KEYS.contains(name) {
            map.serialize_entry(&format!("field.{name}"), &JsonValue(value))?;
        } else {
            map.serialize_entry(name, &JsonValue(value))?;
        }
    }
    if let Some(exception) = &record.exception {
        map.serialize_entry(
            "exception",
            &Exception {
                kind: exception.kind,
                message: &exception.message,
                stacktrace: exception.trace_text(),
            },
        )?;
    }
    map.end()
}

/// The number inside `ThreadId(7)`, which the standard library shows in no other way.
fn thread_number(id: ThreadId) -> Option<u64> {
    let shown = format!("{id:?}");
    shown
        .trim_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .ok()
}

#[derive(serde::Serialize)]
struct Exception<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stacktrace: Option<String>,
}

fn optional<M: SerializeMap>(
    map: &mut M,
    key: &'static str,
    value: Option<impl serde::Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}

struct JsonValue<'a>(&'a Value);

impl serde::Serialize for JsonValue<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Uint(value) => serializer.serialize_u64(*value),
            // JSON has no number for these, and `null` would hide which it was.
            Value::Float(value) if !value.is_finite() => serializer.collect_str(value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(value) => serializer.serialize_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn line() -> String {
        let process = Process {
            service: "shop".to_owned(),
            version: Some("1.2.3".to_owned()),
            environment: None,
            pid: 42,
        };
        let mut out = Vec::new();
        write(&mut out, &record(), &process);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_one_flat_object_with_its_ids() {
        let line = line();
        assert!(!line.contains('\n'));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["timestamp"], "2023-11-14T22:13:20.000007Z");
        assert_eq!(json["level"], "ERROR");
        assert_eq!(json["message"], "no\nstock");
        assert_eq!(json["logger"], "shop::cart");
        assert_eq!(json["event"], "checkout.failed");
        assert_eq!(json["trace_id"], "00000000000000000000000000000abc");
        assert_eq!(json["span_id"], "0000000000000def");
        assert_eq!(json["service"], "shop");
        assert_eq!(json["version"], "1.2.3");
        assert_eq!(json["process"], 42);
        assert!(json["thread_id"].is_u64());
        assert_eq!(json["exception"]["message"], "declined");
        assert!(
            json["exception"]["stacktrace"]
                .as_str()
                .unwrap()
                .contains("limit")
        );
        assert_eq!(json.get("environment"), None);
    }

    #[test]
    fn a_field_cannot_take_the_place_of_a_key_and_no_key_comes_twice() {
        let line = line();
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["field.level"], "gold");
        assert_eq!(json["order.id"], 8);
        assert_eq!(line.matches("\"order.id\"").count(), 1);
    }
}
