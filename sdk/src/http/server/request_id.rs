//! The id of a request: taken from a trusted client, else made.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use uuid::{Builder, fmt::Hyphenated};

use crate::redaction;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A UUID has 36; what a proxy makes of several parts has room.
const MAX_LENGTH: usize = 128;

/// The client's id, if it has sent one that can stand everywhere: in a header, in a line of
/// a log, in a query.
pub(super) fn given(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        // Of two, a proxy and the service could each believe another.
        return None;
    };
    let text = well_formed(value.as_bytes())?;
    let id = redaction::known_value("request.id", text);
    (*id == *text).then_some(id)
}

fn well_formed(bytes: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:+/=@".contains(byte);
    let fits = (1..=MAX_LENGTH).contains(&bytes.len());
    if !fits || !bytes.iter().all(allowed) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// A UUID of version 7, which sorts by time.
pub(super) fn made() -> Arc<str> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis() as u64);
    // The generator of trace ids draws from the thread's own; the system's would be a call of
    // the kernel a request.
    let drawn = RandomIdGenerator::default().new_trace_id().to_bytes();
    let mut random = [0; 10];
    random.copy_from_slice(&drawn[..10]);
    let uuid = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut text = [0; Hyphenated::LENGTH];
    Arc::from(&*uuid.hyphenated().encode_lower(&mut text))
}

/// For the answer. An id that was taken or made here always fits.
pub(super) fn header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        given(&headers).map(|id| id.to_string())
    }

    #[test]
    fn an_id_is_taken_where_it_can_stand_everywhere() {
        assert_eq!(of(&[b"req-7"]).unwrap(), "req-7");
        let longest = [b'a'; MAX_LENGTH];
        assert_eq!(of(&[&longest]).unwrap().len(), MAX_LENGTH);
        for bad in [
            &b""[..],
            b"a b",
            b"a\tb",
            b"a\xffb",
            b"a\"b",
            b"<b>",
            b"a;b",
            b"a,b",
            &[b'a'; MAX_LENGTH + 1],
        ] {
            assert_eq!(of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[b"one", b"two"]), None, "one of them was smuggled in");
        let token = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0";
        assert_eq!(of(&[token]), None, "a secret is no id");
    }

    #[test]
    fn a_made_id_is_a_uuid_of_version_7_and_another_each_time() {
        let (one, other) = (made(), made());
        let uuid = uuid::Uuid::parse_str(&one).unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_ne!(one, other);
        assert!(one.len() == 36 && header(&one).is_some());
        assert_eq!(well_formed(one.as_bytes()), Some(&*one));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_what_was_sent_and_fits_a_header(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            if let Some(id) = well_formed(&bytes) {
                prop_assert_eq!(id.as_bytes(), &bytes[..]);
                prop_assert!(id.len() <= MAX_LENGTH && id.is_ascii() && header(id).is_some());
                prop_assert!(!id.contains(['\r', '\n', ' ', '"', '\\', '<', ',', ';', '%']));
            }
        }
    }
}
