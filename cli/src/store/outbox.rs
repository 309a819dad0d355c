//! What is to be passed on to a collector, kept until it has arrived there.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rusqlite::{Connection, params};

use super::StoreError;

/// What waits may be this long; beyond it the oldest is dropped, and counted.
const LONGEST: i64 = 256 * 1024 * 1024;

/// What a row of the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Traces = 1,
    Metrics = 2,
    Logs = 3,
    Envelope = 4,
}

impl Kind {
    pub(super) fn of(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Traces),
            2 => Some(Self::Metrics),
            3 => Some(Self::Logs),
            4 => Some(Self::Envelope),
            _ => None,
        }
    }
}

/// One request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) items: i64,
    pub(crate) body: Vec<u8>,
}

/// Which kinds are passed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    otlp: bool,
    envelopes: bool,
    /// Items that were given up as too much waited.
    pub(crate) dropped: Arc<AtomicU64>,
    bytes: i64,
    known: bool,
}

impl Outbox {
    /// Passes on OTLP, envelopes, both, or nothing.
    pub(crate) fn new(otlp: bool, envelopes: bool) -> Self {
        Self {
            otlp,
            envelopes,
            ..Self::default()
        }
    }

    pub(super) fn add(
        &mut self,
        connection: &Connection,
        kind: Kind,
        items: i64,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let wanted = match kind {
            Kind::Envelope => self.envelopes,
            _ => self.otlp,
        };
        if !wanted || body.is_empty() {
            return Ok(());
        }
        self.bytes += i64::try_from(body.len()).unwrap_or(i64::MAX);
        connection
            .prepare_cached("INSERT INTO outbox (kind, items, body) VALUES (?1, ?2, ?3)")?
            .execute(params![kind as i64, items, body])?;
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        connection: &Connection,
        ids: &[i64],
    ) -> Result<(), StoreError> {
        self.known = false;
        let mut delete = connection.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
        for id in ids {
            delete.execute([id])?;
        }
        Ok(())
    }

    pub(super) fn roll_back(&mut self) {
        self.known = false;
    }

    /// Gives up the oldest where too much waits.
    pub(super) fn upkeep(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if !self.otlp && !self.envelopes {
            return Ok(());
        }
        if !self.known {
            self.bytes = connection.query_row(
                "SELECT coalesce(sum(length(body)), 0) FROM outbox",
                [],
                |row| row.get(0),
            )?;
            self.known = true;
        }
        while self.bytes > LONGEST {
            let (id, items, length): (i64, i64, i64) = connection.query_row(
                "SELECT id, items, length(body) FROM outbox ORDER BY id LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            connection.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
            self.bytes -= length;
            self.dropped
                .fetch_add(items.unsigned_abs(), Ordering::Relaxed);
        }
        Ok(())
    }
}
