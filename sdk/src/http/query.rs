//! The query of an address without its secrets: of a request that comes, and of one that goes.
//!
//! What is sent is redacted anyway; this also sees through percent-encoding, and knows the
//! parameters that the conventions name: a signature in a link is as good as a password.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::redaction::{self, REPLACEMENT, Redactor};

/// Each signs an address, so that whoever has it may do what the address does.
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
const SIGNATURES: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// More than any name of a parameter needs.
const MAX_NAME: usize = 256;

pub(super) fn redacted(query: &str) -> Cow<'_, str> {
    redaction::with_in_force(|redactor| {
        if !query.split('&').any(|part| is_secret(part, redactor)) {
            return Cow::Borrowed(query);
        }
        let mut text = String::with_capacity(query.len() + REPLACEMENT.len());
        push(&mut text, query, redactor);
        Cow::Owned(text)
    })
}

/// Appends the query without its secrets.
pub(super) fn push_redacted(text: &mut String, query: &str) {
    redaction::with_in_force(|redactor| push(text, query, redactor));
}

fn push(text: &mut String, query: &str, redactor: &Redactor) {
    for (at, part) in query.split('&').enumerate() {
        if at > 0 {
            text.push('&');
        }
        match part.split_once('=') {
            Some((name, _)) if is_secret(part, redactor) => {
                text.push_str(name);
                text.push('=');
                text.push_str(REPLACEMENT);
            }
            _ => text.push_str(part),
        }
    }
}

/// By its name, or by what stands encoded in its value, which a search in the whole text would
/// not see. What stands there in plain text is found when the span ends.
fn is_secret(part: &str, redactor: &Redactor) -> bool {
    let Some((name, value)) = part.split_once('=') else {
        return false;
    };
    if value.is_empty() || name.len() > MAX_NAME {
        return !value.is_empty();
    }
    let name = decoded(name);
    SIGNATURES.iter().any(|it| it.eq_ignore_ascii_case(&name))
        || redactor.key(&name)
        || is_encoded(value) && matches!(redactor.text(&decoded(value)), Cow::Owned(_))
}

fn is_encoded(text: &str) -> bool {
    text.contains(['%', '+'])
}

/// As forms encode it: `+` is a space.
fn decoded(text: &str) -> Cow<'_, str> {
    if !is_encoded(text) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
    Cow::Owned(decoded.into_owned())
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
            ("auth=Bearer%20hunter2aaaaaaaa", "auth=[redacted]"),
            (
                "note=Bearer+hunter2aaaaaaaa&q=red+shoes",
                "note=[redacted]&q=red+shoes",
            ),
            ("next=https%3A%2F%2Fada%3Ahunter2%40b", "next=[redacted]"),
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
