//! `console` among a signal's exporters: what would be sent, one JSON object a line on
//! standard output, told from a record's line by its key `signal`.
//!
//! <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/stdout/>
//!
//! Log records need none of this: they are on standard output anyway (`THROUGHLINE_LOG_FORMAT`).

mod metrics;
mod spans;

use std::io::Write;
use std::time::SystemTime;

use opentelemetry::{Array, KeyValue, StringValue, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::event::escape::OneLineJson;

pub(crate) use metrics::ConsoleMetrics;
pub(crate) use spans::{ConsoleProcessor, ConsoleSpans};

/// One write a line, so that lines of several threads do not mix. A closed standard output
/// is no reason to disturb the service.
fn write_line(line: &impl Serialize) {
    let mut text = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, OneLineJson);
    if line.serialize(&mut serializer).is_ok() {
        text.push(b'\n');
        let _ = std::io::stdout().lock().write_all(&text);
    }
}

/// RFC 3339, UTC, microseconds, as in the records' lines.
fn time(time: SystemTime) -> String {
    crate::event::timestamp(time)
}

fn attributes<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> Json {
    let object: Map<String, Json> = attributes
        .into_iter()
        .map(|attribute| (attribute.key.to_string(), value(&attribute.value)))
        .collect();
    Json::Object(object)
}

fn value(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::F64(value) => number(*value),
        Value::String(value) => json!(value.as_str()),
        Value::Array(Array::Bool(values)) => json!(values),
        Value::Array(Array::I64(values)) => json!(values),
        Value::Array(Array::F64(values)) => values.iter().copied().map(number).collect(),
        Value::Array(Array::String(values)) => values.iter().map(StringValue::as_str).collect(),
        // Kinds to come have a text.
        other => json!(other.to_string()),
    }
}

/// JSON has no number for NaN and the infinities, and `null` would hide which it was.
fn number(value: f64) -> Json {
    if value.is_finite() {
        json!(value)
    } else {
        json!(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_their_types() {
        let given = [
            KeyValue::new("text", "a\nb"),
            KeyValue::new("number", 7),
            KeyValue::new("share", 0.5),
            KeyValue::new("nan", f64::NAN),
            KeyValue::new("yes", true),
            KeyValue::new("list", Value::Array(vec![1_i64, 2].into())),
        ];
        assert_eq!(
            attributes(&given),
            json!({"text": "a\nb", "number": 7, "share": 0.5, "nan": "NaN", "yes": true, "list": [1, 2]})
        );
    }
}
