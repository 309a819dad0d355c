//! The occurrences that a new one may be the same failure as.

use opentelemetry::{SpanId, TraceId};
use rusqlite::{Connection, Row, params};

use super::{Occurrence, StoreError, Told, source};
use crate::{
    issue::{Failure, Source, Sources},
    store::{ids, trace_of},
};

/// A trace may have thousands of errors; the newest are compared.
const COMPARED: i64 = 64;

/// What a row keeps of an occurrence for [`crate::issue::closest`].
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) issue: i64,
    /// Nanoseconds since 1970.
    pub(super) time: i64,
    pub(super) record: Option<Told>,
    pub(super) span: Option<Told>,
    source: u8,
    sources: u8,
    trace: Option<u128>,
    span_id: Option<i64>,
    event: Option<String>,
    kind: Option<String>,
    message: String,
    log_message: Option<String>,
}

const COLUMNS: &str = "id, issue, time, record, of_span, source, sources, trace, trace_high, \
    span, event, kind, message, log_message, record_time, span_time";

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let low: Option<i64> = row.get(7)?;
        let high: Option<i64> = row.get(8)?;
        Ok(Self {
            id: row.get(0)?,
            issue: row.get(1)?,
            time: row.get(2)?,
            record: told(row.get(3)?, row.get(14)?),
            span: told(row.get(4)?, row.get(15)?),
            source: row.get(5)?,
            sources: row.get(6)?,
            trace: low.map(|low| trace_of(low, high.unwrap_or(0))),
            span_id: row.get(9)?,
            event: row.get(10)?,
            kind: row.get(11)?,
            message: row.get(12)?,
            log_message: row.get(13)?,
        })
    }

    /// For the comparison with what such a one tells: its time is what tells one that came
    /// twice from another, and each who told has its own.
    pub(super) fn failure(&self, new: Source) -> Failure<'_> {
        let told = match new {
            Source::Span => self.span,
            Source::LogRecord => self.record,
            Source::Sentry => None,
        };
        let time = told.map_or(self.time, |told| told.time);
        Failure {
            source: source(self.source),
            sources: Sources(self.sources),
            time: time.unsigned_abs(),
            trace_id: self
                .trace
                .map(|trace| TraceId::from_bytes(trace.to_be_bytes())),
            span_id: self
                .span_id
                .map(|span| SpanId::from_bytes(span.to_be_bytes())),
            event_id: self.event.as_deref(),
            exception_type: self.kind.as_deref(),
            message: &self.message,
            log_message: self.log_message.as_deref(),
        }
    }
}

fn told(row: Option<i64>, time: Option<i64>) -> Option<Told> {
    Some(Told {
        row: row?,
        time: time?,
    })
}

/// Those of the same trace, and those with the same event id.
pub(super) fn same_trace_or_event(
    connection: &Connection,
    occurrence: &Occurrence,
) -> Result<Vec<Kept>, StoreError> {
    let mut kept = Vec::new();
    if let Some(trace) = occurrence.trace_id {
        let (low, high) = ids(u128::from_be_bytes(trace.to_bytes()));
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM occurrence WHERE trace = ?1 AND trace_high = ?2
             ORDER BY id DESC LIMIT ?3"
        ))?;
        for row in select.query_map(params![low, high, COMPARED], Kept::read)? {
            kept.push(row?);
        }
    }
    if let Some(event) = &occurrence.event_id {
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM occurrence WHERE event = ?1 LIMIT 2"
        ))?;
        for row in select.query_map([event], Kept::read)? {
            let row = row?;
            if kept.iter().all(|one| one.id != row.id) {
                kept.push(row);
            }
        }
    }
    Ok(kept)
}
