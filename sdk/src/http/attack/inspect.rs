//! One walk over a request: its path, its query, and two headers. Never its body.
//!
//! All that is long is cut, so that no request takes more time than a few of the longest
//! ordinary ones.

use std::cell::RefCell;

use http::{HeaderMap, Uri, header};

use super::decode::{decode, is_plain};
use super::evidence::Evidence;
use super::kind::Attack;
use super::user_agent::{self, Words};
use super::{scanner, sql, traversal, xss};

/// The bytes of a path, of a query and of a header that are looked at.
const LONGEST_PATH: usize = 2_048;
const LONGEST_QUERY: usize = 8_192;
const LONGEST_HEADER: usize = 512;

/// The bytes of one value that are looked at, and the number of values.
const LONGEST_VALUE: usize = 1_024;
const MOST_VALUES: usize = 64;

thread_local! {
    /// Used again by each request, so that an ordinary one allocates nothing.
    static SPARE: RefCell<[Vec<u8>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// What is not looked for, because it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) words: Words,
    /// Beginnings of paths that the service has, although scanners ask for them too.
    pub(super) served: Vec<String>,
}

/// What the request looks like, at most one of each kind.
pub(super) fn inspect(uri: &Uri, headers: &HeaderMap, rules: &Rules) -> Vec<Evidence> {
    let mut found = Found::default();
    SPARE.with(|spare| {
        // A signal within a signal does not happen; a panic that left it borrowed might.
        let Ok(mut spare) = spare.try_borrow_mut() else {
            return;
        };
        let [once, twice] = &mut *spare;
        found.path(uri.path().as_bytes(), rules, once, twice);
        if let Some(query) = uri.query() {
            found.query(query.as_bytes(), once, twice);
        }
    });
    found.headers(headers, rules);
    found.evidence
}

/// An empty list takes no memory.
#[derive(Default)]
struct Found {
    kinds: u8,
    evidence: Vec<Evidence>,
}

impl Found {
    fn has(&self, kind: Attack) -> bool {
        self.kinds & kind.bit() != 0
    }

    fn add(&mut self, kind: Attack, location: &'static str, key: &str, rule: &str, text: &[u8]) {
        if !self.has(kind) {
            self.kinds |= kind.bit();
            let evidence = Evidence::new(kind, location, key, rule, text);
            self.evidence.push(evidence);
        }
    }

    fn path(&mut self, raw: &[u8], rules: &Rules, once: &mut Vec<u8>, twice: &mut Vec<u8>) {
        let raw = first(raw, LONGEST_PATH);
        once.clear();
        let encoded = decode(raw, false, once);
        self.decoded_path(raw, once, rules);
        if encoded && once.contains(&b'%') {
            twice.clear();
            if decode(once, false, twice) {
                self.decoded_path(raw, twice, rules);
            }
        }
    }

    fn decoded_path(&mut self, raw: &[u8], path: &[u8], rules: &Rules) {
        const LOCATION: &str = "path";
        let is_served = |served: &String| path.starts_with(served.as_bytes());
        if !rules.served.iter().any(is_served)
            && let Some(rule) = scanner::of_path(path)
        {
            self.add(Attack::Scanner, LOCATION, "", rule, path);
        }
        let is_simple = |byte: &u8| is_plain(&[*byte]) || *byte == b'/';
        let climbs = path.windows(2).any(|pair| pair == b"..");
        if (climbs || raw.contains(&b'%'))
            && let Some(rule) = traversal::of_path(raw, path)
        {
            self.add(Attack::PathTraversal, LOCATION, "", rule, path);
        }
        if path.iter().all(is_simple) {
            return;
        }
        if let Some(rule) = xss::rule(first(path, LONGEST_VALUE)) {
            self.add(Attack::Xss, LOCATION, "", rule, path);
        }
        for part in path.split(|byte| *byte == b'/').take(MOST_VALUES) {
            let part = first(part, LONGEST_VALUE);
            if !is_plain(part)
                && !self.has(Attack::SqlInjection)
                && let Some(rule) = sql::rule(part)
            {
                self.add(Attack::SqlInjection, LOCATION, "", &rule, part);
            }
        }
    }

    fn query(&mut self, query: &[u8], once: &mut Vec<u8>, twice: &mut Vec<u8>) {
        let query = first(query, LONGEST_QUERY);
        for pair in query.split(|byte| *byte == b'&').take(MOST_VALUES) {
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (key, value) = match equals {
                Some(equals) => (&pair[..equals], &pair[equals + 1..]),
                None => (&pair[..0], pair),
            };
            let value = first(value, LONGEST_VALUE);
            if is_plain(value) {
                continue;
            }
            let key = std::str::from_utf8(key).unwrap_or_default();
            once.clear();
            let encoded = decode(value, true, once);
            self.value(key, once);
            if encoded && once.contains(&b'%') {
                twice.clear();
                if decode(once, true, twice) {
                    self.value(key, twice);
                }
            }
        }
    }

    fn value(&mut self, key: &str, value: &[u8]) {
        const LOCATION: &str = "query";
        if let Some(rule) = traversal::of_value(value) {
            self.add(Attack::PathTraversal, LOCATION, key, rule, value);
        }
        if let Some(rule) = scanner::of_text(value) {
            self.add(Attack::Scanner, LOCATION, key, rule, value);
        }
        if !self.has(Attack::Xss)
            && let Some(rule) = xss::rule(value)
        {
            self.add(Attack::Xss, LOCATION, key, rule, value);
        }
        if !self.has(Attack::SqlInjection)
            && let Some(rule) = sql::rule(value)
        {
            self.add(Attack::SqlInjection, LOCATION, key, &rule, value);
        }
    }

    /// Only what has a form of its own: prose and addresses of other sites stand there.
    fn headers(&mut self, headers: &HeaderMap, rules: &Rules) {
        if let Some(agent) = headers.get(header::USER_AGENT) {
            let agent = first(agent.as_bytes(), LONGEST_HEADER);
            if let Some((kind, name)) = user_agent::rule(agent, &rules.words) {
                let rule = String::from_utf8_lossy(name);
                self.add(kind, "user_agent", "", &rule, agent);
            }
        }
        for (name, location) in [
            (header::USER_AGENT, "user_agent"),
            (header::REFERER, "referer"),
        ] {
            let Some(value) = headers.get(name) else {
                continue;
            };
            let value = first(value.as_bytes(), LONGEST_HEADER);
            if let Some(rule) = scanner::of_text(value) {
                self.add(Attack::Scanner, location, "", rule, value);
            }
            let has_script = value.contains(&b'<')
                && value
                    .windows(7)
                    .any(|it| it.eq_ignore_ascii_case(b"<script"));
            if has_script && let Some(rule) = xss::rule(value) {
                self.add(Attack::Xss, location, "", rule, value);
            }
        }
    }
}

fn first(text: &[u8], most: usize) -> &[u8] {
    &text[..text.len().min(most)]
}
