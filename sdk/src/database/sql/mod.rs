//! What may be told of a statement: its text without the values in it, and a summary of few
//! distinct values.
//!
//! Values are found by reading the text as the database's own lexer does, since a quote that
//! is taken for the wrong one turns everything inside out. Where that cannot be done for
//! certain, the text ends. A parser of the whole language would refuse what it does not
//! know, and is a hundred times the code.

#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod lexer;
mod roles;

use std::borrow::Cow;

use lexer::{Kind, Lexer};
use roles::{Role, Roles};

/// The longest text that is told, in bytes.
pub(super) const MAX_TEXT: usize = 4096;

/// The longest summary, by the conventions:
/// <https://opentelemetry.io/docs/specs/semconv/db/database-spans/#generating-a-summary-of-the-query>.
const MAX_SUMMARY: usize = 255;

/// What is read of a statement at most: an insert of megabytes has said what it is by then.
const MAX_READ: usize = 64 * 1024;

/// Stands for a value, by the conventions.
const VALUE: &str = "?";

/// Where a text was cut.
const CUT: char = '…';

/// Whose rules for quotes and comments a statement follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    PostgreSql,
    /// MariaDB's too.
    MySql,
    Sqlite,
}

/// What was read of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Operations and their targets as they were written, such as `SELECT users orders`;
    /// empty where there is no operation that is known.
    pub(super) summary: String,
    /// The first operation of the summary.
    pub(super) operation: String,
    /// The text with a `?` for each value.
    pub(super) text: String,
}

/// Reads a statement once, for all that is told of it.
pub(super) fn read(sql: &str, dialect: Dialect) -> Reading {
    // To some a NUL is the end, and to others it is not.
    let sound = sql.find('\0').map_or(sql, |end| &sql[..end]);
    let (head, whole) = shortened(sound, MAX_READ);
    let whole = whole && sound.len() == sql.len();
    let mut lexer = Lexer::new(head, dialect);
    let mut roles = Roles::default();
    let mut text = String::with_capacity(head.len().min(MAX_TEXT));
    let mut summary = Summary::default();
    let mut full = !whole;
    while let Some(token) = lexer.next() {
        let role = roles.step(&token);
        summary.add(role, token.text);
        let shown = match token.kind {
            Kind::Literal => VALUE,
            Kind::Doubtful if role != Role::Target && role != Role::TargetPart => VALUE,
            Kind::Word if is_truth_value(token.text) => VALUE,
            _ => token.text,
        };
        // Two minuses before a comment: with a space in its place they would begin one.
        if token.spaced && dialect == Dialect::MySql && text.ends_with("--") {
            full = true;
            break;
        }
        let space = usize::from(token.spaced && !text.is_empty());
        if text.len() + space + shown.len() > MAX_TEXT {
            full = true;
            break;
        }
        if space > 0 {
            text.push(' ');
        }
        text.push_str(shown);
    }
    if full || lexer.was_cut() {
        text.push(CUT);
    }
    Reading {
        summary: summary.text,
        operation: summary.operation,
        text,
    }
}

/// A statement's text as it stands, no longer than [`MAX_TEXT`].
pub(super) fn bounded(sql: &str) -> Cow<'_, str> {
    match shortened(sql, MAX_TEXT) {
        (whole, true) => Cow::Borrowed(whole),
        (head, false) => Cow::Owned(format!("{head}{CUT}")),
    }
}

/// The head of a text, and whether it is all of it.
fn shortened(text: &str, longest: usize) -> (&str, bool) {
    if text.len() <= longest {
        return (text, true);
    }
    let end = (0..=longest)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    (&text[..end], false)
}

fn is_truth_value(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

/// Operations and targets in their order. A part that has no room ends it: half a name would
/// be another table's.
#[derive(Default)]
struct Summary {
    text: String,
    operation: String,
    /// Where the last target begins, with the space before it.
    target: usize,
    full: bool,
}

impl Summary {
    fn add(&mut self, role: Role, part: &str) {
        if self.full {
            return;
        }
        match role {
            Role::Other => {}
            Role::Operation => {
                if self.operation.is_empty() {
                    part.clone_into(&mut self.operation);
                }
                self.push(' ', part, self.text.len());
            }
            Role::Target => {
                self.target = self.text.len();
                self.push(' ', part, self.target);
            }
            Role::TargetPart => self.push('.', part, self.target),
        }
    }

    /// Where there is no room, all from `start` on is taken back.
    fn push(&mut self, before: char, part: &str, start: usize) {
        if self.text.len() + 1 + part.len() > MAX_SUMMARY {
            self.text.truncate(start);
            self.full = true;
            return;
        }
        if !self.text.is_empty() {
            self.text.push(before);
        }
        self.text.push_str(part);
    }
}

#[cfg(test)]
mod tests;
