//! A message without what is another each time: the ids, amounts, addresses and dates that
//! would make an issue of each.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::sentry::start;

/// What is replaced, and by what; the first that fits at a place wins.
const KINDS: [(&str, &str); 8] = [
    (
        "uuid",
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    ),
    (
        "date",
        r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b",
    ),
    ("email", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    ("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    (
        "ip6",
        r"\b(?:[0-9a-fA-F]{1,4}:){2,7}(?::|[0-9a-fA-F]{1,4})\b",
    ),
    // Not the apostrophe of «can't», which no quotation begins.
    ("text", r#"\B'[^'\n]*'|"[^"\n]*"|`[^`\n]*`"#),
    ("hex", r"\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{8,})\b"),
    ("n", r"\d+(?:[.,]\d+)*"),
];

static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all: Vec<String> = KINDS
        .iter()
        .map(|(name, pattern)| format!("(?P<{name}>{pattern})"))
        .collect();
    Regex::new(&all.join("|")).ok()
});

/// Only the start of a text tells what it is about.
const LONGEST: usize = 1024;

pub(super) fn normalize(message: &str) -> Cow<'_, str> {
    let start = start(message.trim(), LONGEST);
    match &*VARIABLE {
        Some(variable) => variable.replace_all(start, replacement),
        None => Cow::Borrowed(start),
    }
}

fn replacement(found: &Captures<'_>) -> String {
    let kind = KINDS
        .iter()
        .map(|(name, _)| *name)
        .find(|name| found.name(name).is_some());
    match kind {
        // A word that has no digit is a word: «defaced».
        Some("hex") if !found[0].bytes().any(|byte| byte.is_ascii_digit()) => found[0].to_owned(),
        Some(kind) => format!("<{kind}>"),
        None => found[0].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!(VARIABLE.is_some());
    }

    #[test]
    fn what_is_another_each_time_is_replaced() {
        for (message, expected) in [
            ("order 42 of 7.5 EUR", "order <n> of <n> EUR"),
            ("/orders/42/items/7", "/orders/<n>/items/<n>"),
            (
                "user 67e55044-10b1-426f-9247-bb680e5fe0c8 gone",
                "user <uuid> gone",
            ),
            ("at 2026-11-21T21:42:38.009Z", "at <date>"),
            ("on 2026-11-21", "on <date>"),
            ("no route to 10.0.0.1:5432", "no route to <ip>:<n>"),
            ("no route to fe80:0:0:1", "no route to <ip6>"),
            ("mail to ada@shop.example", "mail to <email>"),
            (
                "key 'a b' and \"c\" not `d`",
                "key <text> and <text> not <text>",
            ),
            ("it can't, and won't", "it can't, and won't"),
            ("at 0x7ffe12ab, 3f2a9c11de", "at <hex>, <hex>"),
            ("the facade was defaced", "the facade was defaced"),
            ("  took 12,000 ms  ", "took <n> ms"),
        ] {
            assert_eq!(normalize(message), expected);
        }
    }

    #[test]
    fn a_long_message_counts_by_its_start() {
        let long = "ä".repeat(5_000);
        assert_eq!(normalize(&long).len(), LONGEST);
    }
}
