//! SQL in a value, by libinjection's grammar of it, and what is to stand beside a weak verdict.
//!
//! libinjection reads a value as the parts of a statement and looks the sequence of their
//! kinds up: `s&1c` is a string, an `and`, a number and a comment. Sequences that prose,
//! mathematics and queries of other languages have as well are not taken at its word.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use libinjectionrs::{Fingerprint, SqliFlags, SqliState};
use regex::bytes::Regex;

/// What needs no grammar: a second statement, a statement within a value, and functions that
/// only an attacker wants.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    let second = r"drop\s+(?:table|database|schema|view|user)\b|insert\s+into\b|delete\s+from\b|update\s+\w+\s+set\b|truncate\s+table\b|alter\s+table\b|create\s+(?:table|user)\b|exec(?:ute)?\s+[\w.]*[xs]p_|select\s+(?:\*|[\w@]+\s*(?:,|\(|from\b))|shutdown\b\s*(?:-|$)";
    let within = r"select\s+(?:[\d*'(@]|case\b|[\w,.\s]+\bfrom\b)";
    let functions = r"xp_cmdshell|information_schema\.|\bprocedure\s+analyse\s*\(|\bload_file\s*\(|\binto\s+(?:out|dump)file\s*'|\bwaitfor\s+delay\s*'|\bpg_sleep\s*\(|\bbenchmark\s*\(\s*\d|\b(?:extractvalue|updatexml)\s*\(|\butl_(?:inaddr|http)\.";
    // A quote that is closed, and the rest of the statement that is cut off.
    let cut = r"^[\w@.-]*\\?'[)\s]*(?:#|--|/\*)";
    pattern(&format!(
        r"(?i-u);\s*(?:{second})|\(\s*{within}|{functions}|{cut}"
    ))
});

/// A number with a comparison joined to it: `1 or 1=1`, not `1<2 and 3>2`, nor `1 or 2`.
static JOINED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i-u)^\s*[-\w.]+\)*\s*(?:\b(?:or|and|xor)\b|\|\||&&).*(?:[=<>(]|\b(?:like|in|is|between|rlike)\b)",
    )
});

/// Functions that make a call by itself an attack where more than the call stands there.
static CALLS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i-u)\b(?:sleep|benchmark|pg_sleep|load_file)\s*\([^)]*\)\s*(?:#|--|/\*|and\b|or\b|;)",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant of the program, which the tests compile")
}

/// Compiles what the first suspicious request would otherwise wait for.
pub(super) fn prepare() {
    for pattern in [&STATEMENT, &JOINED, &CALLS] {
        LazyLock::force(pattern);
    }
}

/// What says that this decoded value is SQL.
pub(super) fn rule(text: &[u8]) -> Option<String> {
    if !is_worth_a_look(text) {
        return None;
    }
    if STATEMENT.is_match(text) {
        return Some("statement".to_owned());
    }
    // Its port indexes slices; a request must not fail for a signal.
    let fingerprint = catch_unwind(AssertUnwindSafe(|| fingerprint(text))).ok()??;
    let fingerprint = fingerprint.as_str();
    holds(fingerprint, text).then(|| fingerprint.to_owned())
}

/// What libinjection takes for SQL. Its own `detect_sqli` reads a value a second time to tell
/// the sequence of one that is none.
fn fingerprint(text: &[u8]) -> Option<Fingerprint> {
    let mut state = SqliState::new(text, SqliFlags::FLAG_NONE);
    state.detect().then(|| Fingerprint::new(state.fingerprint))
}

/// Words alone are SQL only where they begin with a number or a statement, or join one.
fn is_worth_a_look(text: &[u8]) -> bool {
    let is_word =
        |byte: &u8| super::decode::PLAIN[usize::from(*byte)] || *byte == b' ' || *byte >= 0x80;
    let Some(first) = text.iter().find(|byte| **byte != b' ') else {
        return false;
    };
    if !text.iter().all(is_word) {
        return true;
    }
    let begins = first.is_ascii_digit()
        || matches!(first, b'-' | b'.' | b'@')
        || is_word_of(text.trim_ascii_start(), b"select");
    let joins = || text.windows(5).any(|word| is_word_of(word, b"union"));
    // A single word is no expression.
    text.contains(&b' ') && (begins || joins())
}

fn is_word_of(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Whether the sequence is one that ordinary texts do not have.
fn holds(fingerprint: &str, text: &[u8]) -> bool {
    match fingerprint {
        // Two quotes with something between: apostrophes, attributes of HTML.
        "sos" => text.len() <= 4,
        // `123--567890`, and `European Union select committee`.
        "1c" | "nUEn" => false,
        "1&1" => JOINED.is_match(text),
        _ if fingerprint.starts_with("f(") => {
            CALLS.is_match(text) || fingerprint.bytes().any(is_of_a_statement)
        }
        // A bare word is no value of SQL: prose, code and queries of other languages.
        _ if fingerprint.starts_with('n') => fingerprint.bytes().any(is_of_a_statement),
        // Arithmetic.
        _ => !fingerprint
            .bytes()
            .all(|kind| matches!(kind, b'1' | b'o' | b'(' | b')' | b',')),
    }
}

/// A select or another statement, a union, a grouping, a keyword, a string, a variable.
fn is_of_a_statement(kind: u8) -> bool {
    matches!(kind, b'E' | b'U' | b'T' | b'B' | b'k' | b's' | b'v' | b'X')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libinjection_takes_for_sql_and_is_none_passes() {
        for text in [
            "European Union select committee",
            "Rate is 0.02/min (EU) and 0.035/min (US)",
            "TEST 0001 - (09/07/2025)",
            "1<2 and 3>2",
            "(1+2)*3",
            "max(1,2)",
            "123--567890",
            "(cats OR dogs) AND pets",
            "unexpected token '<' in JSON",
        ] {
            assert_eq!(rule(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_libinjection_does_not_know_is_found_by_its_form() {
        for text in ["1;select * from users", "admin' #", "1 procedure analyse()"] {
            assert_eq!(
                rule(text.as_bytes()).as_deref(),
                Some("statement"),
                "{text}"
            );
        }
        let joined = rule(b"1 or 1=1");
        assert_eq!(joined.as_deref(), Some("1&1"));
    }
}
