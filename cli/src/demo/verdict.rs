//! Whether what arrived is what the shop's customers did, and whether it is correlated.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result};
use owo_colors::OwoColorize;
use rusqlite::{Connection, params};
use serde::Deserialize;

use crate::store::{Reader, StoreError};

/// The services that each signal has to come from.
const SERVICES: [&str; 3] = ["storefront", "payments", "worker"];

/// What the load says that it did.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Made {
    requests: u64,
    unanswered: u64,
    logins: Logins,
    checkouts: Checkouts,
    panics: u64,
    #[serde(default)]
    attacks: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Logins {
    failed: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Checkouts {
    completed: u64,
}

impl Made {
    /// Finds the summary among the last lines of the load.
    pub(super) fn read(lines: &[String]) -> Result<Self> {
        lines
            .iter()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
            .with_context(|| {
                format!(
                    "the load ended without its summary; the last that it printed:\n  {}",
                    lines.join("\n  ")
                )
            })
    }
}

#[derive(Debug)]
pub(super) struct Verdict {
    summary: String,
    problems: Vec<String>,
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{} {problem}", "✗".red().bold())?;
        }
        if self.is_good() {
            writeln!(f, "{} {}", "✓".green().bold(), self.summary)
        } else {
            writeln!(f, "{} {}", "✗".red().bold(), self.summary)
        }
    }
}

/// Compares what is stored since `begun` (nanoseconds since 1970) with what was made.
pub(super) fn judge(reader: &Reader, made: &Made, begun: i64) -> Result<Verdict, StoreError> {
    let connection = reader.connection();
    let mut problems = Vec::new();
    for service in SERVICES {
        for (what, sql) in [
            (
                "spans",
                "SELECT count(*) FROM span WHERE service = ?1 AND start >= ?2",
            ),
            (
                "log records",
                "SELECT count(*) FROM record WHERE service = ?1 AND time >= ?2",
            ),
            (
                "metrics",
                "SELECT count(*) FROM point JOIN series ON series.id = point.series
                 WHERE series.service = ?1 AND point.time >= ?2",
            ),
        ] {
            if of_service(reader, sql, service, begun)? == 0 {
                problems.push(format!("no {what} of {service} arrived"));
            }
        }
    }

    let answered = made.requests - made.unanswered;
    let server_spans = of_service(
        reader,
        "SELECT count(*) FROM span WHERE service = ?1 AND kind = 2 AND start >= ?2",
        "storefront",
        begun,
    )?;
    if server_spans < answered {
        problems.push(format!(
            "{answered} requests were answered, and spans of {server_spans} arrived"
        ));
    }
    for (event, expected) in [
        ("auth.login.failed", made.logins.failed),
        ("checkout.completed", made.checkouts.completed),
    ] {
        let arrived = of_event(reader, event, begun)?;
        if arrived != expected {
            problems.push(format!(
                "{expected} records of {event} are to be here, and {arrived} are"
            ));
        }
    }
    let errors: u64 = count(
        connection,
        "SELECT count(*) FROM occurrence WHERE time >= ?1",
        begun,
    )?;
    if errors < made.panics {
        problems.push(format!(
            "the shop panicked {} times, and {errors} errors arrived",
            made.panics
        ));
    }
    let strays = count(
        connection,
        "SELECT count(*) FROM record WHERE time >= ?1 AND trace IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM span WHERE span.trace = record.trace)",
        begun,
    )?;
    if strays > 0 {
        problems.push(format!(
            "{strays} log records name a trace that did not arrive"
        ));
    }

    let spans = count(
        connection,
        "SELECT count(*) FROM span WHERE start >= ?1",
        begun,
    )?;
    let traces = count(
        connection,
        "SELECT count(DISTINCT trace) FROM span WHERE start >= ?1",
        begun,
    )?;
    let records = count(
        connection,
        "SELECT count(*) FROM record WHERE time >= ?1",
        begun,
    )?;
    let series = count(
        connection,
        "SELECT count(DISTINCT series) FROM point WHERE time >= ?1",
        begun,
    )?;
    Ok(Verdict {
        summary: format!(
            "{} requests, {} of them attacks, gave {traces} traces with {spans} spans, {records} \
             log records, {series} metric series and {errors} errors",
            made.requests,
            made.attacks.values().sum::<u64>(),
        ),
        problems,
    })
}

fn of_service(reader: &Reader, sql: &str, service: &str, begun: i64) -> Result<u64, StoreError> {
    let Some(id) = reader.id_of(service)? else {
        return Ok(0);
    };
    let count: i64 = reader
        .connection()
        .query_row(sql, params![id, begun], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn of_event(reader: &Reader, event: &str, begun: i64) -> Result<u64, StoreError> {
    of_service(
        reader,
        "SELECT count(*) FROM record WHERE event = ?1 AND time >= ?2",
        event,
        begun,
    )
}

fn count(connection: &Connection, sql: &str, begun: i64) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row(sql, [begun], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
