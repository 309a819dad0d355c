//! The `baggage` header as it is written: <https://www.w3.org/TR/baggage/>.
//!
//! The SDK's propagator leaves `%` and `\` as they are, so that `50%25` arrives as `50%`, and
//! puts no bound on what the encoding makes of its 8,192 bytes. What is written here can be
//! read by it.

/// What every participant passes on, by the recommendation; more is dropped underway, whole.
const MOST_BYTES: usize = 8_192;
const MOST_ENTRIES: usize = 64;

/// Holds a user, a request and a tenant, so that most headers are allocated once.
const ROOM: usize = 160;

/// A header's value in the making.
#[derive(Debug, Default)]
pub(crate) struct BaggageHeader {
    text: String,
    entries: usize,
}

impl BaggageHeader {
    /// Appends an entry; one that does not fit is left out, since half a value is a wrong one.
    pub(crate) fn push(&mut self, key: &str, value: &str, metadata: &str) {
        let key = key.trim();
        if key.is_empty() || self.entries == MOST_ENTRIES {
            return;
        }
        let before = self.text.len();
        if before > 0 {
            self.text.push(',');
        } else {
            self.text.reserve(ROOM);
        }
        encode(&mut self.text, key, is_token);
        self.text.push('=');
        encode(&mut self.text, value.trim(), is_octet);
        let metadata = metadata.trim();
        if !metadata.is_empty() && metadata.bytes().all(is_metadata) {
            self.text.push(';');
            self.text.push_str(metadata);
        }
        if self.text.len() > MOST_BYTES {
            self.text.truncate(before);
        } else {
            self.entries += 1;
        }
    }

    /// Appends an entry that is encoded already, of a header that came from elsewhere.
    #[cfg(feature = "http")]
    pub(crate) fn push_encoded(&mut self, entry: &str) {
        let entry = entry.trim();
        let room = self.entries < MOST_ENTRIES && self.text.len() + 1 + entry.len() <= MOST_BYTES;
        if entry.is_empty() || !room {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(entry);
        self.entries += 1;
    }

    /// The value; `None` where there is no entry.
    pub(crate) fn finish(self) -> Option<String> {
        (!self.text.is_empty()).then_some(self.text)
    }
}

fn encode(text: &mut String, plain: &str, stays: fn(u8) -> bool) {
    for byte in plain.bytes() {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 0xf] {
                text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

/// RFC 9110's token, without `%`, which begins an encoded byte.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte)
}

/// The recommendation's baggage-octet, without `%`, and without `=`, at which some readers
/// end a value.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"%,;=\\".contains(&byte)
}

/// Metadata is passed on as it came, so it must not be able to begin another entry.
fn is_metadata(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte == b' ') && byte != b','
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Context;
    use opentelemetry::baggage::BaggageExt;
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry_sdk::propagation::BaggagePropagator;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn written(entries: &[(&str, &str, &str)]) -> String {
        let mut header = BaggageHeader::default();
        for (key, value, metadata) in entries {
            header.push(key, value, metadata);
        }
        header.finish().unwrap_or_default()
    }

    /// What the SDK's propagator reads in it.
    fn read(header: String) -> HashMap<String, String> {
        let carrier = HashMap::from([("baggage".to_owned(), header)]);
        let context = BaggagePropagator::new().extract_with_context(&Context::new(), &carrier);
        let baggage = context.baggage().iter();
        baggage
            .map(|(key, (value, _))| (key.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn what_would_end_an_entry_or_an_escape_is_encoded() {
        assert_eq!(
            written(&[("user.id", "50%25, a=\"b\";c\\d é\r\n", "")]),
            "user.id=50%2525%2C%20a%3D%22b%22%3Bc%5Cd%20%C3%A9"
        );
        assert_eq!(written(&[("a b,c", "1", "p=2;q")]), "a%20b%2Cc=1;p=2;q");
        assert_eq!(
            written(&[("a", "1", "p,evil=2"), ("b", "2", "x\r\ny")]),
            "a=1,b=2"
        );
        assert_eq!(written(&[("", "1", ""), (" ", "2", "")]), "");
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole_and_the_rest_stays() {
        let long = "é".repeat(2_000);
        let header = written(&[("a", "1", ""), ("b", &long, ""), ("c", "3", "")]);
        assert_eq!(header, "a=1,c=3");
        let mut many = BaggageHeader::default();
        for number in 0..100 {
            many.push(&format!("k{number}"), "v", "");
        }
        assert_eq!(many.finish().unwrap().split(',').count(), MOST_ENTRIES);
    }

    proptest! {
        // Each is up to eighty texts, many times over.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_written_is_read_again(
            entries in proptest::collection::hash_map("[a-z]{1,12}(\\.[a-z]{1,4})?", "\\PC{0,64}", 0..20),
        ) {
            let mut header = BaggageHeader::default();
            for (key, value) in &entries {
                header.push(key, value, "");
            }
            let header = header.finish().unwrap_or_default();
            let trimmed: HashMap<String, String> = entries
                .into_iter()
                .map(|(key, value)| (key, value.trim().to_owned()))
                .collect();
            prop_assert_eq!(read(header), trimmed);
        }

        #[test]
        fn a_header_is_bounded_and_one_line_whatever_it_is_given(
            entries in proptest::collection::vec(
                (any::<String>(), any::<String>(), any::<String>()), 0..80),
            repeated in 1..40_usize,
        ) {
            let mut header = BaggageHeader::default();
            for (key, value, metadata) in &entries {
                header.push(key, &value.repeat(repeated), metadata);
            }
            let header = header.finish().unwrap_or_default();
            prop_assert!(header.len() <= MOST_BYTES);
            prop_assert!(header.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
            prop_assert!(header.split(',').count() <= MOST_ENTRIES);
        }
    }
}
