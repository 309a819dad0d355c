//! Requests by endpoint and records by stream, counted as they come, in slices of ten seconds and
//! in the longer parts of [`rollup`](super::rollup).
//!
//! The overview asks for rates and percentiles over a million spans; it reads some hundred
//! rows of these. They are written about once a second, with the last span and record that
//! they have counted; what came after that when a process was killed is counted at the next start.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    durations::Durations,
    rollup::{Piece, WIDTHS},
};

/// The length of a slice.
pub(crate) const SLICE_SECONDS: i64 = 10;
const SLICE: u64 = 10_000_000_000;

/// A service, a span's name and its kind.
type Endpoint = (i64, i64, i64);
/// Service, stream (0 for none), event (0 for none) and level.
type Kind = (i64, i64, i64, i64);
/// A row's width, and which of these since 1970.
pub(super) type Time = (i64, i64);

#[derive(Clone, Debug, Default)]
struct Requests {
    count: i64,
    errors: i64,
    total: i64,
    durations: Durations,
}

impl Requests {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.total = self.total.saturating_add(other.total);
        self.durations.merge(&other.durations);
    }
}

/// What is counted and not yet written, by slice.
#[derive(Debug, Default)]
pub(super) struct Red {
    requests: HashMap<(i64, Endpoint), Requests>,
    volume: HashMap<(i64, Kind), i64>,
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
    pub(super) fn span(&mut self, span: &Span) {
        self.spans = self.spans.max(span.row);
        // By its end, when it counts for whoever watches.
        let slice = slice(span.start.saturating_add(span.duration));
        let endpoint = (span.service, span.name, i64::from(span.kind));
        let requests = self.requests.entry((slice, endpoint)).or_default();
        requests.count += 1;
        requests.errors += i64::from(span.error);
        requests.total = requests
            .total
            .saturating_add(super::chunk::time(span.duration));
        requests.durations.add(span.duration);
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
        let kind = (service, stream, event, level(severity));
        *self.volume.entry((slice(time), kind)).or_default() += 1;
    }

    /// Writes what was counted, in the transaction that is open.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        // Many slices are one hour; in the order of the rows.
        let mut requests: BTreeMap<(Time, Endpoint), Requests> = BTreeMap::new();
        for ((slice, endpoint), more) in self.requests.drain() {
            for width in WIDTHS {
                let key = ((width, slice / width), endpoint);
                requests.entry(key).or_default().merge(&more);
            }
        }
        for ((time, endpoint), more) in requests {
            add_requests(connection, time, endpoint, more)?;
        }
        let mut volume: BTreeMap<(Time, Kind), i64> = BTreeMap::new();
        for ((slice, kind), count) in self.volume.drain() {
            for width in WIDTHS {
                *volume.entry(((width, slice / width), kind)).or_default() += count;
            }
        }
        for ((time, kind), count) in volume {
            add_volume(connection, time, kind, count)?;
        }
        let mut fact = connection
            .prepare_cached("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")?;
        fact.execute(params!["counted_spans", self.spans])?;
        fact.execute(params!["counted_records", self.records])?;
        Ok(())
    }

    /// Forgets what is not written, as a transaction was rolled back, or at the start: then
    /// counts what was stored and not yet counted.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), StoreError> {
        *self = Self::default();
        self.spans = counted(connection, "counted_spans")?;
        self.records = counted(connection, "counted_records")?;
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
                self.span(&span);
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

/// The last row that is counted.
pub(super) fn counted(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT value FROM fact WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
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

fn add_requests(
    connection: &Connection,
    (width, slice): Time,
    (service, name, kind): Endpoint,
    mut requests: Requests,
) -> Result<(), StoreError> {
    let stored = connection
        .prepare_cached(
            "SELECT count, errors, total, durations FROM red
             WHERE width = ?1 AND slice = ?2 AND service = ?3 AND name = ?4 AND kind = ?5",
        )?
        .query_row(params![width, slice, service, name, kind], |row| {
            Ok(Requests {
                count: row.get(0)?,
                errors: row.get(1)?,
                total: row.get(2)?,
                durations: Durations::unpack(row.get_ref(3)?.as_blob()?),
            })
        })
        .optional()?;
    if let Some(stored) = stored {
        requests.merge(&stored);
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO red
                (width, slice, service, name, kind, count, errors, total, durations)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            width,
            slice,
            service,
            name,
            kind,
            requests.count,
            requests.errors,
            requests.total,
            requests.durations.pack()
        ])?;
    Ok(())
}

fn add_volume(
    connection: &Connection,
    (width, slice): Time,
    (service, stream, event, level): Kind,
    count: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO volume (width, slice, service, stream, event, level, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?
        .execute(params![width, slice, service, stream, event, level, count])?;
    Ok(())
}

/// Adds a longer part up again, from what is left of it in shorter ones.
pub(super) fn again(connection: &Connection, time: Time, left: &Piece) -> Result<(), StoreError> {
    for table in ["red", "volume"] {
        connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE width = ?1 AND slice = ?2"
            ))?
            .execute([time.0, time.1])?;
    }
    let mut rows = connection.prepare_cached(
        "SELECT service, name, kind, count, errors, total, durations FROM red
         WHERE width = ?1 AND slice >= ?2 AND slice < ?3",
    )?;
    let mut rows = rows.query([left.width, left.from, left.to])?;
    let mut requests: BTreeMap<Endpoint, Requests> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let endpoint = (row.get(0)?, row.get(1)?, row.get(2)?);
        requests.entry(endpoint).or_default().merge(&Requests {
            count: row.get(3)?,
            errors: row.get(4)?,
            total: row.get(5)?,
            durations: Durations::unpack(row.get_ref(6)?.as_blob()?),
        });
    }
    for (endpoint, requests) in requests {
        add_requests(connection, time, endpoint, requests)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO volume (width, slice, service, stream, event, level, count)
             SELECT ?1, ?2, service, stream, event, level, sum(count) FROM volume
             WHERE width = ?3 AND slice >= ?4 AND slice < ?5 GROUP BY 3, 4, 5, 6",
        )?
        .execute([time.0, time.1, left.width, left.from, left.to])?;
    Ok(())
}
