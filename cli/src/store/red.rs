//! Requests by endpoint and records by stream, counted as they come, in slices of ten seconds.
//!
//! The overview asks for rates and percentiles over a million spans; it reads some hundred
//! rows of these. They are written about once a second, with the last span and record that
//! they have counted; what came after that when a process was killed is counted at the next start.

use std::collections::{HashMap, hash_map::Entry};

use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, durations::Durations};

/// The length of a slice.
pub(crate) const SLICE_SECONDS: i64 = 10;
const SLICE: u64 = 10_000_000_000;

/// Slices that are open in memory; the oldest are left to the database.
const OPEN: usize = 20_000;

/// A request's endpoint in one slice.
type Endpoint = (i64, i64, i64, i64);
/// Slice, service, stream (0 for none), event (0 for none) and level.
type Volume = (i64, i64, i64, i64, i64);

#[derive(Debug, Default)]
struct Requests {
    count: i64,
    errors: i64,
    total: i64,
    durations: Durations,
    changed: bool,
}

/// What is counted and not yet written.
#[derive(Debug, Default)]
pub(super) struct Red {
    requests: HashMap<Endpoint, Requests>,
    volume: HashMap<Volume, i64>,
    spans: i64,
    records: i64,
}

/// The slice that a time in nanoseconds lies in.
pub(crate) fn slice(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / SLICE).unwrap_or(i64::MAX)
}

/// Whether a span answers a request of somebody else: the RED numbers are about these.
pub(super) const fn is_entry(kind: i32, parent: bool) -> bool {
    matches!(kind, 2 | 5) || !parent
}

/// One span as it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) row: i64,
    pub(super) start: u64,
    pub(super) duration: u64,
    pub(super) service: i64,
    pub(super) name: i64,
    pub(super) kind: i32,
    pub(super) error: bool,
}

impl Red {
    pub(super) fn span(&mut self, connection: &Connection, span: &Span) -> Result<(), StoreError> {
        self.spans = self.spans.max(span.row);
        // By its end, when it counts for whoever watches.
        let slice = slice(span.start.saturating_add(span.duration));
        let key = (slice, span.service, span.name, i64::from(span.kind));
        let requests = match self.requests.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(read(connection, &key)?),
        };
        requests.count += 1;
        requests.errors += i64::from(span.error);
        requests.total = requests
            .total
            .saturating_add(super::chunk::time(span.duration));
        requests.durations.add(span.duration);
        requests.changed = true;
        Ok(())
    }

    /// A span that is not counted is still seen.
    pub(super) fn seen_span(&mut self, row: i64) {
        self.spans = self.spans.max(row);
    }

    pub(super) fn record(
        &mut self,
        row: i64,
        time: u64,
        service: i64,
        (stream, event): (i64, i64),
        severity: i32,
    ) {
        self.records = self.records.max(row);
        let key = (slice(time), service, stream, event, level(severity));
        *self.volume.entry(key).or_default() += 1;
    }

    /// Writes what has changed, in the transaction that is open.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut replace = connection.prepare_cached(
            "INSERT OR REPLACE INTO red (slice, service, name, kind, count, errors, total, durations)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for (key, requests) in &mut self.requests {
            if std::mem::take(&mut requests.changed) {
                replace.execute(params![
                    key.0,
                    key.1,
                    key.2,
                    key.3,
                    requests.count,
                    requests.errors,
                    requests.total,
                    requests.durations.pack()
                ])?;
            }
        }
        let mut add = connection.prepare_cached(
            "INSERT INTO volume (slice, service, stream, event, level, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for (key, count) in self.volume.drain() {
            add.execute(params![key.0, key.1, key.2, key.3, key.4, count])?;
        }
        let mut fact = connection
            .prepare_cached("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")?;
        fact.execute(params!["counted_spans", self.spans])?;
        fact.execute(params!["counted_records", self.records])?;
        if self.requests.len() > OPEN {
            self.requests.clear();
        } else if let Some(newest) = self.requests.keys().map(|key| key.0).max() {
            // Late ones are read again.
            self.requests.retain(|key, _| key.0 + 3 >= newest);
        }
        Ok(())
    }

    /// Forgets what is not written, as a transaction was rolled back, or at the start: then
    /// counts what was stored and not yet counted.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), StoreError> {
        *self = Self::default();
        let counted = |name: &str| -> Result<i64, StoreError> {
            Ok(connection
                .prepare_cached("SELECT value FROM fact WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?
                .unwrap_or(0))
        };
        self.spans = counted("counted_spans")?;
        self.records = counted("counted_records")?;
        let mut spans = connection.prepare(
            "SELECT id, start, duration, service, name, kind, status, parent IS NOT NULL
             FROM span WHERE id > ?1",
        )?;
        let mut rows = spans.query([self.spans])?;
        while let Some(row) = rows.next()? {
            let span = Span {
                row: row.get(0)?,
                start: row.get::<_, i64>(1)?.unsigned_abs(),
                duration: row.get::<_, i64>(2)?.unsigned_abs(),
                service: row.get(3)?,
                name: row.get(4)?,
                kind: row.get(5)?,
                error: row.get::<_, i64>(6)? == 2,
            };
            if is_entry(span.kind, row.get(7)?) {
                self.span(connection, &span)?;
            } else {
                self.seen_span(span.row);
            }
        }
        let mut records = connection.prepare(
            "SELECT id, time, service, coalesce(stream, 0), coalesce(event, 0), severity
             FROM record WHERE id > ?1",
        )?;
        let mut rows = records.query([self.records])?;
        while let Some(row) = rows.next()? {
            self.record(
                row.get(0)?,
                row.get::<_, i64>(1)?.unsigned_abs(),
                row.get(2)?,
                (row.get(3)?, row.get(4)?),
                row.get(5)?,
            );
        }
        Ok(())
    }
}

/// The first number of a severity's range, so that records of a level are one row.
pub(crate) const fn level(severity: i32) -> i64 {
    match severity {
        1..=4 => 1,
        5..=8 => 5,
        9..=12 => 9,
        13..=16 => 13,
        17..=20 => 17,
        21.. => 21,
        _ => 0,
    }
}

fn read(connection: &Connection, key: &Endpoint) -> Result<Requests, StoreError> {
    let stored = connection
        .prepare_cached(
            "SELECT count, errors, total, durations FROM red
             WHERE slice = ?1 AND service = ?2 AND name = ?3 AND kind = ?4",
        )?
        .query_row(params![key.0, key.1, key.2, key.3], |row| {
            Ok(Requests {
                count: row.get(0)?,
                errors: row.get(1)?,
                total: row.get(2)?,
                durations: Durations::unpack(row.get_ref(3)?.as_blob()?),
                changed: false,
            })
        })
        .optional()?;
    Ok(stored.unwrap_or_default())
}
