//! Traces: in lists, and whole.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use opentelemetry_proto::tonic::{logs::v1::LogRecord, trace::v1::Span};
use rusqlite::{params, params_from_iter, types::Value};

use super::{
    Page, Reader, SpanFilter, SpanRow, Status, Stored,
    chunks::PATIENCE,
    rows::AMONG,
    span::{COLUMNS, Conditions},
};
use crate::store::{StoreError, chunk::Kind, ids};

/// A trace of more spans than this is shown in part.
const SPANS: i64 = 10_000;

/// So many spans are looked at when a part of them has come, whatever the time.
const AT_LEAST: usize = 20;

/// A trace in one line.
#[derive(Clone, Debug)]
pub(crate) struct TraceSummary {
    pub(crate) trace: u128,
    /// The first span without a parent, else the earliest.
    pub(crate) root: SpanRow,
    /// Nanoseconds since 1970, of the earliest span.
    pub(crate) start: u64,
    /// From the earliest start to the latest end.
    pub(crate) duration: u64,
    pub(crate) spans: usize,
    pub(crate) errors: usize,
    /// Each with its number of spans, the busiest first.
    pub(crate) services: Vec<(Arc<str>, usize)>,
}

/// All of a trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// By their start.
    pub(crate) spans: Vec<Stored<Span>>,
    /// By their time.
    pub(crate) records: Vec<Stored<LogRecord>>,
    /// Spans that there are and that are not here, as there are too many.
    pub(crate) left_out: usize,
}

impl Reader {
    /// Traces that have a span that fits, the newest first. A trace is in error if any of its
    /// spans is, whichever span fits the rest.
    pub(crate) fn traces(
        &self,
        filter: &SpanFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<TraceSummary>, StoreError> {
        let began = Instant::now();
        if filter.status == Some(Status::Error) && filter.route.is_some() && filter.query.is_empty()
        {
            return self.failed_traces(filter, before, limit);
        }
        let mut traces = Page::default();
        let mut seen = HashSet::new();
        let mut before = before;
        // The index of failed spans finds those of a service at once; by the name of another span
        // than the one that failed, and without a failure, traces have to be looked at.
        let (of_spans, failed) = match filter.status {
            Some(Status::Error) if filter.route.is_none() => (filter.clone(), None),
            status => {
                let of_spans = SpanFilter {
                    status: None,
                    ..filter.clone()
                };
                (of_spans, status.map(|status| status == Status::Error))
            }
        };
        loop {
            let spans = self.spans(&of_spans, before, limit.max(100))?;
            before = spans.next;
            traces.unfinished = spans.unfinished;
            for (position, span) in spans.items.iter().enumerate() {
                if !seen.insert(span.trace) {
                    continue;
                }
                // Some of each part are looked at however long that took, so that it comes to an end.
                if position >= AT_LEAST && began.elapsed() > PATIENCE {
                    // With this one it goes on.
                    traces.next = Some(span.id + 1);
                    traces.unfinished = true;
                    return Ok(traces);
                }
                let summary = self.summary(span)?;
                if failed.is_some_and(|failed| failed != (summary.errors > 0)) {
                    continue;
                }
                traces.items.push(summary);
                if traces.items.len() == limit {
                    let rest = position + 1 < spans.items.len() || before.is_some();
                    traces.next = rest.then_some(span.id);
                    return Ok(traces);
                }
            }
            traces.next = before;
            if before.is_none() || spans.unfinished {
                return Ok(traces);
            }
        }
    }

    /// Traces that have a failed span and one that fits the rest, by the index of failed spans:
    /// those are few beside all that fit the rest.
    fn failed_traces(
        &self,
        filter: &SpanFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<TraceSummary>, StoreError> {
        let began = Instant::now();
        let rest = SpanFilter {
            status: None,
            ..filter.clone()
        };
        let Some(Conditions { sql, values, .. }) = self.span_conditions(&rest)? else {
            return Ok(Page::default());
        };
        let first = match filter.since {
            Some(since) => self.first_since(1, since)?.unwrap_or(i64::MAX),
            None => 0,
        };
        let mut fits = self.connection.prepare_cached(&format!(
            "SELECT 1 FROM span WHERE {AMONG} AND trace = ? AND trace_high = ? AND {sql} LIMIT 1"
        ))?;
        let mut failed = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM span WHERE status = 2 AND id < ?1 AND id >= ?2 ORDER BY id DESC"
        ))?;
        let mut rows = failed.query([before.unwrap_or(i64::MAX), first])?;
        let mut traces = Page::default();
        let mut seen = HashSet::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            let span = self.span_row(row)?;
            if !seen.insert(span.trace) {
                continue;
            }
            let full = traces.items.len() == limit;
            if full || began.elapsed() > PATIENCE {
                traces.next = last;
                traces.unfinished = !full;
                return Ok(traces);
            }
            last = Some(span.id);
            let (low, high) = ids(span.trace);
            let of_trace = self.rows_of_trace(Kind::Spans, span.trace)?;
            let mut bound = vec![
                Value::Text(of_trace),
                Value::Integer(low),
                Value::Integer(high),
            ];
            bound.extend_from_slice(&values);
            if fits.exists(params_from_iter(bound))? {
                traces.items.push(self.summary(&span)?);
            }
        }
        Ok(traces)
    }

    fn summary(&self, of: &SpanRow) -> Result<TraceSummary, StoreError> {
        let rows = self.trace_rows(of.trace, SPANS)?;
        let mut services: HashMap<Arc<str>, usize> = HashMap::new();
        let mut end = 0;
        let mut errors = 0;
        for row in &rows {
            *services.entry(Arc::clone(&row.service)).or_default() += 1;
            end = end.max(row.start.saturating_add(row.duration));
            errors += usize::from(row.error);
        }
        let root = rows
            .iter()
            .find(|row| row.parent.is_none())
            .or(rows.first())
            .unwrap_or(of)
            .clone();
        let start = rows.first().map_or(of.start, |row| row.start);
        let mut services: Vec<_> = services.into_iter().collect();
        services.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
        Ok(TraceSummary {
            trace: of.trace,
            root,
            start,
            duration: end.saturating_sub(start),
            spans: rows.len(),
            errors,
            services,
        })
    }

    /// The rows of a trace by their start.
    pub(crate) fn trace_rows(&self, trace: u128, limit: i64) -> Result<Vec<SpanRow>, StoreError> {
        let (low, high) = ids(trace);
        let of_trace = self.rows_of_trace(Kind::Spans, trace)?;
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM span WHERE {AMONG} AND trace = ? AND trace_high = ?
             ORDER BY start, id LIMIT ?"
        ))?;
        let mut rows = select.query(params![of_trace, low, high, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.span_row(row)?);
        }
        Ok(found)
    }

    /// A trace with its records. Empty where nothing of it is stored.
    pub(crate) fn trace(&self, trace: u128) -> Result<Trace, StoreError> {
        let rows = self.trace_rows(trace, SPANS)?;
        let mut left_out = 0;
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) == SPANS {
            let (low, high) = ids(trace);
            let all: i64 = self.connection.query_row(
                &format!(
                    "SELECT count(*) FROM span WHERE {AMONG} AND trace = ? AND trace_high = ?"
                ),
                params![self.rows_of_trace(Kind::Spans, trace)?, low, high],
                |row| row.get(0),
            )?;
            left_out = usize::try_from(all).unwrap_or_default() - rows.len();
        }
        Ok(Trace {
            spans: self.decode_spans(&rows)?,
            records: self.records_of_trace(trace)?,
            left_out,
        })
    }
}
