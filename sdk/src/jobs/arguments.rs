//! What a job is to work on, as one attribute: the keys are not known when the program is
//! compiled, as those of a span's fields have to be.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::{limits, redaction};

/// In characters, of a value.
const LONGEST: usize = 256;

const MOST: usize = 32;

/// Without secrets, as each is looked at when it comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(super) fn add(&mut self, key: &str, value: impl Display) {
        if self.0.len() >= MOST {
            return;
        }
        // Redacted first: of a secret that was cut not every form is known.
        let value = redaction::known_value(key, &value.to_string());
        let value = limits::cut(&value, LONGEST).unwrap_or(&value);
        let key = limits::cut(key, LONGEST).unwrap_or(key);
        self.0.insert(key.to_owned(), value.into());
    }

    /// One JSON object; `None` where there are none.
    pub(super) fn text(&self) -> Option<String> {
        // A map of texts can always be written.
        (!self.0.is_empty()).then(|| serde_json::to_string(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_one_object_without_secrets() {
        let mut arguments = Arguments::default();
        assert_eq!(arguments.text(), None);
        arguments.add("user", 7);
        arguments.add("api_key", "hunter2");
        arguments.add("note", "says \"hello\"");
        assert_eq!(
            arguments.text().unwrap(),
            r#"{"api_key":"[redacted]","note":"says \"hello\"","user":"7"}"#
        );
    }

    #[test]
    fn arguments_are_bounded() {
        let mut arguments = Arguments::default();
        for index in 0..2 * MOST {
            arguments.add(
                &format!("{index}{}", "k".repeat(1_000)),
                "v".repeat(100_000),
            );
        }
        assert_eq!(arguments.0.len(), MOST);
        let text = arguments.text().unwrap();
        assert!(text.len() < MOST * (2 * LONGEST + 10), "{}", text.len());
    }
}
