//! `url.full` without its secrets, written only where somebody keeps the span.

use std::cell::Cell;
use std::fmt::{self, Write};

use super::destination::Destination;
use crate::http::query;
use crate::redaction::REPLACEMENT;

/// The address with `[redacted]` for the user information and for the values of secret
/// parameters. The fragment never leaves the client, and is left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct FullUrl<'a>(pub(super) Destination<'a>);

thread_local! {
    /// Where an address is put together, so that who keeps it allocates once, for all of it.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

/// What a thread keeps of it; the storage of a longer address is given back.
const KEEP: usize = 4_096;

impl fmt::Display for FullUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = SPARE.try_with(Cell::take).unwrap_or_default();
        text.clear();
        self.write(&mut text);
        let written = f.write_str(&text);
        if text.capacity() <= KEEP {
            // A thread at its end has no place for it.
            let _ = SPARE.try_with(|spare| spare.set(text));
        }
        written
    }
}

impl FullUrl<'_> {
    fn write(&self, text: &mut String) {
        let to = &self.0;
        text.push_str(to.scheme);
        text.push_str("://");
        if to.user_info {
            text.push_str(REPLACEMENT);
            text.push('@');
        }
        text.push_str(to.host);
        if let Some(port) = to.port {
            // Writing to a String does not fail.
            let _ = write!(text, ":{port}");
        }
        text.push_str(to.path);
        if let Some(query) = to.query {
            text.push('?');
            query::push_redacted(text, query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Uri};
    use proptest::prelude::*;

    fn full(uri: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        FullUrl(Destination::of_uri(&uri, &HeaderMap::new(), None)).to_string()
    }

    #[test]
    fn an_address_without_a_secret_is_told_as_it_is() {
        for uri in [
            "http://payments/accounts/7",
            "https://api.example.com:8443/a%20b?page=2&sort=-name&flag&empty=&&token_count=3",
            "http://[::1]:8080/",
        ] {
            assert_eq!(full(uri), uri);
        }
        assert_eq!(full("http://payments"), "http://payments/");
    }

    #[test]
    fn credentials_and_secret_parameters_are_not_told() {
        for (uri, expected) in [
            (
                "https://ada:hunter2@a.example/x?y=1",
                "https://[redacted]@a.example/x?y=1",
            ),
            ("https://ada@a.example/", "https://[redacted]@a.example/"),
            (
                "http://a/?sig=hunter2&color=blue",
                "http://a/?sig=[redacted]&color=blue",
            ),
            (
                "http://a/?AWSAccessKeyId=hunter2&Signature=hunter2",
                "http://a/?AWSAccessKeyId=[redacted]&Signature=[redacted]",
            ),
            (
                "http://a/?x-goog-signature=hunter2",
                "http://a/?x-goog-signature=[redacted]",
            ),
            (
                "http://a/?access_token=hunter2",
                "http://a/?access_token=[redacted]",
            ),
            (
                "http://a/?pass%77ord=hunter2",
                "http://a/?pass%77ord=[redacted]",
            ),
            (
                "http://a/?user%5Bpassword%5D=hunter2",
                "http://a/?user%5Bpassword%5D=[redacted]",
            ),
            (
                "http://a/?auth=Bearer%20hunter2aaaaaaaa",
                "http://a/?auth=[redacted]",
            ),
            (
                "http://a/?next=https%3A%2F%2Fada%3Ahunter2%40b",
                "http://a/?next=[redacted]",
            ),
        ] {
            assert_eq!(full(uri), expected);
        }
    }

    proptest! {
        #[test]
        fn no_query_panics_and_no_password_stays(
            before in "[a-z0-9=&%;+._~-]{0,24}",
            secret in "[A-Za-z0-9._~%-]{1,24}",
            after in "[a-z0-9=&%;+._~-]{0,24}",
        ) {
            // One that also stands elsewhere proves nothing.
            let marked = format!("zq{}", secret);
            let uri = format!("http://a/?{}&password={}&{}", before, marked, after);
            if let Ok(uri) = uri.parse::<Uri>() {
                let told = FullUrl(Destination::of_uri(&uri, &HeaderMap::new(), None)).to_string();
                prop_assert!(!told.contains(&marked), "{}", told);
            }
        }
    }
}
