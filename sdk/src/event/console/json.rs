//! One JSON object a line, flat. `docs/conventions.md` lists the keys.
//!
//! Written by hand: of the 14,000 instructions that a line took by `serde_json`'s map, 8,000
//! went into strings that had nothing to escape.

use tracing::Level;

use super::Process;
use super::line::Line;
use crate::event::escape::push_json;
use crate::event::record::{Record, Value};

/// Whether this is a key of the line itself. A field of the same name is kept as
/// `field.NAME`, so that no record can pass for another.
fn is_key(name: &str) -> bool {
    matches!(
        name,
        "timestamp"
            | "level"
            | "message"
            | "logger"
            | "module"
            | "file"
            | "line"
            | "span"
            | "process"
            | "thread"
            | "thread_id"
            | "service"
            | "version"
            | "environment"
            | "trace_id"
            | "span_id"
            | "user_id"
            | "session_id"
            | "request_id"
            | "tenant_id"
            | "event"
            | "exception"
    )
}

/// The keys of the promoted fields, in the order of `PROMOTED`.
const PROMOTED_KEYS: [&str; 4] = ["user_id", "session_id", "request_id", "tenant_id"];

/// The members that are the same in every line of a process.
#[derive(Debug)]
pub(crate) struct Constant {
    /// `,"process":42`, which comes before the thread's.
    process: Vec<u8>,
    /// `,"service":"shop","version":"1.2.3","environment":"production"`
    service: Vec<u8>,
}

impl Constant {
    pub(super) fn of(process: &Process) -> Self {
        let mut service = Vec::new();
        member(&mut service, "service", &process.service);
        optional(&mut service, "version", process.version.as_deref());
        optional(&mut service, "environment", process.environment.as_deref());
        Self {
            process: format!(",\"process\":{}", process.pid).into_bytes(),
            service,
        }
    }
}

pub(super) fn write(line: &mut Line, record: &Record<'_>, constant: &Constant) {
    line.bytes.extend_from_slice(b"{\"timestamp\":\"");
    line.push_timestamp(record.timestamp);
    let out = &mut line.bytes;
    out.extend_from_slice(level(record.level));
    push_json(out, &record.message);
    match record.callsite {
        Some(callsite) => out.extend_from_slice(&callsite.json),
        None => place(out, record.target, record.module, record.file, record.line),
    }
    optional(out, "span", record.span);
    out.extend_from_slice(&constant.process);
    line.push_thread();
    let out = &mut line.bytes;
    out.extend_from_slice(&constant.service);
    if let Some(ids) = &record.trace {
        hexadecimal(out, "trace_id", &ids.trace_id().to_bytes());
        hexadecimal(out, "span_id", &ids.span_id().to_bytes());
    }
    for (name, value) in PROMOTED_KEYS.into_iter().zip(&record.known) {
        optional(out, name, value.as_deref());
    }
    optional(out, "event", record.name);
    fields(out, record);
    if let Some(exception) = &record.exception {
        key(out, "exception");
        // Its members begin with a comma, as all do.
        let start = out.len();
        optional(out, "type", exception.kind);
        member(out, "message", &exception.message);
        optional(out, "stacktrace", exception.trace_text().as_deref());
        out[start] = b'{';
        out.push(b'}');
    }
    out.push(b'}');
}

/// `,"logger":"…","module":"…","file":"…","line":42`
pub(in crate::event) fn place(
    out: &mut Vec<u8>,
    target: &str,
    module: Option<&str>,
    file: Option<&str>,
    line: Option<u32>,
) {
    member(out, "logger", target);
    optional(out, "module", module);
    optional(out, "file", file);
    if let Some(line) = line {
        key(out, "line");
        push_number(out, line);
    }
}

/// `,"name":` of a field.
pub(in crate::event) fn name(out: &mut Vec<u8>, name: &str) {
    if is_key(name) {
        key(out, &format!("field.{name}"));
    } else {
        out.push(b',');
        push_json(out, name);
        out.push(b':');
    }
}

/// From the timestamp's last quote to the message, in one piece: each piece is a call.
fn level(level: Level) -> &'static [u8] {
    match level {
        Level::TRACE => b"\",\"level\":\"TRACE\",\"message\":",
        Level::DEBUG => b"\",\"level\":\"DEBUG\",\"message\":",
        Level::INFO => b"\",\"level\":\"INFO\",\"message\":",
        Level::WARN => b"\",\"level\":\"WARN\",\"message\":",
        Level::ERROR => b"\",\"level\":\"ERROR\",\"message\":",
    }
}

fn fields(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut place = 0;
    for (index, (name, value)) in record.fields.iter().enumerate() {
        // The last value of a name counts, as in OTLP.
        if record.fields[index + 1..]
            .iter()
            .any(|(later, _)| later == name)
        {
            continue;
        }
        let known = record
            .callsite
            .and_then(|callsite| callsite.name(&mut place, name));
        match known {
            Some(known) => out.extend_from_slice(known),
            None => self::name(out, name),
        }
        push_value(out, value);
    }
}

/// `,"key":`, for a key that has nothing to escape.
fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    key(out, name);
    push_json(out, text);
}

fn optional(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        member(out, name, text);
    }
}

fn hexadecimal(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    key(out, name);
    out.push(b'"');
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xf)]);
    }
    out.push(b'"');
}

fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(value) => push_number(out, value),
        Value::Uint(value) => push_number(out, value),
        // JSON has no number for these, and `null` would hide which it was.
        Value::Float(value) if !value.is_finite() => push_json(out, &value.to_string()),
        Value::Float(value) => push_number(out, value),
        Value::Text(value) => push_json(out, value),
    }
}

/// As JSON writes numbers, and quicker than the formatting machinery.
fn push_number(out: &mut Vec<u8>, number: impl serde::Serialize) {
    // Writing a number to a Vec does not fail.
    let _ = serde_json::to_writer(out, &number);
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
        let mut line = Line::default();
        write(&mut line, &record(), &Constant::of(&process));
        String::from_utf8(line.bytes).unwrap()
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
