//! What a search line says: words, phrases in quotes, and `key=value` terms.

use std::time::Duration;

/// A part of an answer, and where the next part begins.
#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The row before which the next part begins; `None` where there is no more.
    pub(crate) next: Option<i64>,
    /// Time ran out before the part was full: there may be more, further back.
    pub(crate) unfinished: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            next: None,
            unfinished: false,
        }
    }
}

/// One condition on an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A search line, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Words and phrases, all of which must occur. A word that ends in `*` is a beginning.
    pub(crate) words: Vec<String>,
    pub(crate) terms: Vec<Term>,
}

/// Reads a search line. There is none that is wrong: what is no term is a word.
///
/// `payment failed user.id=ada "card refused" order.id="7 8"` are two words, a phrase and two
/// terms.
pub(crate) fn parse_query(line: &str) -> Query {
    let mut query = Query::default();
    for part in parts(line) {
        match part.split_once('=') {
            Some((key, value)) if !key.is_empty() && !key.contains(['"', ' ']) => {
                query.terms.push(Term {
                    key: key.into(),
                    value: value.replace('"', ""),
                });
            }
            _ => {
                let word = part.replace('"', "");
                if !word.trim().is_empty() {
                    query.words.push(word.trim().into());
                }
            }
        }
    }
    query
}

/// Splits at blanks that are not in quotes.
fn parts(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                if let Some(part) = parts.last_mut() {
                    part.push('"');
                }
            }
            blank if blank.is_whitespace() && !quoted => parts.push(String::new()),
            other => {
                if let Some(part) = parts.last_mut() {
                    part.push(other);
                }
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

impl Query {
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.terms.is_empty()
    }

    /// The words in the language of SQLite's full-text index; none where there are none.
    pub(super) fn full_text(&self) -> Option<String> {
        let phrases: Vec<String> = self
            .words
            .iter()
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .map(|word| match word.strip_suffix('*') {
                Some(start) => format!("\"{}\" *", start.replace('"', "")),
                None => format!("\"{}\"", word.replace('"', "")),
            })
            .collect();
        (!phrases.is_empty()).then(|| phrases.join(" AND "))
    }
}

/// Reads `250ms`, `1.5s`, `2m`, `1h`, `7d`; a number alone is of milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let seconds = match text[digits..].trim() {
        "ns" => number / 1e9,
        "us" | "µs" => number / 1e6,
        "" | "ms" => number / 1e3,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_phrases_and_terms() {
        let query = parse_query(r#"payment fail* user.id=ada "card refused" order.id="7 8""#);
        assert_eq!(query.words, ["payment", "fail*", "card refused"]);
        let terms: Vec<_> = query
            .terms
            .iter()
            .map(|term| (term.key.as_str(), term.value.as_str()))
            .collect();
        assert_eq!(terms, [("user.id", "ada"), ("order.id", "7 8")]);
        assert_eq!(
            query.full_text().as_deref(),
            Some(r#""payment" AND "fail" * AND "card refused""#)
        );
    }

    #[test]
    fn no_line_is_an_error_of_the_full_text_language() {
        for line in ["\"", "a\" OR b", "NEAR(", "*", "-", "x:y", "=", "=a", "()"] {
            let query = parse_query(line);
            if let Some(text) = query.full_text() {
                let connection = rusqlite::Connection::open_in_memory().unwrap();
                connection
                    .execute_batch("CREATE VIRTUAL TABLE t USING fts5(a)")
                    .unwrap();
                connection
                    .query_row("SELECT count(*) FROM t WHERE t MATCH ?1", [text], |row| {
                        row.get::<_, i64>(0)
                    })
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_duration_has_a_unit_or_is_of_milliseconds() {
        let milliseconds = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(milliseconds("250"), Some(250));
        assert_eq!(milliseconds("1.5s"), Some(1500));
        assert_eq!(milliseconds("2 m"), Some(120_000));
        assert_eq!(milliseconds("7d"), Some(604_800_000));
        assert_eq!(milliseconds("soon"), None);
        assert_eq!(milliseconds("9e99s"), None);
    }
}
