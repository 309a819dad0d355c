//! Reading variables as the OpenTelemetry specification says, and keeping the record of
//! what was decided: empty is unset, booleans are `true` or not, what cannot be parsed warns
//! and counts as unset.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use super::pairs::parse_pairs;
use super::setting::{Setting, Source};

/// The environment behind a function, so that tests need not change the process's own.
pub(crate) struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    warnings: RefCell<Vec<String>>,
    decided: RefCell<Vec<Setting>>,
}

/// A timeout of `0` is none at all; the specification lets it be a very long one instead.
pub(crate) const NO_LIMIT: Duration = Duration::from_millis(i32::MAX as u64);

impl<'a> Env<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            warnings: RefCell::default(),
            decided: RefCell::default(),
        }
    }

    /// The variable's value without surrounding white space; `None` where unset or empty.
    pub(crate) fn get(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Once, however many settings a general variable decides.
    pub(crate) fn warn(&self, warning: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Puts a decision on record. `value` must be fit for a log.
    pub(crate) fn decide(&self, name: &str, value: impl fmt::Display, source: Source) {
        self.decided.borrow_mut().push(Setting {
            name: name.to_owned(),
            value: value.to_string(),
            source,
        });
    }

    pub(crate) fn take_decided(&self) -> Vec<Setting> {
        self.decided.take()
    }

    /// The first of these variables that is set and can be parsed, else the default. Those
    /// that cannot be parsed warn and count as unset. The decision is recorded under the
    /// first name, as `show` writes it.
    pub(crate) fn resolve<T>(
        &self,
        variables: &[&str],
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let mut refused = Vec::new();
        let found = variables.iter().find_map(|variable| {
            let text = self.get(variable)?;
            let value = parse(&text);
            if value.is_none() {
                refused.push((variable, text));
            }
            Some((value?, Source::Variable((*variable).to_owned())))
        });
        let (value, source) = found.unwrap_or((default, Source::Default));
        let shown = show(&value);
        for (variable, text) in refused {
            self.warn(format!(
                "{variable}={text:?} is not usable (expected {expected}); {shown} is used"
            ));
        }
        self.decide(variables[0], shown, source);
        value
    }

    /// A word out of a set.
    pub(crate) fn word<T: fmt::Display>(
        &self,
        variable: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        self.resolve(&[variable], default, expected, parse, T::to_string)
    }

    /// Only `true`, in any case, is true; any other word but `false` warns.
    pub(crate) fn flag(&self, variable: &str) -> bool {
        self.flag_of(&[variable])
    }

    /// [`flag`](Self::flag) where one of several variables decides.
    pub(crate) fn flag_of(&self, variables: &[&str]) -> bool {
        let parse = |text: &str| text.to_ascii_lowercase().parse().ok();
        self.resolve(variables, false, "true or false", parse, bool::to_string)
    }

    /// A duration in whole milliseconds.
    pub(crate) fn millis(&self, variable: &str, default: Duration) -> Duration {
        self.resolve(
            &[variable],
            default,
            "a number of milliseconds",
            |text| text.parse().ok().map(Duration::from_millis),
            |value| value.as_millis().to_string(),
        )
    }

    /// A duration in whole milliseconds that may not be zero.
    pub(crate) fn positive_millis(&self, variable: &str, default: Duration) -> Duration {
        self.resolve(
            &[variable],
            default,
            "a number of milliseconds above 0",
            |text| {
                let millis = text.parse().ok().filter(|millis| *millis > 0)?;
                Some(Duration::from_millis(millis))
            },
            |value| value.as_millis().to_string(),
        )
    }

    /// A timeout in whole milliseconds; `0` is no limit.
    pub(crate) fn timeout(&self, variables: &[&str], default: Duration) -> Duration {
        self.resolve(
            variables,
            default,
            "a number of milliseconds, 0 for no limit",
            |text| match text.parse().ok()? {
                0 => Some(NO_LIMIT),
                millis => Some(Duration::from_millis(millis).min(NO_LIMIT)),
            },
            |value| match *value {
                NO_LIMIT => "no limit".to_owned(),
                value => value.as_millis().to_string(),
            },
        )
    }

    /// An integer of at least `least`.
    pub(crate) fn count(&self, variables: &[&str], default: usize, least: usize) -> usize {
        self.resolve(
            variables,
            default,
            &format!("a whole number, {least} or more"),
            // The specification's range; what is larger is no count of anything here.
            |text| {
                let number = text.parse::<u32>().ok()?;
                let number = usize::try_from(number).ok()?;
                (number >= least && number <= i32::MAX as usize).then_some(number)
            },
            usize::to_string,
        )
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs, percent-encoded. As the specification
    /// asks, one pair that cannot be decoded discards the whole value.
    pub(crate) fn resource_attributes(&self) -> Vec<(String, String)> {
        const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let Some(value) = self.get(VARIABLE) else {
            return Vec::new();
        };
        match parse_pairs(&value) {
            Ok(pairs) => {
                let names: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
                let source = Source::Variable(VARIABLE.to_owned());
                self.decide(VARIABLE, names.join(","), source);
                pairs
            }
            Err(reason) => {
                self.warn(format!(
                    "{VARIABLE} is ignored: {reason} (expected key=value pairs with commas between, percent-encoded)"
                ));
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_attribute_discards_the_whole_value_and_warns() {
        let env = Env::new(&|_| Some("a=1,b=%zz".to_owned()));
        assert_eq!(env.resource_attributes(), []);
        assert!(env.take_warnings()[0].contains("OTEL_RESOURCE_ATTRIBUTES"));
    }

    #[test]
    fn numbers_and_flags_that_cannot_be_parsed_warn_and_fall_back() {
        for text in ["soon", "-1", "1.5", "99999999999999999999999"] {
            let lookup = |_: &str| Some(text.to_owned());
            let env = Env::new(&lookup);
            let seven = Duration::from_millis(7);
            assert_eq!(env.millis("X_MS", seven), seven);
            assert_eq!(env.timeout(&["X_TIMEOUT"], seven), seven);
            assert_eq!(env.count(&["X_COUNT"], 7, 0), 7);
            assert!(!env.flag("X_FLAG"));
            let warnings = env.take_warnings().join("\n");
            for name in ["X_MS", "X_TIMEOUT", "X_COUNT", "X_FLAG"] {
                assert!(warnings.contains(name), "{warnings}");
            }
            assert!(warnings.contains("; 7 is used"), "{warnings}");
            let sources: Vec<Source> = env.take_decided().into_iter().map(|s| s.source).collect();
            assert_eq!(sources, [const { Source::Default }; 4]);
        }
    }

    #[test]
    fn an_unusable_variable_gives_way_to_the_more_general_one() {
        let env = Env::new(&|name| match name {
            "OWN" => Some("many".to_owned()),
            _ => Some("3".to_owned()),
        });
        assert_eq!(env.count(&["OWN", "GENERAL"], 7, 0), 3);
        assert!(env.take_warnings()[0].contains("; 3 is used"));
        let decided = env.take_decided();
        assert_eq!(decided[0].name, "OWN");
        assert_eq!(decided[0].source, Source::Variable("GENERAL".to_owned()));
    }

    #[test]
    fn a_timeout_of_zero_is_no_limit_and_a_duration_of_zero_is_zero() {
        let env = Env::new(&|_| Some("0".to_owned()));
        assert_eq!(env.timeout(&["X"], Duration::ZERO), NO_LIMIT);
        assert_eq!(env.millis("X", NO_LIMIT), Duration::ZERO);
        assert_eq!(env.positive_millis("X", NO_LIMIT), NO_LIMIT);
        assert_eq!(env.count(&["X"], 7, 0), 0);
        assert_eq!(env.count(&["X"], 7, 1), 7, "not a size");
    }

    #[test]
    fn empty_is_unset() {
        assert_eq!(Env::new(&|_| Some("  ".to_owned())).get("X"), None);
    }
}
