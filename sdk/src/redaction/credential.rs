//! Credentials by their form: JSON web tokens, HTTP authentication, the user information of
//! URLs, private keys.

use std::ops::Range;

/// Where the base64 run ends that was looked at last, so that a text of `eyJeyJ…` is read
/// once and not once a token.
#[derive(Default)]
pub(super) struct Jwts {
    segment_end: usize,
}

impl Jwts {
    /// A token whose header has its `J` at `at`: `{"` in base64 is `eyJ`.
    pub(super) fn around(&mut self, bytes: &[u8], at: usize, floor: usize) -> Option<Range<usize>> {
        let start = at.checked_sub(2)?;
        if start < floor || &bytes[start..at] != b"ey" {
            return None;
        }
        if start >= self.segment_end {
            self.segment_end = run_end(bytes, start, is_base64url);
        }
        let header = self.segment_end;
        let payload = bytes.get(header + 1..)?;
        let payload = payload
            .iter()
            .take_while(|byte| is_base64url(**byte))
            .take(8);
        if header - start < 10 || bytes[header] != b'.' || payload.count() < 8 {
            return None;
        }
        let mut end = run_end(bytes, header, |byte| is_base64url(byte) || byte == b'.');
        // The dot behind a token ends a sentence.
        while bytes[end - 1] == b'.' {
            end -= 1;
        }
        Some(start..end)
    }
}

/// `Bearer` and `Basic` credentials; `at` is a `b` of either case. The scheme stays.
pub(super) fn scheme(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    // Before anything else, since every `b` of a text comes here.
    if !matches!(bytes.get(at + 1), Some(b'e' | b'E' | b'a' | b'A')) {
        return None;
    }
    let word = &bytes[at..bytes.len().min(at + "bearer".len())];
    let (length, basic) = if word.eq_ignore_ascii_case(b"bearer") {
        (6, false)
    } else if word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"basic") {
        (5, true)
    } else {
        return None;
    };
    let gap = at + length;
    let start = run_end(bytes, gap, |byte| byte == b' ');
    let end = run_end(bytes, start, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
    });
    let credential = bytes[start..end].trim_suffix_dots();
    if start == gap || credential.is_empty() {
        return None;
    }
    let secret = if basic {
        is_user_and_password(credential)
    } else {
        is_bearer(credential)
    };
    secret.then(|| start..start + credential.len())
}

trait TrimDots {
    fn trim_suffix_dots(&self) -> &[u8];
}

impl TrimDots for [u8] {
    fn trim_suffix_dots(&self) -> &[u8] {
        let dots = self.iter().rev().take_while(|byte| **byte == b'.');
        &self[..self.len() - dots.count()]
    }
}

/// "bearer authentication failed" and `Bearer realm="x"` are prose: a token has a digit or
/// capitals inside, or is longer than words are.
fn is_bearer(token: &[u8]) -> bool {
    let inner = token.get(1..).unwrap_or_default();
    let mixed = token.iter().any(u8::is_ascii_digit) || inner.iter().any(u8::is_ascii_uppercase);
    (mixed && token.len() >= 4) || token.len() >= 20
}

/// Base64 of printable text with a colon in it.
fn is_user_and_password(credential: &[u8]) -> bool {
    let mut bits = 0_u32;
    let mut held = 0;
    let mut colon = false;
    for byte in credential {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            let decoded = (bits >> held) as u8;
            bits &= (1 << held) - 1;
            if decoded.is_ascii_control() {
                return false;
            }
            colon |= decoded == b':';
        }
    }
    colon
}

/// How far a malformed authority is followed: a password with an unescaped `/` in it.
const LENIENT: usize = 256;

/// The user information of a URL whose `://` begins at `at`.
pub(super) fn userinfo(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + 3;
    let is_end = |byte: u8| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"/?#\\\"'`<>".contains(&byte)
    };
    let end = run_end(bytes, start, |byte| !is_end(byte));
    let authority = bytes.get(start..end)?;
    let length = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(length) => length,
        None => {
            let length = start_of_host(bytes, start, authority)?;
            // What follows is an authority again: its last `@` is the one that counts.
            let rest = start + length;
            let end = run_end(bytes, rest, |byte| !is_end(byte));
            let last = bytes[rest..end].iter().rposition(|byte| *byte == b'@');
            length + last.unwrap_or_default()
        }
    };
    let user = &bytes[start..start + length];
    // `ssh://git@host` names an account that everybody has.
    let account = bytes[..at].ends_with(b"ssh") && !user.contains(&b':');
    (length > 0 && !account).then(|| start..start + length)
}

/// Where the authority has no `@` but something else than a port behind its colon, its
/// password has a character in it that ends an authority; the `@` comes later.
fn start_of_host(bytes: &[u8], start: usize, authority: &[u8]) -> Option<usize> {
    let colon = authority.iter().position(|byte| *byte == b':')?;
    let port = &authority[colon + 1..];
    if authority[0] == b'[' || port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rest = &bytes[start..bytes.len().min(start + LENIENT)];
    let word = rest
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`'))
        .unwrap_or(rest.len());
    rest[..word].iter().rposition(|byte| *byte == b'@')
}

/// A private key in PEM whose dashes begin at `at`, to its last line. One that was cut off
/// goes on to the end of the text.
pub(super) fn private_key(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const END: &[u8] = b"-----END ";
    const LONGEST_LABEL: usize = 48;
    if !bytes[at..].starts_with(BEGIN) {
        return None;
    }
    let label = at + BEGIN.len();
    let label_end = run_end(bytes, label, |byte| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
    });
    let name = &bytes[label..label_end];
    let private = name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK");
    if !private || name.len() > LONGEST_LABEL {
        return None;
    }
    let mut last = label_end;
    while let Some(found) = find(&bytes[last..], END) {
        let label = last + found + END.len();
        last = run_end(bytes, label, |byte| byte != b'-' && byte != b'\n');
        // Anything else is not the last line of a private key.
        if bytes[label..last].ends_with(name) && bytes[last..].starts_with(b"-----") {
            return Some(at..run_end(bytes, last, |byte| byte == b'-'));
        }
    }
    Some(at..bytes.len())
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn run_end(bytes: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|byte| !belongs(*byte))
            .unwrap_or(rest.len())
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
