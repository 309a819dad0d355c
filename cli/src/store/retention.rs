//! What is too old, or too much, is deleted: the oldest first, a little at a time.

use std::time::Instant;

use rusqlite::{Connection, params};

use super::{Bounds, StoreError, chunk::Kind};

/// How many chunks go at once: so few that nobody waits for it.
const CHUNKS: i64 = 8;

/// Of the bound, what is used before the oldest goes.
const FULL: u64 = 95;

#[derive(Debug)]
pub(super) struct Retention {
    bounds: Bounds,
    /// When the tables without chunks were looked at last.
    swept: Option<Instant>,
    /// There is more to delete now.
    behind: bool,
    /// There is too much, and nothing that could be deleted at the last try.
    vain: bool,
}

impl Retention {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            swept: None,
            behind: false,
            vain: false,
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether there is something to do that cannot wait for the next second.
    pub(super) fn is_urgent(&self, connection: &Connection) -> bool {
        self.behind || (!self.vain && self.is_full(connection).unwrap_or(false))
    }

    fn is_full(&self, connection: &Connection) -> Result<bool, StoreError> {
        Ok(used(connection)? > self.bounds.bytes / 100 * FULL)
    }

    /// Leaves the rest for later, as it cannot be deleted now.
    pub(super) fn give_up(&mut self) {
        self.behind = false;
        self.vain = true;
    }

    /// Deletes some of what is beyond the bounds, in the transaction that is open, and tells how
    /// many spans and records went.
    pub(super) fn run(&mut self, connection: &Connection) -> Result<u64, StoreError> {
        let age = i64::try_from(self.bounds.age.as_nanos()).unwrap_or(i64::MAX);
        let too_old = super::now().saturating_sub(age);
        let full = self.is_full(connection)?;
        let limit = if full { i64::MAX } else { too_old };
        let gone = delete_chunks(connection, limit)?;
        self.behind = gone.chunks == CHUNKS;
        self.vain = full && gone.chunks == 0;
        if !self.behind {
            let sweep = self.swept.is_none_or(|at| at.elapsed().as_secs() >= 60);
            if sweep || (full && gone.chunks == 0) {
                self.swept = Some(Instant::now());
                sweep_others(connection, too_old.max(gone.received), full)?;
            }
        }
        Ok(gone.items)
    }
}

#[derive(Debug, Default)]
struct Gone {
    chunks: i64,
    items: u64,
    /// When the newest of them was received.
    received: i64,
}

fn delete_chunks(connection: &Connection, before: i64) -> Result<Gone, StoreError> {
    let mut oldest = connection.prepare_cached(
        "SELECT id, signal, first, last, received FROM chunk WHERE received < ?1
         ORDER BY id LIMIT ?2",
    )?;
    let chunks = oldest
        .query_map(params![before, CHUNKS], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, i64>(4)?,
            ))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut gone = Gone::default();
    for (id, signal, first, last, received) in chunks {
        let kind = if signal == 1 {
            Kind::Spans
        } else {
            Kind::Records
        };
        let items = if kind == Kind::Spans {
            connection
                .prepare_cached("DELETE FROM span WHERE id BETWEEN ?1 AND ?2")?
                .execute([first, last])?
        } else {
            connection
                .prepare_cached("DELETE FROM record_text WHERE rowid BETWEEN ?1 AND ?2")?
                .execute([first, last])?;
            connection
                .prepare_cached("DELETE FROM record WHERE id BETWEEN ?1 AND ?2")?
                .execute([first, last])?
        };
        super::traces::forget(kind, connection, last)?;
        connection
            .prepare_cached("DELETE FROM chunk WHERE id = ?1")?
            .execute([id])?;
        gone.chunks += 1;
        gone.items += items as u64;
        gone.received = gone.received.max(received);
    }
    Ok(gone)
}

/// Deletes what is not in chunks and older than `before`; where that is not enough, the oldest
/// tenth of the points.
fn sweep_others(connection: &Connection, before: i64, full: bool) -> Result<(), StoreError> {
    let slice = before / 1_000_000_000 / super::red::SLICE_SECONDS;
    super::rollup::sweep(connection, slice)?;
    super::subjects::sweep(connection, before)?;
    super::issues::sweep(connection, before, full)?;
    let mut points = before;
    if full {
        let (earliest, latest): (Option<i64>, Option<i64>) =
            connection.query_row("SELECT min(time), max(time) FROM point", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        if let (Some(earliest), Some(latest)) = (earliest, latest) {
            points = points.max(earliest + (latest - earliest) / 10);
        }
    }
    connection.execute("DELETE FROM point WHERE time < ?1", [points])?;
    connection.execute("DELETE FROM exemplar WHERE time < ?1", [points])?;
    Ok(())
}

/// The bytes of the file that are in use.
fn used(connection: &Connection) -> Result<u64, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(pages.unsigned_abs() * number("page_size")?.unsigned_abs())
}
