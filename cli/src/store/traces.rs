//! Which rows are of a trace: an index that is written in sorted pieces.
//!
//! Trace ids are random, so that an index of SQLite's writes a page for nearly each span, once to
//! its log and once to the file, and again when the span goes. Here the newest rows wait in
//! memory, and a reader looks through them itself; when there are enough, they become a run: pairs
//! of a hash and a row in order, cut into buckets by the hash, each one row of a table. Four runs
//! of a length become one of four times the length, so that a look-up reads a bucket of a few runs.

use rusqlite::{Connection, params};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    StoreError,
    chunk::Kind,
    trace_of,
    varint::{unvarint, varint},
};

/// So many rows become a run.
const ROWS: i64 = 8192;
/// Bits of the hash that tell the bucket in such a run: some hundred pairs lie in each.
const BITS: u32 = 6;
/// So many runs of a level become one of the next …
const FAN: usize = 4;
const FAN_BITS: u32 = 2;
/// … up to this one, which costs some ten milliseconds to make.
const TOP: u32 = 2;
/// A bucket's id is its run's, and its own number in so many bits.
const RUN: u32 = 12;

const _: () = assert!(1 << FAN_BITS == FAN && BITS + TOP * FAN_BITS <= RUN);

/// A hash of a trace's id, and a row.
type Pair = (u32, i64);

/// A run's id, its first row and its last.
type Run = (i64, i64, i64);

/// The half of a hash is enough: who looks up compares the row's trace.
#[allow(clippy::cast_possible_truncation)]
fn hash(trace: u128) -> u32 {
    xxh3_64(&trace.to_le_bytes()) as u32
}

const fn bits(level: u32) -> u32 {
    BITS + level * FAN_BITS
}

/// The newest rows, which are in no run yet.
#[derive(Debug)]
pub(super) struct Newest {
    kind: Kind,
    /// The last row that is in a run.
    sealed: i64,
    last: i64,
    pairs: Vec<Pair>,
}

impl Newest {
    /// Reads what is in no run.
    pub(super) fn load(kind: Kind, connection: &Connection) -> Result<Self, StoreError> {
        let sealed = sealed(kind, connection)?;
        let mut newest = Self {
            kind,
            sealed,
            last: sealed,
            pairs: Vec::new(),
        };
        each_newest(kind, connection, sealed, |row, trace| {
            newest.add(row, trace);
        })?;
        Ok(newest)
    }

    /// Loads anew, as a transaction was rolled back.
    pub(super) fn load_again(&mut self, connection: &Connection) -> Result<(), StoreError> {
        *self = Self::load(self.kind, connection)?;
        Ok(())
    }

    /// Adds a row, which is later than all others.
    pub(super) fn add(&mut self, row: i64, trace: Option<u128>) {
        self.last = row;
        if let Some(trace) = trace {
            self.pairs.push((hash(trace), row));
        }
    }

    /// Makes a run where there are enough rows, in the transaction that is open. If that is
    /// rolled back, this must be loaded again.
    pub(super) fn seal(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.last - self.sealed < ROWS {
            return Ok(());
        }
        self.pairs.sort_unstable();
        let run = begin(connection, self.kind, 0, self.sealed + 1, self.last)?;
        write(connection, run, 0, &self.pairs)?;
        self.pairs.clear();
        self.sealed = self.last;
        Ok(())
    }
}

/// Makes longer runs of short ones, in the transaction that is open.
pub(super) fn merge(kind: Kind, connection: &Connection) -> Result<(), StoreError> {
    for level in 0..TOP {
        let runs: Vec<Run> = connection
            .prepare_cached(
                "SELECT id, first, last FROM run WHERE signal = ?1 AND level = ?2
                 ORDER BY first",
            )?
            .query_map(params![kind as i64, level], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        for runs in runs.chunks_exact(FAN) {
            merge_into(kind, connection, level, runs)?;
        }
    }
    Ok(())
}

fn merge_into(
    kind: Kind,
    connection: &Connection,
    level: u32,
    runs: &[Run],
) -> Result<(), StoreError> {
    let (Some((_, first, _)), Some((_, _, last))) = (runs.first(), runs.last()) else {
        return Ok(());
    };
    let run = begin(connection, kind, level + 1, *first, *last)?;
    let mut pairs = Vec::new();
    for bucket in 0..1 << bits(level) {
        pairs.clear();
        for (id, ..) in runs {
            read(connection, *id, bucket, |hash, row| pairs.push((hash, row)))?;
        }
        pairs.sort_unstable();
        write(connection, run, level + 1, &pairs)?;
    }
    for (id, ..) in runs {
        delete(connection, *id)?;
    }
    Ok(())
}

/// Deletes the runs whose last row is not after `last`, as those rows were deleted.
pub(super) fn forget(kind: Kind, connection: &Connection, last: i64) -> Result<(), StoreError> {
    let gone = connection
        .prepare_cached("SELECT id FROM run WHERE signal = ?1 AND last <= ?2")?
        .query_map([kind as i64, last], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    for run in gone {
        delete(connection, run)?;
    }
    Ok(())
}

/// The rows that may be of a trace, in their order.
pub(super) fn look_up(
    kind: Kind,
    connection: &Connection,
    trace: u128,
) -> Result<Vec<i64>, StoreError> {
    let wanted = hash(trace);
    let mut found = Vec::new();
    let mut runs =
        connection.prepare_cached("SELECT id, level FROM run WHERE signal = ?1 ORDER BY first")?;
    let mut rows = runs.query([kind as i64])?;
    while let Some(run) = rows.next()? {
        let level: u32 = run.get(1)?;
        read(
            connection,
            run.get(0)?,
            wanted >> (32 - bits(level)),
            |hash, row| {
                if hash == wanted {
                    found.push(row);
                }
            },
        )?;
    }
    Ok(found)
}

/// The last row that is in a run.
pub(super) fn sealed(kind: Kind, connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT coalesce(max(last), 0) FROM run WHERE signal = ?1")?
        .query_row([kind as i64], |row| row.get(0))?)
}

/// Each row after `sealed`, with its trace.
pub(super) fn each_newest(
    kind: Kind,
    connection: &Connection,
    sealed: i64,
    mut each: impl FnMut(i64, Option<u128>),
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT id, trace, trace_high FROM {} WHERE id > ?1",
        kind.table()
    ))?;
    let mut rows = select.query([sealed])?;
    while let Some(row) = rows.next()? {
        let low: Option<i64> = row.get(1)?;
        let high: Option<i64> = row.get(2)?;
        each(row.get(0)?, low.map(|low| trace_of(low, high.unwrap_or(0))));
    }
    Ok(())
}

fn begin(
    connection: &Connection,
    kind: Kind,
    level: u32,
    first: i64,
    last: i64,
) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("INSERT INTO run (signal, level, first, last) VALUES (?1, ?2, ?3, ?4)")?
        .insert(params![kind as i64, level, first, last])?)
}

fn bucket_id(run: i64, bucket: u32) -> i64 {
    (run << RUN) | i64::from(bucket)
}

fn delete(connection: &Connection, run: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM bucket WHERE id BETWEEN ?1 AND ?2")?
        .execute([bucket_id(run, 0), bucket_id(run + 1, 0) - 1])?;
    connection
        .prepare_cached("DELETE FROM run WHERE id = ?1")?
        .execute([run])?;
    Ok(())
}

/// Writes pairs, which are in order, to their buckets: the step to each one's hash, and its row;
/// where the hash is the same, the step from the row before.
fn write(connection: &Connection, run: i64, level: u32, pairs: &[Pair]) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached("INSERT INTO bucket (id, body) VALUES (?1, ?2)")?;
    let bucket_of = |hash: u32| hash >> (32 - bits(level));
    let mut packed = Vec::new();
    for bucket in pairs.chunk_by(|one, next| bucket_of(one.0) == bucket_of(next.0)) {
        packed.clear();
        let (mut hash, mut row) = (0, 0);
        for pair in bucket {
            let step = pair.0 - hash;
            varint(&mut packed, step.into());
            let from = if step == 0 { row } else { 0 };
            varint(&mut packed, (pair.1 - from).unsigned_abs());
            (hash, row) = *pair;
        }
        insert.execute(params![bucket_id(run, bucket_of(hash)), packed])?;
    }
    Ok(())
}

fn read(
    connection: &Connection,
    run: i64,
    bucket: u32,
    mut each: impl FnMut(u32, i64),
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached("SELECT body FROM bucket WHERE id = ?1")?;
    let mut rows = select.query([bucket_id(run, bucket)])?;
    let Some(found) = rows.next()? else {
        return Ok(());
    };
    let mut packed = found.get_ref(0)?.as_blob()?;
    let (mut hash, mut row) = (0_u32, 0_i64);
    while let (Some(step), Some(value)) = (unvarint(&mut packed), unvarint(&mut packed)) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        hash = hash.wrapping_add(u32::try_from(step).unwrap_or(u32::MAX));
        row = if step == 0 {
            row.saturating_add(value)
        } else {
            value
        };
        each(hash, row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ids, schema},
        *,
    };

    /// Rows as the writer would make them, as far as they matter here.
    fn insert(connection: &Connection, row: i64, trace: u128) {
        let (low, high) = ids(trace);
        connection
            .execute(
                "INSERT INTO span (id, chunk, position, length, trace, trace_high, span, start,
                    duration, service, name, kind, status)
                 VALUES (?1, 1, 0, 0, ?2, ?3, 1, 0, 0, 1, 1, 1, 0)",
                [row, low, high],
            )
            .unwrap();
    }

    fn count(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_was_rolled_back_is_in_the_next_run_and_deleted_rows_take_theirs_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_writer(&folder.path().join("telemetry.db")).unwrap();
        let mut newest = Newest::load(Kind::Spans, &connection).unwrap();
        // Three spans a trace, neighbours but for the last.
        let trace = |row: i64| u128::try_from(row / 3 % 5_000).unwrap() << 64 | 1;
        for part in 0..5 {
            connection.execute_batch("BEGIN").unwrap();
            for row in part * ROWS + 1..=(part + 1) * ROWS {
                insert(&connection, row, trace(row));
                newest.add(row, Some(trace(row)));
            }
            connection.execute_batch("COMMIT").unwrap();
            if part == 1 {
                // The disk was full, say.
                connection.execute_batch("BEGIN").unwrap();
                newest.seal(&connection).unwrap();
                connection.execute_batch("ROLLBACK").unwrap();
                newest.load_again(&connection).unwrap();
            }
            newest.seal(&connection).unwrap();
        }
        assert_eq!(count(&connection, "SELECT count(*) FROM run"), 5);
        merge(Kind::Spans, &connection).unwrap();
        merge(Kind::Records, &connection).unwrap();
        assert_eq!(count(&connection, "SELECT count(*) FROM run"), 2);
        for row in (1..=5 * ROWS).step_by(1_001) {
            let found = look_up(Kind::Spans, &connection, trace(row)).unwrap();
            let expected: Vec<i64> = (1..=5 * ROWS)
                .filter(|other| trace(*other) == trace(row))
                .collect();
            assert_eq!(found, expected, "row {row}");
            assert!(
                look_up(Kind::Records, &connection, trace(row))
                    .unwrap()
                    .is_empty()
            );
        }
        forget(Kind::Spans, &connection, 4 * ROWS).unwrap();
        assert_eq!(
            count(&connection, "SELECT min(first) FROM run"),
            4 * ROWS + 1
        );
        let left = count(&connection, "SELECT count(DISTINCT id >> 12) FROM bucket");
        assert_eq!(left, 1);
        forget(Kind::Spans, &connection, 5 * ROWS).unwrap();
        assert_eq!(count(&connection, "SELECT count(*) FROM bucket"), 0);
    }
}
