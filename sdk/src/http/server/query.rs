//! The query of a request without its secrets.
//!
//! What is sent is redacted anyway; this also sees through percent-encoding, and knows the
//! parameters that the conventions name: a signature in a link is as good as a password.

use std::borrow::Cow;

use crate::redaction::{self, REPLACEMENT};

/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
const SIGNATURES: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// More than any name of a parameter needs.
const MAX_NAME: usize = 256;

pub(super) fn redacted(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if is_secret(part) => Cow::Owned(format!("{name}={REPLACEMENT}")),
        _ => Cow::Borrowed(part),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("&"))
}

fn is_secret(part: &str) -> bool {
    let Some((name, value)) = part.split_once('=') else {
        return false;
    };
    if value.is_empty() || name.len() > MAX_NAME {
        return !value.is_empty();
    }
    let name = decoded(name);
    let signature = SIGNATURES.iter().any(|it| it.eq_ignore_ascii_case(&name));
    signature || redaction::is_secret(&name)
}

fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains(['%', '+']) {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (with(bytes, high * 16 + low), after),
                _ => (with(bytes, b'%'), &rest[1..]),
            },
            (b'+', after) => (with(bytes, b' '), after),
            (byte, after) => (with(bytes, *byte), after),
        };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secret_parameters_keep_their_names_alone() {
        for (query, expected) in [
            ("page=2&sort=price", "page=2&sort=price"),
            ("token=abc&page=2", "token=[redacted]&page=2"),
            (
                "page=2&X-Goog-Signature=abc",
                "page=2&X-Goog-Signature=[redacted]",
            ),
            ("sig=abc", "sig=[redacted]"),
            (
                "AWSAccessKeyId=abc&Signature=d",
                "AWSAccessKeyId=[redacted]&Signature=[redacted]",
            ),
            ("pass%77ord=abc", "pass%77ord=[redacted]"),
            ("api+key=abc", "api+key=[redacted]"),
            ("user%5Bpassword%5D=abc", "user%5Bpassword%5D=[redacted]"),
            ("signature", "signature"),
            ("token=", "token="),
            ("design=oak", "design=oak"),
            ("", ""),
        ] {
            assert_eq!(redacted(query), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_value_of_a_secret_is_left_however_it_is_written(
            before in "[a-z0-9=&%+]{0,20}", encode in proptest::collection::vec(any::<bool>(), 8)
        ) {
            let name: String = "password".chars().zip(encode).map(|(letter, encode)| {
                if encode { format!("%{:02X}", letter as u32) } else { letter.to_string() }
            }).collect();
            let query = format!("{before}&{name}=hunter2&page=2");
            let redacted = redacted(&query);
            prop_assert!(!redacted.contains("hunter2"), "{}", redacted);
            prop_assert!(redacted.ends_with("&page=2"));
        }

        #[test]
        fn no_query_is_too_strange(query in "\\PC{0,100}") {
            let _ = redacted(&query);
        }
    }
}
