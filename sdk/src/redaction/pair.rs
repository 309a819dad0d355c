//! Pairs of a secret key and its value inside a text: `password=x`, `password: x`,
//! `"password":"x"`, `?password=x&`, `Authorization: x y`, `<password>x</password>`.
//!
//! Where a value ends is a guess wherever nothing quotes it. The guess errs towards taking
//! a word too many: a lost word costs less than a leaked one.

use std::ops::Range;

use super::REPLACEMENT;
use super::keys::Keys;

/// How far a key is looked for, back from its separator, and ahead from a comma.
const LONGEST_KEY: usize = 64;

/// Words that follow a secret word and a colon in prose: "invalid token: expected `,`".
const PROSE: [&str; 52] = [
    "a",
    "an",
    "and",
    "any",
    "are",
    "at",
    "bad",
    "cannot",
    "connection",
    "could",
    "denied",
    "does",
    "empty",
    "error",
    "expected",
    "expired",
    "failed",
    "for",
    "found",
    "has",
    "if",
    "in",
    "incorrect",
    "invalid",
    "is",
    "it",
    "malformed",
    "mismatch",
    "missing",
    "must",
    "no",
    "not",
    "of",
    "only",
    "or",
    "permission",
    "rejected",
    "required",
    "revoked",
    "see",
    "should",
    "that",
    "the",
    "this",
    "too",
    "unexpected",
    "unknown",
    "unsupported",
    "was",
    "with",
    "wrong",
    "you",
];

/// Values that say that there is no secret.
const LITERALS: [&str; 8] = [
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "{}",
    "[]",
];

/// The value of the pair whose separator (`=`, `:` or `>`) is at `at`.
pub(super) fn around(bytes: &[u8], at: usize, keys: &Keys) -> Option<Range<usize>> {
    let key = key_before(bytes, at, keys)?;
    let name = std::str::from_utf8(&bytes[key.clone()]).ok()?;
    if name.ends_with(REPLACEMENT) {
        // It was a value before; what follows it has been looked at with it.
        return None;
    }
    let word = keys.matches(name)?;
    let element = bytes[at] == b'>';
    if element {
        let opened = key.start > 0 && bytes[key.start - 1] == b'<';
        return (opened && key.end == at).then(|| element_value(bytes, at + 1))?;
    }
    let start = value_start(bytes, at, key.end)?;
    if let Some(value) = quoted(bytes, start).or_else(|| bracketed(bytes, start)) {
        return is_worth_hiding(&bytes[value.clone()]).then_some(value);
    }
    let header = bytes[at] == b':' && word.line;
    let value = if header {
        // A header as it stands in a request, perhaps as a quoted whole: curl -H '…'.
        let quote = key.start.checked_sub(1).map(|before| bytes[before]);
        line(bytes, start, quote.filter(|quote| is_quote(*quote)))
    } else {
        words(bytes, start, word.line)
    };
    let text = &bytes[value.clone()];
    let prose = bytes[at] == b':' && begins_prose(text, &bytes[value.end..]);
    (is_worth_hiding(text) && !prose).then_some(value)
}

fn is_worth_hiding(value: &[u8]) -> bool {
    !value.is_empty() && !is_one_of(&LITERALS, value)
}

/// The key may stand in what was redacted already: only the value is replaced.
fn key_before(bytes: &[u8], at: usize, keys: &Keys) -> Option<Range<usize>> {
    let mut end = at;
    let back = |end: usize, is: fn(u8) -> bool| end > 0 && is(bytes[end - 1]);
    // `:=` of Go.
    if bytes[at] == b'=' && back(end, |byte| byte == b':') {
        end -= 1;
    }
    while at - end < 4 && back(end, |byte| byte == b' ') {
        end -= 1;
    }
    let mut marked = false;
    while at - end < 8 && back(end, |byte| is_quote(byte) || byte == b'\\') {
        marked = true;
        end -= 1;
    }
    let reach = end.saturating_sub(LONGEST_KEY);
    if !keys.could_end(&bytes[reach.max(end.saturating_sub(8))..end]) {
        return None;
    }
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]$".contains(&byte);
    let run = |end: usize| {
        let run = bytes[reach..end].iter().rev();
        end - run.take_while(|byte| is_key(**byte)).count()
    };
    let mut start = run(end);
    // Prose writes "card number: …" and "API key: …".
    let mut more = 2;
    while !marked && more > 0 && start > reach + 1 && bytes[start - 1] == b' ' {
        let longer = run(start - 1);
        if longer == start - 1 {
            break;
        }
        start = longer;
        more -= 1;
    }
    (start < end).then_some(start..end)
}

/// Where the value begins. `None` for `password= next=…`, whose value is empty.
fn value_start(bytes: &[u8], at: usize, key_end: usize) -> Option<usize> {
    let separator = skip(bytes, at + 1, |byte| byte == b'=' || byte == b'>');
    let start = skip(bytes, separator, |byte| matches!(byte, b' ' | b'\t'));
    let spaced = bytes[key_end..at].contains(&b' ');
    (bytes[at] == b':' || spaced || start == separator || separator > at + 1).then_some(start)
}

/// What stands in quotes, without them. The quotes may be escaped, where JSON stands in a
/// JSON text, and inside a constructor: `Some("…")`, `b"…"`. Without a closing quote the
/// value was cut off, and goes to the end.
fn quoted(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let mut open = start;
    for _ in 0..3 {
        let name = bytes[open..].iter().take(LONGEST_KEY);
        let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
        match open + name.count() {
            end if bytes.get(end) == Some(&b'(') => open = end + 1,
            end if end == open + 1 && matches!(bytes[open], b'b' | b'c' | b'u') => {
                open = end;
            }
            _ => break,
        }
    }
    let inner = skip(bytes, open, |byte| byte == b'\\');
    let escapes = inner - open;
    let quote = bytes.get(inner).copied().filter(|byte| is_quote(*byte))?;
    let first = inner + 1;
    let mut backslashes = 0;
    for (offset, byte) in bytes[first..].iter().enumerate() {
        if *byte == b'\\' {
            backslashes += 1;
            continue;
        }
        let closes = if escapes == 0 {
            backslashes % 2 == 0
        } else {
            backslashes == escapes
        };
        if *byte == quote && closes {
            return Some(first..first + offset - escapes);
        }
        backslashes = 0;
    }
    Some(first..bytes.len())
}

/// A list or an object as a value, brackets and all.
fn bracketed(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let (open, close) = match bytes.get(start)? {
        b'[' => (b'[', b']'),
        b'{' => (b'{', b'}'),
        b'(' => (b'(', b')'),
        _ => return None,
    };
    let mut depth = 0_usize;
    for (offset, byte) in bytes[start..].iter().enumerate() {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                let end = start + offset + 1;
                // More behind the bracket: it only began a word.
                let ended = bytes
                    .get(end)
                    .is_none_or(|byte| !byte.is_ascii_alphanumeric());
                return ended.then_some(start..end);
            }
        }
    }
    Some(start..bytes.len())
}

/// The rest of the line, which may be one in an escaped text.
fn line(bytes: &[u8], start: usize, quote: Option<u8>) -> Range<usize> {
    let rest = &bytes[start..];
    let ends = |(offset, byte): (usize, &u8)| {
        let escaped = *byte == b'\\' && matches!(rest.get(offset + 1), Some(b'n' | b'r'));
        escaped || matches!(byte, b'\n' | b'\r') || Some(*byte) == quote
    };
    start..start + rest.iter().enumerate().position(ends).unwrap_or(rest.len())
}

/// A value that nothing quotes. The value of a header may be several words: a scheme with
/// its credential, a cookie after another.
fn words(bytes: &[u8], start: usize, header: bool) -> Range<usize> {
    const SCHEMES: [&str; 7] = [
        "bearer",
        "basic",
        "digest",
        "token",
        "negotiate",
        "apikey",
        "jwt",
    ];
    let mut last = start;
    let mut end = word(bytes, last);
    // `token Bearer x`: a scheme that is taken for the credential would bare the credential.
    while is_one_of(&SCHEMES, &bytes[last..end]) && bytes.get(end) == Some(&b' ') {
        last = end + 1;
        end = word(bytes, last);
    }
    while header && bytes[end..].starts_with(b"; ") {
        let next = word(bytes, end + 2);
        if !bytes[end + 2..next].contains(&b'=') {
            break;
        }
        end = next;
    }
    // The value is the next key: what follows the colon is found in its own right.
    if bytes[start..end].ends_with(b":") {
        end -= 1;
    }
    start..end
}

fn word(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start.min(bytes.len())..];
    let ends = |(offset, byte): (usize, &u8)| match byte {
        b'"' | b'\'' | b'`' | b'&' | b'<' | b'>' => true,
        b',' | b';' | b')' | b']' | b'}' => is_boundary(&rest[offset + 1..]),
        byte => byte.is_ascii_whitespace() || byte.is_ascii_control(),
    };
    start + rest.iter().enumerate().position(ends).unwrap_or(rest.len())
}

/// Whether a comma or a bracket with this behind it ends a value; a password may well
/// have either inside.
fn is_boundary(rest: &[u8]) -> bool {
    let Some(next) = rest.first() else {
        return true;
    };
    if next.is_ascii_whitespace() || b"\"'`,;)]}>&\\".contains(next) {
        return true;
    }
    let key = rest.iter().take(LONGEST_KEY);
    let key = key.take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    let length = key.count();
    length > 0 && matches!(rest.get(length), Some(b'=' | b':'))
}

fn element_value(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let end = start + bytes[start..].iter().position(|byte| *byte == b'<')?;
    let closed = bytes.get(end + 1) == Some(&b'/');
    (closed && start < end).then_some(start..end)
}

/// Whether the text goes on as a sentence does.
fn begins_prose(value: &[u8], rest: &[u8]) -> bool {
    let first = value.split(|byte| *byte == b' ').next().unwrap_or_default();
    let whole = first.len() == value.len();
    let goes_on = !whole || rest.first().is_none_or(|byte| b" ,;.\n".contains(byte));
    goes_on && is_one_of(&PROSE, first.strip_suffix(b".").unwrap_or(first))
}

fn is_one_of(words: &[&str], text: &[u8]) -> bool {
    words
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn skip(bytes: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|byte| !belongs(*byte))
            .unwrap_or(rest.len())
}
