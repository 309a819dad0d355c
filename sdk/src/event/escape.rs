//! One record is one physical line, whatever it contains: a newline in a field would forge
//! a second record, an escape would repaint a terminal, a bidi override would reorder what
//! is read.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Characters that break or disguise a line: C0 and C1 controls, line and paragraph
/// separators, and the bidirectional controls.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with each unsafe character as an escape that people can read.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a String does not fail.
                let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Compact JSON that also escapes what JSON itself would let through.
pub(crate) struct OneLineJson;

impl Formatter for OneLineJson {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            writer.write_all(&rest.as_bytes()[..at])?;
            // All of them lie in the basic plane, so one escape is enough.
            let c = rest[at..].chars().next().unwrap_or_default();
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    const NASTY: &str = "a\nb\rc\td\u{1b}[31m\u{85}\u{9b}\u{2028}\u{202e}\u{2066}é€😀";

    #[test]
    fn a_text_line_holds_no_character_that_breaks_it() {
        let line = one_line(NASTY);
        assert!(!line.chars().any(is_unsafe), "{line:?}");
        assert!(line.contains("é€😀") && line.contains("\\u{1b}[31m"));
        assert!(matches!(one_line("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_one_line_and_says_the_same() {
        let mut out = Vec::new();
        NASTY
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut out,
                OneLineJson,
            ))
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(is_unsafe), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), NASTY);
    }
}
