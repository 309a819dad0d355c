//! What is known of a statement, worked out at its first use and kept.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashMap;

use super::measured::Duration;
use super::sql;
use super::target::Target;

/// Statements that are known at a time. A service has some dozens; who makes them of values
/// has any number.
const MAX_KNOWN: usize = 256;

/// Longer ones are read at each use.
const MAX_KEPT: usize = 4096;

/// Different summaries of one database. What a program makes names of is not of low
/// cardinality any more; from here on a summary is the operation alone.
const MAX_SUMMARIES: usize = 256;

/// A statement as spans, metrics and records tell it.
#[derive(Debug)]
pub(super) struct Statement {
    /// `db.query.summary`; empty where nothing can be said.
    pub(super) summary: Box<str>,
    /// `db.query.text`, where it may be told.
    pub(super) text: Option<Box<str>>,
    /// `db.operation.name`, where it was not read out of the text.
    pub(super) operation: Option<&'static str>,
    /// How long it took each time.
    pub(super) duration: Duration,
}

impl Statement {
    /// An operation that SQLx has a call for.
    pub(super) fn operation(name: &'static str, target: &Target) -> Self {
        Self {
            summary: name.into(),
            text: None,
            operation: Some(name),
            duration: Duration::new(target, name, Some(name)),
        }
    }

    /// The span's name: <https://opentelemetry.io/docs/specs/semconv/db/database-spans/#name>.
    pub(super) fn name<'a>(&'a self, target: &'a Target) -> &'a str {
        if self.summary.is_empty() {
            &target.system
        } else {
            &self.summary
        }
    }
}

/// The statements of one database.
#[derive(Default)]
pub(super) struct Statements {
    /// Those without parameters and those with.
    known: [RwLock<HashMap<Box<str>, Arc<Statement>>>; 2],
    summaries: Mutex<HashSet<Box<str>>>,
}

impl Statements {
    /// `parameterised`: the values are bound and not in the text, so that it may be told as
    /// it stands.
    pub(super) fn get(&self, sql: &str, parameterised: bool, target: &Target) -> Arc<Statement> {
        let known = &self.known[usize::from(parameterised)];
        let found = known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        found.unwrap_or_else(|| {
            let statement = Arc::new(self.read(sql, parameterised, target));
            if sql.len() <= MAX_KEPT {
                let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                // What is used again is soon known again.
                if known.len() == MAX_KNOWN {
                    known.clear();
                }
                known.insert(sql.into(), Arc::clone(&statement));
            }
            statement
        })
    }

    fn read(&self, sql: &str, parameterised: bool, target: &Target) -> Statement {
        // By other rules the text might be read wrongly, and a value be told.
        let reading = target.dialect.map(|dialect| sql::read(sql, dialect));
        let summary = reading
            .as_ref()
            .map_or_else(String::new, |reading| self.bounded(reading));
        let text = if parameterised {
            Some(sql::bounded(sql).into())
        } else {
            reading.map(|reading| reading.text.into())
        };
        Statement {
            duration: Duration::new(target, &summary, None),
            summary: summary.into(),
            text,
            operation: None,
        }
    }

    fn bounded(&self, reading: &sql::Reading) -> String {
        let mut summaries = self
            .summaries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let room = summaries.len() < MAX_SUMMARIES;
        if summaries.contains(&*reading.summary) {
            reading.summary.clone()
        } else if room {
            summaries.insert(reading.summary.as_str().into());
            reading.summary.clone()
        } else {
            reading.operation.clone()
        }
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").finish_non_exhaustive()
    }
}

/// For the tests of other files.
#[cfg(test)]
pub(super) fn sample(summary: &'static str) -> Arc<Statement> {
    let target = Target::of("SQLite", "");
    Arc::new(Statement::operation(summary, &target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_once_and_its_text_is_whole_where_the_values_are_bound() {
        let target = Target::of("PostgreSQL", "");
        let sql = "SELECT * FROM users WHERE name = 'ada' AND id = $1";
        let statements = Statements::default();
        let raw = statements.get(sql, false, &target);
        let bound = statements.get(sql, true, &target);
        assert_eq!(&*raw.summary, "SELECT users");
        assert_eq!(
            raw.text.as_deref(),
            Some("SELECT * FROM users WHERE name = ? AND id = $1")
        );
        assert_eq!(bound.text.as_deref(), Some(sql));
        assert!(Arc::ptr_eq(&raw, &statements.get(sql, false, &target)));
    }

    #[test]
    fn names_without_end_are_no_summaries_without_end() {
        let target = Target::of("SQLite", "");
        let statements = Statements::default();
        let summaries: HashSet<Box<str>> = (0..10_000)
            .map(|number| format!("SELECT * FROM t_{number}"))
            .map(|sql| statements.get(&sql, false, &target).summary.clone())
            .collect();
        assert_eq!(summaries.len(), MAX_SUMMARIES + 1);
        assert!(summaries.contains("SELECT"));
        let known = statements.known[0].read().unwrap();
        assert!(known.len() <= MAX_KNOWN, "{}", known.len());
    }

    #[test]
    fn the_text_of_an_unknown_system_is_told_only_where_the_values_are_bound() {
        let target = Target::of("Quelle", "");
        let statements = Statements::default();
        let sql = "SELECT 'secret'";
        assert_eq!(statements.get(sql, false, &target).text, None);
        assert_eq!(statements.get(sql, false, &target).name(&target), "quelle");
        assert_eq!(
            statements.get(sql, true, &target).text.as_deref(),
            Some(sql)
        );
    }
}
