//! The methods that names are made of: a client may send any word as one, and each would be a
//! series and an operation of its own.

use http::Method;

/// The value of `http.request.method` for every other word.
pub(super) const OTHER: &str = "_OTHER";

/// The conventions' known methods, and their places in tables of handles; the place after them
/// is that of all others.
const KNOWN: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY",
];

/// How many places there are.
pub(super) const PLACES: usize = KNOWN.len() + 1;

/// A method as the conventions have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// `None` where the service named it itself.
    pub(super) place: Option<usize>,
}

impl Known {
    /// `more` are the service's own.
    pub(super) fn of(method: &Method, more: &[&'static str]) -> Self {
        let method = method.as_str();
        if let Some(place) = KNOWN.iter().position(|known| *known == method) {
            return Self {
                name: KNOWN[place],
                place: Some(place),
            };
        }
        match more.iter().find(|known| **known == method) {
            Some(name) => Self { name, place: None },
            None => Self {
                name: OTHER,
                place: Some(KNOWN.len()),
            },
        }
    }

    /// What a span's name begins with.
    pub(super) fn in_name(self) -> &'static str {
        if self.is_other() { "HTTP" } else { self.name }
    }

    pub(super) fn is_other(self) -> bool {
        self.name == OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_no_convention_and_no_service_names_is_other() {
        let of = |word: &str| Known::of(&word.parse().unwrap(), &["PURGE"]);
        assert_eq!((of("GET").name, of("GET").in_name()), ("GET", "GET"));
        assert_eq!((of("PURGE").name, of("PURGE").place), ("PURGE", None));
        for word in ["get", "BREW", "GETT"] {
            assert_eq!((of(word).name, of(word).in_name()), ("_OTHER", "HTTP"));
            assert!(of(word).is_other());
        }
    }
}
