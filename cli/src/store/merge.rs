//! Small chunks are put together: who sends a span a second fills a chunk with each.
//!
//! A search opens chunk after chunk, and each is compressed by itself, so that a thousand small
//! ones take longer and more room than one of a thousand items. An item is moved once.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};

use super::{
    StoreError,
    chunk::{self, Kind},
    token,
};

/// Fewer than these are left as they are: to move them would gain little.
const WORTH: usize = 4;

/// How long it may hold up what is to be written.
const PATIENCE: Duration = Duration::from_millis(15);

/// What is done with it is not waited for by anybody, so that it may be compressed better.
const LEVEL: i32 = 3;

/// Puts the chunks of one kind together.
#[derive(Debug)]
pub(super) struct Merger {
    kind: Kind,
    /// The last chunk that is done with.
    done: i64,
    /// The last one of those that are put together now.
    trying: i64,
}

#[derive(Clone, Copy, Debug)]
struct Small {
    id: i64,
    first: i64,
    last: i64,
    length: i64,
}

/// Neighbours that are short enough for one chunk.
#[derive(Debug, Default)]
struct Group {
    chunks: Vec<Small>,
    items: i64,
    length: i64,
}

impl Group {
    fn has_room(&self, next: &Small) -> bool {
        self.items + next.last - next.first < chunk::ITEMS
            && usize::try_from(self.length + next.length).is_ok_and(|sum| sum <= chunk::LENGTH)
    }

    fn add(&mut self, next: Small) {
        self.items += next.last - next.first + 1;
        self.length += next.length;
        self.chunks.push(next);
    }
}

impl Merger {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            done: 0,
            trying: 0,
        }
    }

    /// Leaves those be that could not be put together, as the transaction was rolled back.
    pub(super) fn give_up(&mut self) {
        self.done = self.done.max(self.trying);
    }

    /// Puts together what has become enough, in the transaction that is open.
    pub(super) fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let ControlFlow::Continue(group) = self.next(connection)? else {
                break;
            };
            let Some(last) = group.chunks.last() else {
                break;
            };
            self.trying = last.id;
            if group.chunks.len() >= WORTH {
                put_together(self.kind, connection, &group)?;
            }
            self.done = self.trying;
        }
        Ok(())
    }

    /// The next neighbours that have no room for one more; a break where there is room yet.
    fn next(&self, connection: &Connection) -> Result<ControlFlow<(), Group>, StoreError> {
        let mut select = connection.prepare_cached(
            "SELECT id, first, last, length FROM chunk WHERE id > ?1 AND +signal = ?2 ORDER BY id",
        )?;
        let mut rows = select.query(params![self.done, self.kind as i64])?;
        let mut group = Group::default();
        while let Some(row) = rows.next()? {
            let next = Small {
                id: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                length: row.get(3)?,
            };
            if !group.chunks.is_empty() && !group.has_room(&next) {
                return Ok(ControlFlow::Continue(group));
            }
            group.add(next);
        }
        Ok(ControlFlow::Break(()))
    }
}

/// Makes one chunk of several, by the last one's id, so that the order stays.
fn put_together(kind: Kind, connection: &Connection, group: &Group) -> Result<(), StoreError> {
    let Some(&Small { id, last, .. }) = group.chunks.last() else {
        return Ok(());
    };
    let mut body = Vec::new();
    let mut tokens = Some(Vec::new());
    let (mut received, mut earliest, mut latest) = (0_i64, i64::MAX, 0_i64);
    let mut select = connection.prepare_cached(
        "SELECT received, earliest, latest, tokens, body FROM chunk WHERE id = ?1",
    )?;
    let mut place = connection.prepare_cached(&format!(
        "UPDATE {} SET chunk = ?1, position = position + ?2 WHERE id BETWEEN ?3 AND ?4",
        kind.table()
    ))?;
    let mut delete = connection.prepare_cached("DELETE FROM chunk WHERE id = ?1")?;
    for small in &group.chunks {
        {
            let mut rows = select.query([small.id])?;
            let Some(row) = rows.next()? else {
                continue;
            };
            received = received.max(row.get(0)?);
            earliest = earliest.min(row.get(1)?);
            latest = latest.max(row.get(2)?);
            tokens = tokens.zip(row.get_ref(3)?.as_blob_or_null()?).map(
                |(mut tokens, packed): (Vec<u32>, _)| {
                    tokens.extend(token::unpack(packed));
                    tokens
                },
            );
            let offset = i64::try_from(body.len()).unwrap_or(i64::MAX);
            let length = usize::try_from(small.length).unwrap_or_default();
            body.extend(chunk::open(row.get_ref(4)?.as_blob()?, length)?);
            place.execute(params![id, offset, small.first, small.last])?;
        }
        delete.execute([small.id])?;
    }
    let compressed = zstd::bulk::compress(&body, LEVEL).map_err(StoreError::Compress)?;
    connection.prepare_cached(chunk::INSERT)?.execute(params![
        id,
        kind as i64,
        group.chunks[0].first,
        last,
        received,
        earliest,
        latest,
        group.length,
        tokens.map(|mut tokens| token::pack(&mut tokens)),
        compressed
    ])?;
    Ok(())
}
