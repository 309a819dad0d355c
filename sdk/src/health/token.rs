//! Who may see the details: whoever has the token.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// Whether the request has this token, compared in a time that does not tell how much of it
/// was right. That its length can be measured gives nothing away.
pub(crate) fn is_given(headers: &HeaderMap, token: &str) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    // Of two, proxies and services may read different ones.
    let (Some(given), None) = (given.next(), given.next()) else {
        return false;
    };
    let Some((scheme, credentials)) = split(given.as_bytes()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"bearer") && bool::from(credentials.ct_eq(token.as_bytes()))
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    Some((&value[..space], value[space..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn given(value: &[u8], token: &str) -> bool {
        let value = HeaderValue::from_bytes(value).unwrap();
        is_given(
            &HeaderMap::from_iter([(header::AUTHORIZATION, value)]),
            token,
        )
    }

    #[test]
    fn only_the_whole_token_as_a_bearer_opens() {
        let token = "a-long-enough-token";
        assert!(given(b"Bearer a-long-enough-token", token));
        assert!(given(b"bearer   a-long-enough-token ", token));
        for wrong in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a-long-enough-toke",
            b"Bearer a-long-enough-tokens",
            b"Bearer a-long-enough-tokeN",
            b"Basic a-long-enough-token",
            b"a-long-enough-token",
            b"Bearera-long-enough-token",
            b"Bearer \xffa-long-enough-token",
        ] {
            assert!(!given(wrong, token), "{wrong:?}");
        }
        assert!(!is_given(&HeaderMap::new(), token));
    }

    #[test]
    fn of_two_headers_neither_counts() {
        let mut headers = HeaderMap::new();
        for value in ["Bearer right", "Bearer wrong"] {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        assert!(!is_given(&headers, "right"));
    }

    proptest! {
        #[test]
        fn nothing_but_the_token_opens_and_nothing_panics(value in proptest::collection::vec(0x20u8..=0xff, 0..64)) {
            let Ok(header) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, header)]);
            let right = value.trim_ascii().to_ascii_lowercase().starts_with(b"bearer ")
                && value.trim_ascii().ends_with(b" t0ken");
            if is_given(&headers, "t0ken") {
                prop_assert!(right);
            }
        }
    }
}
