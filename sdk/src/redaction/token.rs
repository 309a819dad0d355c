//! Tokens that say what they are: well-known services give theirs a prefix.

use std::ops::Range;

struct Prefix {
    /// Ends with the mark that triggers the look: `_`, `-` or `.`.
    text: &'static str,
    /// The fewest characters after it.
    tail: usize,
    /// Short prefixes end ordinary words as well (`task-`), so nothing may stand before.
    apart: bool,
    /// Whether the token also has the characters of base64, and dots.
    wide: bool,
}

const fn prefix(text: &'static str, tail: usize) -> Prefix {
    Prefix {
        text,
        tail,
        apart: false,
        wide: false,
    }
}

const fn apart(text: &'static str, tail: usize) -> Prefix {
    Prefix {
        text,
        tail,
        apart: true,
        wide: false,
    }
}

const fn wide(prefix: Prefix) -> Prefix {
    Prefix {
        wide: true,
        ..prefix
    }
}

const PREFIXES: [Prefix; 40] = [
    // GitHub, GitLab.
    prefix("ghp_", 20),
    prefix("gho_", 20),
    prefix("ghu_", 20),
    prefix("ghs_", 20),
    prefix("ghr_", 20),
    prefix("github_pat_", 20),
    prefix("glpat-", 16),
    prefix("glrt-", 16),
    prefix("gldt-", 16),
    prefix("glptt-", 16),
    // Slack.
    prefix("xoxb-", 10),
    prefix("xoxp-", 10),
    prefix("xoxa-", 10),
    prefix("xoxr-", 10),
    prefix("xoxs-", 10),
    prefix("xoxo-", 10),
    prefix("xoxe-", 10),
    prefix("xapp-", 10),
    // Stripe.
    prefix("sk_live_", 10),
    prefix("sk_test_", 10),
    prefix("rk_live_", 10),
    prefix("rk_test_", 10),
    wide(prefix("whsec_", 16)),
    // Google.
    prefix("GOCSPX-", 20),
    wide(apart("ya29.", 20)),
    // OpenAI, Anthropic, Hugging Face.
    apart("sk-", 20),
    apart("hf_", 24),
    // Registries.
    apart("npm_", 30),
    prefix("pypi-", 50),
    // DigitalOcean, Shopify, SendGrid, Vault, Sentry, age.
    prefix("dop_v1_", 32),
    prefix("doo_v1_", 32),
    prefix("shpat_", 24),
    prefix("shpss_", 24),
    prefix("shpca_", 24),
    prefix("shppa_", 24),
    wide(apart("SG.", 32)),
    wide(apart("hvs.", 20)),
    wide(prefix("sntrys_", 20)),
    prefix("sntryu_", 20),
    prefix("AGE-SECRET-KEY-", 20),
];

/// The last three bytes of each prefix as a number. Names and ids are full of marks; this
/// tells most of them from a prefix in one comparison of vectors.
const ENDS: [u32; PREFIXES.len()] = {
    let mut ends = [0; PREFIXES.len()];
    let mut index = 0;
    while index < ends.len() {
        if let Some(end) = last_three(PREFIXES[index].text.as_bytes()) {
            ends[index] = end;
        }
        index += 1;
    }
    ends
};

const LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let mut index = 0;
    while index < ENDS.len() {
        letters[ENDS[index].to_le_bytes()[1] as usize] = true;
        index += 1;
    }
    letters
};

const fn last_three(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [.., a, b, c] => Some(u32::from_le_bytes([*a, *b, *c, 0])),
        _ => None,
    }
}

/// How much of a token is looked at before it counts as one.
const WINDOW: usize = 64;

/// The token whose prefix ends with the mark at `at`.
pub(super) fn around(bytes: &[u8], at: usize, floor: usize) -> Option<Range<usize>> {
    // Almost always there is too little behind the mark.
    if bytes.len() - at <= 10 || !is_tail(bytes[at + 1]) {
        return None;
    }
    // The letters before a prefix's mark; ids have hexadecimal digits there.
    let before = bytes.get(at.checked_sub(1)?)?;
    if !LETTERS[usize::from(*before)] {
        return None;
    }
    let end = last_three(&bytes[floor..=at])?;
    if !ENDS.contains(&end) {
        return None;
    }
    let head = &bytes[floor..=at];
    let prefix = PREFIXES
        .iter()
        .find(|prefix| head.ends_with(prefix.text.as_bytes()))?;
    let start = at + 1 - prefix.text.len();
    if prefix.apart && start > 0 && is_tail(bytes[start - 1]) {
        return None;
    }
    // A window decides, so that a text of prefixes is not read to its end for each of them.
    let window = tail(
        &bytes[..bytes.len().min(at + 1 + WINDOW)],
        at + 1,
        prefix.wide,
    );
    // A name of several words (`sk-learn-something-else`) has no digit.
    let random = window.iter().any(u8::is_ascii_digit);
    if window.len() < prefix.tail || (prefix.apart && !random) {
        return None;
    }
    Some(start..at + 1 + tail(bytes, at + 1, prefix.wide).len())
}

/// Cloud keys without a mark; `at` is an `A`.
pub(super) fn cloud(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let key = &bytes[at..];
    if key.starts_with(b"AIza") {
        let length = 4 + tail(bytes, at + 4, false).len();
        return (length >= 34).then(|| at..at + length);
    }
    let amazon = [b"AKIA", b"ASIA", b"ABIA", b"ACCA"];
    let apart = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    if !apart || !amazon.iter().any(|prefix| key.starts_with(*prefix)) {
        return None;
    }
    let length = key
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let upper = !key[..length].iter().any(u8::is_ascii_lowercase);
    (upper && (16..=128).contains(&length)).then(|| at..at + length)
}

fn tail(bytes: &[u8], start: usize, wide: bool) -> &[u8] {
    let rest = &bytes[start..];
    let belongs =
        |byte: &u8| is_tail(*byte) || (wide && matches!(byte, b'.' | b'+' | b'/' | b'=' | b'~'));
    let mut length = rest
        .iter()
        .position(|byte| !belongs(byte))
        .unwrap_or(rest.len());
    // The dot behind a token ends a sentence.
    while rest[..length].ends_with(b".") {
        length -= 1;
    }
    &rest[..length]
}

fn is_tail(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
