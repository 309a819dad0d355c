//! One walk over a text. A table says which bytes can belong to a secret's outline; only
//! there a detector looks, and none looks at the same bytes more than a fixed number of
//! times, so that a hostile text costs no more than its length.

use std::borrow::Cow;
use std::ops::Range;

use super::credential::Jwts;
use super::keys::Keys;
use super::{REPLACEMENT, address, card, credential, pair, token};

/// What a byte may be the outline of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    None,
    /// A payment card.
    Digit,
    /// `=`, `>`: a pair.
    Pair,
    /// A pair, a URL's `://`, an IPv6 address.
    Colon,
    /// `_`, `-`, `.`: the end of a token's prefix; dashes also begin a private key, and dots
    /// stand in IPv4 addresses.
    Mark,
    /// The third letter of `eyJ`.
    Jwt,
    /// `A`, as in `AKIA`.
    Cloud,
    /// `B`, `b`: `Bearer`, `Basic`.
    Scheme,
    /// An e-mail address.
    At,
}

#[derive(Debug)]
pub(super) struct Triggers {
    of: Box<[Trigger; 256]>,
    ip_addresses: bool,
}

impl Triggers {
    pub(super) fn new(emails: bool, ip_addresses: bool) -> Self {
        let of = std::array::from_fn(|byte| match byte as u8 {
            b'0'..=b'9' => Trigger::Digit,
            b'=' | b'>' => Trigger::Pair,
            b':' => Trigger::Colon,
            b'_' | b'-' | b'.' => Trigger::Mark,
            b'J' => Trigger::Jwt,
            b'A' => Trigger::Cloud,
            b'B' | b'b' => Trigger::Scheme,
            b'@' if emails => Trigger::At,
            _ => Trigger::None,
        });
        Self {
            of: Box::new(of),
            ip_addresses,
        }
    }
}

pub(super) fn redacted<'t>(text: &'t str, keys: &Keys, triggers: &Triggers) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let of = &*triggers.of;
    let mut jwts = Jwts::default();
    let mut output = Vec::new();
    // The text up to here is in the output.
    let mut copied = 0;
    let mut at = 0;
    while let Some(skipped) = bytes[at..]
        .iter()
        .position(|byte| of[usize::from(*byte)] != Trigger::None)
    {
        at += skipped;
        let found: Result<Range<usize>, usize> = match of[usize::from(bytes[at])] {
            Trigger::None => Err(at + 1),
            Trigger::Digit => card::at(bytes, at),
            Trigger::Pair => pair::around(bytes, at, keys).ok_or(at + 1),
            Trigger::Colon => colon(bytes, at, copied, keys, triggers.ip_addresses),
            Trigger::Mark => mark(bytes, at, copied, triggers.ip_addresses),
            Trigger::Jwt => jwts.around(bytes, at, copied).ok_or(at + 1),
            Trigger::Cloud => token::cloud(bytes, at).ok_or(at + 1),
            Trigger::Scheme => credential::scheme(bytes, at).ok_or(at + 1),
            Trigger::At => address::email(bytes, at, copied).ok_or(at + 1),
        };
        match found {
            Ok(secret) => {
                // What stands there already is no secret, however it was found.
                let mut end = secret.end;
                if &bytes[secret.clone()] != REPLACEMENT.as_bytes() {
                    end = whole_end(bytes, &secret);
                    output.extend_from_slice(&bytes[copied..secret.start.max(copied)]);
                    output.extend_from_slice(REPLACEMENT.as_bytes());
                    copied = end;
                }
                at = end.max(at + 1);
            }
            Err(next) => at = next,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    output.extend_from_slice(&bytes[copied..]);
    // Every secret begins and ends beside an ASCII character, so no other is ever cut; were
    // one cut after all, the record must still go out.
    Cow::Owned(match String::from_utf8(output) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Where a secret ends, with the whole of another that begins inside it: what nothing
/// quotes ends at a space, and neither the lines of a key nor the groups of a card do.
fn whole_end(bytes: &[u8], secret: &Range<usize>) -> usize {
    let mut end = secret.end;
    let mut inside = secret.start;
    while inside < end {
        inside = match bytes[inside] {
            b'-' => credential::private_key(bytes, inside).map_or(inside + 1, |key| {
                end = end.max(key.end);
                key.end
            }),
            byte if byte.is_ascii_digit() => {
                if let Ok(card) = card::at(bytes, inside) {
                    end = end.max(card.end);
                }
                // Of groups in a row, any may begin another card.
                card::digits_end(bytes, inside)
            }
            _ => inside + 1,
        };
    }
    end
}

fn colon(
    bytes: &[u8],
    at: usize,
    copied: usize,
    keys: &Keys,
    ip_addresses: bool,
) -> Result<Range<usize>, usize> {
    if bytes[at + 1..].starts_with(b"//") {
        return credential::userinfo(bytes, at).ok_or(at + 3);
    }
    // A path of Rust: `token::parse`.
    if bytes.get(at + 1) != Some(&b':')
        && let Some(secret) = pair::around(bytes, at, keys)
    {
        return Ok(secret);
    }
    if ip_addresses && let Some(address) = address::ip(bytes, at, copied) {
        return Ok(address);
    }
    Err(at + 1)
}

fn mark(bytes: &[u8], at: usize, copied: usize, ip_addresses: bool) -> Result<Range<usize>, usize> {
    if let Some(secret) = token::around(bytes, at, copied) {
        return Ok(secret);
    }
    let found = match bytes[at] {
        b'-' if bytes.get(at + 1) == Some(&b'-') => credential::private_key(bytes, at),
        b'.' if ip_addresses => address::ip(bytes, at, copied),
        _ => None,
    };
    found.ok_or(at + 1)
}
