//! What else is known of a record, a request, a user or an address.

use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};

use super::{Query, Reader, RecordFilter, SpanFilter, Term};
use crate::issue::Fingerprint;
use crate::store::{SLICE_SECONDS, StoreError, ids, token, trace_of};

/// How long one search may look through what has no index.
const PATIENCE: Duration = Duration::from_millis(100);

impl Reader {
    /// The errors, by their group and its title, that a record is one of, or that happened in its
    /// trace.
    pub(crate) fn issues_beside(
        &self,
        record: i64,
        time: u64,
        trace: Option<u128>,
    ) -> Result<Vec<(Fingerprint, String)>, StoreError> {
        let (low, high) = trace.map_or((None, None), |trace| {
            let (low, high) = ids(trace);
            (Some(low), Some(high))
        });
        let mut select = self.connection.prepare_cached(
            "SELECT issue.fingerprint, issue.title FROM issue WHERE issue.id IN (
                SELECT issue FROM occurrence WHERE time = ?1 AND record = ?2
                UNION SELECT issue FROM occurrence WHERE trace = ?3 AND trace_high = ?4
            ) LIMIT 20",
        )?;
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        let found = select
            .query_map(params![time, record, low, high], |row| {
                Ok((
                    Fingerprint(row.get::<_, i64>(0)?.cast_unsigned()),
                    row.get(1)?,
                ))
            })?
            .collect::<Result<_, _>>()?;
        Ok(found)
    }
}

/// When a service was heard of last, in nanoseconds since 1970; 0 is not within the time that was
/// looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastSeen {
    pub(crate) service: String,
    pub(crate) spans: u64,
    pub(crate) records: u64,
    pub(crate) points: u64,
}

impl LastSeen {
    pub(crate) fn any(&self) -> u64 {
        self.spans.max(self.records).max(self.points)
    }
}

/// How the store keeps up with what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// When the newest was received, and when the latest of it happened; nanoseconds since 1970.
    pub(crate) received: Option<u64>,
    pub(crate) happened: u64,
    /// Spans and records that are stored and not yet in the counts.
    pub(crate) uncounted: u64,
}

/// An error of a user: its group, its title, how often, and when last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserIssue {
    pub(crate) issue: Fingerprint,
    pub(crate) title: String,
    pub(crate) count: u64,
    pub(crate) last: u64,
}

impl Reader {
    /// The errors that happened to a user since then.
    pub(crate) fn issues_of_user(
        &self,
        user: &str,
        since: i64,
    ) -> Result<Vec<UserIssue>, StoreError> {
        // The newest of them, so that no number of errors makes this long.
        let mut select = self.connection.prepare_cached(
            "SELECT issue.fingerprint, issue.title, count(*), max(recent.time) FROM (
                SELECT issue, time, user FROM occurrence WHERE time >= ?2
                ORDER BY time DESC LIMIT 20000
             ) AS recent JOIN issue ON issue.id = recent.issue
             WHERE recent.user = ?1 GROUP BY issue.id ORDER BY 4 DESC LIMIT 50",
        )?;
        let found = select
            .query_map(params![user, since], |row| {
                Ok(UserIssue {
                    issue: Fingerprint(row.get::<_, i64>(0)?.cast_unsigned()),
                    title: row.get(1)?,
                    count: row.get::<_, i64>(2)?.unsigned_abs(),
                    last: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// When each service was heard of last; of spans, if that was after `since`.
    pub(crate) fn last_seen(&self, since: i64) -> Result<Vec<LastSeen>, StoreError> {
        let spans = self.last_requests(since)?;
        let mut record = self.connection.prepare_cached(
            "SELECT time FROM record WHERE service = ?1 ORDER BY id DESC LIMIT 1",
        )?;
        // A service sends all of its metrics at once, so that a few of them are enough.
        let mut point = self.connection.prepare_cached(
            "SELECT max((SELECT max(time) FROM point WHERE point.series = some.id))
             FROM (SELECT id FROM series WHERE service = ?1 ORDER BY id DESC LIMIT 20) AS some",
        )?;
        let mut found = Vec::new();
        for service in self.services()? {
            let Some(id) = self.id_of(&service)? else {
                continue;
            };
            let record: Option<i64> = record.query_row([id], |row| row.get(0)).optional()?;
            let point: Option<i64> = point.query_row([id], |row| row.get(0))?;
            let span = spans.get(&id).map_or(0, |slice| {
                // A slice is known by its beginning, and it may still go on.
                let end = (slice + 1) * SLICE_SECONDS * 1_000_000_000;
                end.min(crate::store::now()).unsigned_abs()
            });
            found.push(LastSeen {
                service: service.to_string(),
                spans: span,
                records: record.unwrap_or(0).unsigned_abs(),
                points: point.unwrap_or(0).unsigned_abs(),
            });
        }
        Ok(found)
    }

    /// How the store keeps up.
    pub(crate) fn lag(&self) -> Result<Lag, StoreError> {
        let newest: Option<(i64, i64)> = self
            .connection
            .query_row(
                "SELECT received, latest FROM chunk ORDER BY id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let uncounted: i64 = self.connection.query_row(
            "SELECT coalesce((SELECT max(id) FROM span), 0)
                - coalesce((SELECT value FROM fact WHERE name = 'counted_spans'), 0)
                + coalesce((SELECT max(id) FROM record), 0)
                - coalesce((SELECT value FROM fact WHERE name = 'counted_records'), 0)",
            [],
            |row| row.get(0),
        )?;
        Ok(Lag {
            received: newest.map(|(received, _)| received.unsigned_abs()),
            happened: newest.map_or(0, |(_, happened)| happened.unsigned_abs()),
            uncounted: u64::try_from(uncounted).unwrap_or(0),
        })
    }

    /// The trace of a span, if it is among the newest two million: spans are indexed by their
    /// traces, and not by themselves.
    pub(crate) fn trace_of_span(&self, span: u64) -> Result<Option<u128>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT trace, trace_high FROM span WHERE span = ?1
                    AND id > (SELECT coalesce(max(id), 0) FROM span) - 2000000
                 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([span.cast_signed()], |row| {
                Ok(trace_of(row.get(0)?, row.get(1)?))
            })
            .optional()?)
    }

    /// Which of these attributes has a value anywhere, told by the newest that has one. Looks for as
    /// long as a search may.
    pub(crate) fn key_of<'a>(
        &self,
        keys: &[&'a str],
        value: &str,
    ) -> Result<Option<&'a str>, StoreError> {
        let began = Instant::now();
        let tokens: Vec<u32> = keys.iter().map(|key| token::pair(key, value)).collect();
        let mut chunks = self
            .connection
            .prepare_cached("SELECT signal, last, tokens FROM chunk ORDER BY id DESC")?;
        let mut rows = chunks.query([])?;
        while let Some(chunk) = rows.next()? {
            if began.elapsed() > PATIENCE {
                return Ok(None);
            }
            let Some(known) = chunk.get_ref(2)?.as_blob_or_null()? else {
                continue;
            };
            for (key, token) in keys.iter().zip(&tokens) {
                if !token::may_contain(known, &[*token]) {
                    continue;
                }
                // What a hash says may be another's.
                let before = Some(chunk.get::<_, i64>(1)? + 1);
                let query = Query {
                    words: Vec::new(),
                    terms: vec![Term {
                        key: (*key).to_owned(),
                        value: value.to_owned(),
                    }],
                };
                let found = if chunk.get::<_, i64>(0)? == 1 {
                    let filter = SpanFilter {
                        query,
                        ..SpanFilter::default()
                    };
                    !self.spans(&filter, before, 1)?.items.is_empty()
                } else {
                    let filter = RecordFilter {
                        query,
                        ..RecordFilter::default()
                    };
                    !self.records(&filter, before, 1)?.items.is_empty()
                };
                if found {
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    /// The newest value of a series that is a number, and when it was.
    pub(crate) fn last_number(&self, series: i64) -> Result<Option<(u64, f64)>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT time, value FROM point WHERE series = ?1 AND value IS NOT NULL
                 ORDER BY time DESC LIMIT 1",
            )?
            .query_row([series], |row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
            })
            .optional()?)
    }

    /// All values of a series of numbers together: what a counter of differences counted.
    pub(crate) fn sum_of(&self, series: i64) -> Result<f64, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT coalesce(sum(value), 0.0) FROM point WHERE series = ?1")?
            .query_row([series], |row| row.get(0))?)
    }
}
