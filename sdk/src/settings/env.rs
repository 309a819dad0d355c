//! Reading variables as the OpenTelemetry specification says: empty is unset, booleans are
//! `true` or not, numbers that cannot be parsed warn and fall back.

use std::cell::RefCell;
use std::time::Duration;

/// The environment behind a function, so that tests need not change the process's own.
pub(crate) struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Env<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            warnings: RefCell::new(Vec::new()),
        }
    }

    /// The variable's value without surrounding white space; `None` where unset or empty.
    pub(crate) fn get(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(crate) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Only `true`, in any case, is true; any other word but `false` warns.
    pub(crate) fn flag(&self, variable: &str) -> bool {
        match self.get(variable) {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(value) => {
                self.warn(format!(
                    "{variable}={value:?} is not a boolean (expected true or false); false is used"
                ));
                false
            }
        }
    }

    /// A duration in whole milliseconds.
    pub(crate) fn millis(&self, variable: &str, default: Duration) -> Duration {
        match self
            .get(variable)
            .map(|value| (value.parse::<u64>(), value))
        {
            None => default,
            Some((Ok(millis), _)) => Duration::from_millis(millis),
            Some((Err(_), value)) => {
                self.warn(format!(
                    "{variable}={value:?} is not a number of milliseconds; {} is used",
                    default.as_millis()
                ));
                default
            }
        }
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs, percent-encoded. As the specification
    /// asks, one pair that cannot be decoded discards the whole value.
    pub(crate) fn resource_attributes(&self) -> Vec<(String, String)> {
        const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let Some(value) = self.get(VARIABLE) else {
            return Vec::new();
        };
        match parse_pairs(&value) {
            Ok(pairs) => pairs,
            Err(reason) => {
                self.warn(format!(
                    "{VARIABLE} is ignored: {reason} (expected key=value pairs with commas between, percent-encoded)"
                ));
                Vec::new()
            }
        }
    }
}

/// `key=value` pairs with commas between; keys and values percent-decoded. The error names
/// the key or the position, never a value: headers hold credentials.
pub(crate) fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (index, pair) in text.split(',').enumerate() {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("entry {} has no `=`", index + 1));
        };
        let key = key.trim();
        if key.is_empty() {
            return Err(format!("entry {} has no key", index + 1));
        }
        let decode = |part: &str| {
            percent_decode(part).ok_or_else(|| format!("`{key}` is not percent-encoded UTF-8"))
        };
        pairs.push((decode(key)?, decode(value.trim())?));
    }
    Ok(pairs)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_percent_decoded() {
        assert_eq!(
            parse_pairs("team=caf%C3%A9, region = eu%2Cwest ,,").unwrap(),
            [
                ("team".to_owned(), "café".to_owned()),
                ("region".to_owned(), "eu,west".to_owned())
            ]
        );
    }

    #[test]
    fn a_pair_that_cannot_be_decoded_is_refused_without_its_value() {
        for text in ["key=hunter2%zz", "key=%ff", "hunter2", "=hunter2"] {
            let said = parse_pairs(text).unwrap_err();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn one_bad_attribute_discards_the_whole_value_and_warns() {
        let env = Env::new(&|_| Some("a=1,b=%zz".to_owned()));
        assert_eq!(env.resource_attributes(), []);
        assert!(env.take_warnings()[0].contains("OTEL_RESOURCE_ATTRIBUTES"));
    }

    #[test]
    fn numbers_and_flags_that_cannot_be_parsed_warn_and_fall_back() {
        let env = Env::new(&|_| Some("soon".to_owned()));
        assert_eq!(
            env.millis("X_MS", Duration::from_millis(7)),
            Duration::from_millis(7)
        );
        assert!(!env.flag("X_FLAG"));
        let warnings = env.take_warnings();
        assert!(warnings[0].contains("X_MS") && warnings[1].contains("X_FLAG"));
    }

    #[test]
    fn empty_is_unset() {
        assert_eq!(Env::new(&|_| Some("  ".to_owned())).get("X"), None);
    }
}
