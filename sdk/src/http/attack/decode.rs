//! Percent-encoding undone, into memory that is used again, and not more than there is time
//! for. What cannot be decoded stays as it is, as servers and databases differ on it.

/// Appends the decoded form; `+` is a space in a query. Tells whether anything changed.
pub(super) fn decode(raw: &[u8], plus: bool, into: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = raw;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = match first {
            b'%' => match after {
                [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = &after[2..];
                    changed = true;
                    hex(*high) << 4 | hex(*low)
                }
                _ => first,
            },
            b'+' if plus => {
                changed = true;
                b' '
            }
            _ => first,
        };
        into.push(byte);
    }
    changed
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// Whether a byte can stand in no attack by itself. Most values consist of these.
pub(super) const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(byte as u8, b'_' | b'.' | b'~' | b',' | b':' | b'@' | b'-');
        byte += 1;
    }
    plain
};

/// Of a value as it stands in the request: its colon may begin an address of a script.
pub(super) fn is_plain(raw: &[u8]) -> bool {
    raw.iter().all(|byte| PLAIN[usize::from(*byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &str, plus: bool) -> String {
        let mut into = Vec::new();
        decode(raw.as_bytes(), plus, &mut into);
        String::from_utf8_lossy(&into).into_owned()
    }

    #[test]
    fn whole_escapes_are_decoded_and_broken_ones_stay() {
        assert_eq!(decoded("a%20b%2Fc%2f", false), "a b/c/");
        assert_eq!(decoded("1%2B1+1", true), "1+1 1");
        assert_eq!(decoded("a+b", false), "a+b");
        assert_eq!(decoded("%", true), "%");
        assert_eq!(decoded("%4", true), "%4");
        assert_eq!(decoded("%zz%%41", true), "%zz%A");
        assert_eq!(decoded("%252e", true), "%2e");
        assert_eq!(decoded("%E6%9D%B1", true), "東");
    }

    proptest! {
        #[test]
        fn it_never_grows_and_undoes_what_an_encoder_did(raw in proptest::collection::vec(any::<u8>(), 0..256)) {
            let mut into = Vec::new();
            let changed = decode(&raw, true, &mut into);
            prop_assert!(into.len() <= raw.len());
            prop_assert!(changed || into == raw);
            let encoded: String = raw.iter().map(|byte| format!("%{byte:02X}")).collect();
            let mut back = Vec::new();
            decode(encoded.as_bytes(), true, &mut back);
            prop_assert_eq!(back, raw);
        }
    }
}
