//! The longest value that an attribute may have:
//! <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>.
//!
//! How many attributes a span may have the SDK knows; it cuts no value, so that is here.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// The text up to `length` characters, where it is longer; `None` where it fits.
pub(crate) fn cut(text: &str, length: usize) -> Option<&str> {
    // A text has at least as many bytes as characters, which settles most in one look.
    if text.len() <= length {
        return None;
    }
    let (end, _) = text.char_indices().nth(length)?;
    Some(&text[..end])
}

/// Cuts the attributes of the span, of its events and of its links.
pub(crate) fn cut_span(span: &mut SpanData, length: usize) {
    cut_attributes(&mut span.attributes, length);
    for event in &mut span.events.events {
        cut_attributes(&mut event.attributes, length);
    }
    for link in &mut span.links.links {
        cut_attributes(&mut link.attributes, length);
    }
}

fn cut_attributes(attributes: &mut [KeyValue], length: usize) {
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => cut_string(text, length),
            Value::Array(Array::String(texts)) => {
                for text in texts {
                    cut_string(text, length);
                }
            }
            // A number has no length.
            _ => {}
        }
    }
}

fn cut_string(text: &mut StringValue, length: usize) {
    if let Some(shorter) = cut(text.as_str(), length) {
        *text = StringValue::from(shorter.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_never_split() {
        assert_eq!(cut("café", 4), None);
        assert_eq!(cut("cafés", 4), Some("café"));
        assert_eq!(cut("日本語", 2), Some("日本"));
        assert_eq!(cut("abc", 0), Some(""));
        assert_eq!(cut("", 0), None);
    }

    #[test]
    fn texts_and_lists_of_texts_are_cut_and_numbers_left() {
        let mut attributes = [
            KeyValue::new("text", "abcdef"),
            KeyValue::new("short", "ab"),
            KeyValue::new("number", 123_456),
            KeyValue::new(
                "list",
                Value::Array(vec![StringValue::from("abcdef"), "x".into()].into()),
            ),
        ];
        cut_attributes(&mut attributes, 3);
        let values: Vec<String> = attributes.iter().map(|a| a.value.to_string()).collect();
        assert_eq!(values, ["abc", "ab", "123456", r#"["abc","x"]"#]);
    }
}
