//! Attribute values and lengths of time as text that is safe to print.

use std::time::Duration;

use throughline_receiver::proto::common::v1::{AnyValue, KeyValue, any_value::Value};

/// Longer values are cut: a line of the report stays a line.
const LONGEST: usize = 80;

/// Attributes that say where in the code something happened, or repeat what the line says
/// already. They are in the back end for those who look for them.
const QUIET: [&str; 14] = [
    "busy_ns",
    "client.",
    "code.",
    "exception.stacktrace",
    "http.",
    "idle_ns",
    "log.",
    "network.",
    "process.",
    "server.",
    "target",
    "thread.",
    "url.",
    "user_agent.",
];

/// Received text with its control characters escaped, so that it can neither add lines nor
/// send commands to the terminal.
pub(crate) fn text(text: &str) -> String {
    escaped(text, LONGEST)
}

/// The same, however long it is.
pub(crate) fn whole(text: &str) -> String {
    escaped(text, usize::MAX)
}

fn escaped(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == longest {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

pub(crate) fn attributes(attributes: &[KeyValue]) -> String {
    let shown = attributes
        .iter()
        .filter(|attribute| !QUIET.iter().any(|quiet| attribute.key.starts_with(quiet)));
    let parts: Vec<_> = shown
        .map(|KeyValue { key, value, .. }| format!("{}={}", text(key), any(value.as_ref())))
        .collect();
    parts.join(" ")
}

/// Every attribute, with none left out: what tells one series of a metric from another.
pub(crate) fn all_attributes(attributes: &[KeyValue]) -> String {
    let mut parts: Vec<_> = attributes
        .iter()
        .map(|KeyValue { key, value, .. }| format!("{}={}", text(key), any(value.as_ref())))
        .collect();
    // Exporters give no order, and a table that changes order cannot be compared by eye.
    parts.sort_unstable();
    parts.join(" ")
}

/// One attribute as text, whatever its type: a service may send a status code as either.
pub(crate) fn of(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(any(found.value.as_ref()))
}

pub(crate) fn any(value: Option<&AnyValue>) -> String {
    let Some(value) = value.and_then(|value| value.value.as_ref()) else {
        return String::new();
    };
    match value {
        Value::StringValue(string) if string.is_empty() || string.contains([' ', '"']) => {
            format!("\"{}\"", text(string))
        }
        Value::StringValue(string) => text(string),
        Value::BoolValue(boolean) => boolean.to_string(),
        Value::IntValue(integer) => integer.to_string(),
        Value::DoubleValue(double) => double.to_string(),
        Value::BytesValue(bytes) => format!("{} bytes", bytes.len()),
        Value::ArrayValue(array) => {
            let parts: Vec<_> = array.values.iter().map(|value| any(Some(value))).collect();
            format!("[{}]", parts.join(", "))
        }
        Value::KvlistValue(list) => format!("{{{}}}", all_attributes(&list.values)),
        // A reference into a table that OTLP's profiles carry, and no other signal.
        Value::StringValueStrindex(index) => format!("string #{index}"),
    }
}

pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.1 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture::{attribute, integer};

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        assert_eq!(text("a\nb\x1b[31mc"), "a\\nb\\u{1b}[31mc");
    }

    #[test]
    fn long_text_is_cut() {
        let cut = text(&"x".repeat(200));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn attributes_are_short_and_quoted_where_needed() {
        let all = [
            attribute("order.id", "7"),
            attribute("error", "card declined"),
            attribute("code.file.path", "src/main.rs"),
            integer("attempt", 2),
        ];
        assert_eq!(
            attributes(&all),
            "order.id=7 error=\"card declined\" attempt=2"
        );
        assert!(all_attributes(&all).contains("code.file.path=src/main.rs"));
    }

    #[test]
    fn lengths_of_time_have_three_digits_and_a_unit() {
        let cases = [
            (Duration::from_nanos(812_400), "812 µs"),
            (Duration::from_micros(12_345), "12.35 ms"),
            (Duration::from_micros(312_700), "313 ms"),
            (Duration::from_millis(1_234), "1.23 s"),
        ];
        for (given, expected) in cases {
            assert_eq!(duration(given), expected);
        }
    }
}
