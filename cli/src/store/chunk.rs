//! Many spans or log records as one compressed piece, in the bytes that they came in.

use rusqlite::{Connection, params};

use super::{StoreError, token};

/// A chunk is full when it is this long, in bytes before compression …
pub(super) const LENGTH: usize = 256 * 1024;
/// … or has this many items.
pub(super) const ITEMS: i64 = 1024;

/// zstd's quickest level: three to six times less, at the cost of a microsecond an item.
const LEVEL: i32 = 1;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Spans = 1,
    Records = 2,
}

impl Kind {
    /// The table that has a row for each item.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Spans => "span",
            Self::Records => "record",
        }
    }
}

/// The chunk that is being filled.
#[derive(Debug)]
pub(super) struct Chunk {
    kind: Kind,
    id: i64,
    body: Vec<u8>,
    tokens: Vec<u32>,
    /// Some item has more attributes than were indexed.
    overflow: bool,
    first: i64,
    items: i64,
    earliest: u64,
    latest: u64,
}

/// Where an item lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) row: i64,
    pub(super) chunk: i64,
    pub(super) position: i64,
}

impl Chunk {
    pub(super) fn new(kind: Kind, connection: &Connection) -> Result<Self, StoreError> {
        let table = kind.table();
        let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(Self {
            kind,
            id: 0,
            body: Vec::new(),
            tokens: Vec::new(),
            overflow: false,
            first: last(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}"))?,
            items: 0,
            earliest: u64::MAX,
            latest: 0,
        })
    }

    /// Adds one item's bytes and tells where they lie.
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        tokens: &super::parse::Tokens,
        from: u64,
        to: u64,
        chunks: &mut i64,
    ) -> Place {
        if self.items == 0 {
            *chunks += 1;
            self.id = *chunks;
        }
        let place = Place {
            row: self.first + self.items,
            chunk: self.id,
            position: i64::try_from(self.body.len()).unwrap_or(i64::MAX),
        };
        self.body.extend_from_slice(bytes);
        self.tokens.extend_from_slice(&tokens.list);
        self.overflow |= tokens.overflow;
        self.items += 1;
        self.earliest = self.earliest.min(from);
        self.latest = self.latest.max(to);
        place
    }

    /// Adds a token of the item that was added last.
    pub(super) fn mark(&mut self, token: u32) {
        self.tokens.push(token);
    }

    pub(super) fn is_full(&self) -> bool {
        self.body.len() >= LENGTH || self.items >= ITEMS
    }

    /// Writes the chunk and begins the next.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        received: i64,
    ) -> Result<(), StoreError> {
        if self.items == 0 {
            return Ok(());
        }
        let body = zstd::bulk::compress(&self.body, LEVEL).map_err(StoreError::Compress)?;
        let tokens = (!self.overflow).then(|| token::pack(&mut self.tokens));
        connection.prepare_cached(INSERT)?.execute(params![
            self.id,
            self.kind as i64,
            self.first,
            self.first + self.items - 1,
            received,
            time(self.earliest),
            time(self.latest),
            i64::try_from(self.body.len()).unwrap_or(i64::MAX),
            tokens,
            body
        ])?;
        self.first += self.items;
        self.discard();
        Ok(())
    }

    /// Forgets what was not written, as its transaction was rolled back.
    pub(super) fn discard(&mut self) {
        self.body.clear();
        // One huge item must not be paid for by all that come later.
        self.body.shrink_to(4 * LENGTH);
        self.tokens.clear();
        self.overflow = false;
        self.items = 0;
        self.earliest = u64::MAX;
        self.latest = 0;
    }
}

/// How a chunk is written: its id, its kind, its rows, its times, its length and the rest.
pub(super) const INSERT: &str = "INSERT INTO chunk \
    (id, signal, first, last, received, earliest, latest, length, tokens, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Nanoseconds since 1970 as SQLite stores them; what lies beyond the year 2262 is cut.
pub(super) fn time(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// The bytes of a chunk's items, as they came.
pub(super) fn open(body: &[u8], length: usize) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(body, length).map_err(StoreError::Compress)
}
