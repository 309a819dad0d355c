//! The variables of the compose file: set by the environment, else by a file `.env` beside
//! it, else by their defaults.

use std::collections::BTreeSet;
use std::fs;

use crate::workspace;

/// The value of a variable where someone set one.
pub(super) fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().or_else(|| {
        let text = fs::read_to_string(workspace::root().join(".env")).ok()?;
        value_in(&text, name)
    })
}

/// Every variable that a compose file's text refers to, as `${NAME}` or `${NAME:-default}`.
pub(super) fn names(compose: &str) -> BTreeSet<&str> {
    compose
        .split("${")
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            Some(&rest[..end])
        })
        // `$${1…}` is the shell's own, escaped.
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect()
}

/// The value of a variable in the text of a `.env`; the last line counts, as for compose.
fn value_in(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("export ").split_once('='))
        .filter(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_variable_counts_and_comments_do_not() {
        let text = "# LOKI_PORT=1\nLOKI_PORT=2\nexport LOKI_PORT=\"3\"\nLOKI_PORTS=4\n";
        assert_eq!(value_in(text, "LOKI_PORT").as_deref(), Some("3"));
        assert_eq!(value_in(text, "JAEGER_PORT"), None);
    }

    #[test]
    fn variables_are_found_and_escaped_ones_are_not() {
        let text = "a: ${LOKI_PORT:-3100}:3100\nb: ${KEY}\nc: \"$$NOT_OURS $${1#*:}\"\n";
        assert_eq!(names(text), BTreeSet::from(["KEY", "LOKI_PORT"]));
    }
}
