//! E-mail and IP addresses, for services that must not keep them. Off by default.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// The longest part before an `@`: <https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1>.
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 255;
/// The longest text form of an address, with an IPv4 address inside.
const LONGEST_IP: usize = 45;

/// The e-mail address around the `@` at `at`.
pub(super) fn email(bytes: &[u8], at: usize, floor: usize) -> Option<Range<usize>> {
    let is_local =
        |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"._%+-'".contains(byte);
    let before = &bytes[floor.max(at.saturating_sub(LONGEST_LOCAL))..at];
    let local = before
        .iter()
        .rev()
        .take_while(|byte| is_local(byte))
        .count();
    let domain = bytes[at + 1..]
        .iter()
        .take(LONGEST_DOMAIN)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .count();
    let mut domain = &bytes[at + 1..at + 1 + domain];
    while let [rest @ .., b'.' | b'-'] = domain {
        domain = rest;
    }
    let dot = domain.iter().rposition(|byte| *byte == b'.')?;
    let top = &domain[dot + 1..];
    let named = dot > 0 && top.len() >= 2 && top.iter().any(u8::is_ascii_alphabetic);
    // A local part that was cut in the middle of a character would cut the text there.
    let mut start = at - local;
    while start < at && (bytes[start] & 0xc0) == 0x80 {
        start += 1;
    }
    (start < at && named).then(|| start..at + 1 + domain.len())
}

/// The IP address around the dot or colon at `at`.
pub(super) fn ip(bytes: &[u8], at: usize, floor: usize) -> Option<Range<usize>> {
    let belongs = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let before = bytes[floor..at].iter().rev().take(LONGEST_IP);
    let start = at - before.take_while(|byte| byte.is_ascii_hexdigit()).count();
    // Behind the first mark of an address there is nothing new to see.
    if start > floor && belongs(&bytes[start - 1]) {
        return None;
    }
    let rest = &bytes[at..];
    let end = at
        + rest
            .iter()
            .take(LONGEST_IP)
            .take_while(|byte| belongs(byte))
            .count();
    let alone = |byte: Option<&u8>| {
        byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'.' | b':'))
    };
    let apart = alone(start.checked_sub(1).map(|before| &bytes[before])) && alone(bytes.get(end));
    if !apart || end - start > LONGEST_IP {
        return None;
    }
    let mut end = end;
    // The mark behind an address belongs to the sentence.
    while end > at && matches!(bytes[end - 1], b'.') {
        end -= 1;
    }
    let text = std::str::from_utf8(&bytes[start..end]).ok()?;
    if text.parse::<Ipv4Addr>().is_ok() {
        return Some(start..end);
    }
    // `10.0.0.7:8080`, and "from 10.0.0.7: refused".
    if let Some((address, port)) = text.split_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && address.parse::<Ipv4Addr>().is_ok()
    {
        return Some(start..start + address.len());
    }
    // `a::b` is a path of Rust as well.
    let digit = text.bytes().any(|byte| byte.is_ascii_digit());
    (digit && text.parse::<Ipv6Addr>().is_ok()).then_some(start..end)
}
