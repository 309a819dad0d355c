//! What a signal rests on: enough to judge it by, and no more of the request than that.

use super::kind::Attack;
use crate::event::escape::one_line;
use crate::limits;
use crate::redaction;

/// The longest evidence, in characters: most attacks are shorter, and a request is not to be copied
/// into the log.
pub(super) const LONGEST: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) kind: Attack,
    /// Where in the request it stands.
    pub(super) location: &'static str,
    /// What said so.
    pub(super) rule: String,
    /// One line without secrets, and cut.
    pub(super) text: String,
}

impl Evidence {
    /// `key` is the parameter's name, which may say that its value is a secret.
    pub(super) fn new(
        kind: Attack,
        location: &'static str,
        key: &str,
        rule: &str,
        text: &[u8],
    ) -> Self {
        Self {
            kind,
            location,
            rule: rule.to_owned(),
            text: shown(key, text),
        }
    }
}

/// Redacted before it is cut, since the half of a token is not known for one.
pub(super) fn shown(key: &str, text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let redacted = redaction::known_value(key, &text);
    // Decoded, it may have line breaks and what else repaints the screen of who reads it.
    let line = one_line(&redacted);
    limits::cut(&line, LONGEST).unwrap_or(&line).to_owned()
}
