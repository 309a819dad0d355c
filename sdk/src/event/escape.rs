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

/// The text as a JSON string, with what [`OneLineJson`] escapes.
///
/// Eight bytes are looked at at once, since nearly all text has nothing to escape.
pub(crate) fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_length(rest.as_bytes());
        out.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
        let Some(c) = rest.chars().next() else {
            break;
        };
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            c if is_unsafe(c) => {
                // All of them lie in the basic plane, so one escape is enough. Writing to a
                // Vec does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]),
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push(b'"');
}

/// How many bytes from the start are printable ASCII without a quote or a backslash.
fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marked = unplain(*word);
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    if at == bytes.len() {
        return at;
    }
    // The rest in one look as well: the last eight bytes, most of them for a second time, or
    // a text that is shorter than that with blanks behind it.
    match bytes.last_chunk() {
        Some(word) => match unplain(*word) {
            0 => bytes.len(),
            marked => bytes.len() - 8 + marked.trailing_zeros() as usize / 8,
        },
        None => {
            let mut word = [b' '; 8];
            for (place, byte) in word.iter_mut().zip(bytes) {
                *place = *byte;
            }
            match unplain(word) {
                0 => bytes.len(),
                marked => marked.trailing_zeros() as usize / 8,
            }
        }
    }
}

/// A mark in the high bit of each byte that is not plain. What follows such a byte may be
/// marked as well, so only the lowest mark is to be believed.
fn unplain(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_le_bytes(bytes);
    // A byte that is zero after the exclusive or gets its high bit by the borrow. One with
    // the high bit already is marked for that alone, so nothing has to be masked out.
    let is = |byte: u8| (word ^ u64::from_ne_bytes([byte; 8])).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    let delete = word.wrapping_add(ONES);
    (word | control | delete | is(b'"') | is(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;

    const NASTY: &str = "a\nb\rc\td\u{1b}[31m\u{85}\u{9b}\u{2028}\u{202e}\u{2066}é€😀";

    #[test]
    fn a_text_line_holds_no_character_that_breaks_it() {
        let line = one_line(NASTY);
        assert!(!line.chars().any(is_unsafe), "{line:?}");
        assert!(line.contains("é€😀") && line.contains("\\u{1b}[31m"));
        assert!(matches!(one_line("plain é"), Cow::Borrowed(_)));
    }

    fn by_serde(text: &str) -> String {
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(
            &mut out,
            OneLineJson,
        ))
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn by_hand(text: &str) -> String {
        let mut out = Vec::new();
        push_json(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_stays_one_line_and_says_the_same() {
        let text = by_serde(NASTY);
        assert!(!text.chars().any(is_unsafe), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), NASTY);
    }

    #[test]
    fn every_character_is_escaped_by_hand_as_by_serde_wherever_it_stands() {
        for c in (0..=0x3000)
            .filter_map(char::from_u32)
            .chain(['\u{feff}', '😀'])
        {
            for before in 0..9 {
                let text = format!("{}{c}{}", "a".repeat(before), "b".repeat(9));
                assert_eq!(by_hand(&text), by_serde(&text), "{c:?} at {before}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_by_hand_as_by_serde(text in any::<String>()) {
            prop_assert_eq!(by_hand(&text), by_serde(&text));
        }
    }
}
