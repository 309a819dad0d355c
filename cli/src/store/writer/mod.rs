//! The one thread that writes: whole requests, many to a transaction, acknowledged when it is
//! committed.
//!
//! While one transaction is committed the next requests wait in the [`queue`] and make up the
//! next, so that the load decides how many share a commit. What becomes rows is in [`items`],
//! and what is done between transactions in [`upkeep`].

mod items;
mod queue;
mod upkeep;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::watch;

use queue::Item;
pub(super) use queue::{Queue, Stored, Work};

use super::{
    Bounds, Changes, StoreError,
    chunk::{Chunk, Kind},
    intern::Interner,
    issues::Issues,
    merge::Merger,
    outbox::Outbox,
    points,
    red::Red,
    retention::Retention,
    subjects::Subjects,
    traces::Newest,
};

/// A transaction takes no more than this before it is committed, in bytes of requests.
const TRANSACTION: usize = 8 * 1024 * 1024;

/// How often the counts of requests by endpoint are written, and old data is looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// Starts the thread.
pub(super) fn start(
    connection: Connection,
    bounds: Bounds,
    outbox: Outbox,
    changes: watch::Sender<Changes>,
) -> Result<(Queue, thread::JoinHandle<()>), StoreError> {
    let (queue, work) = Queue::new();
    let mut writer = Writer::new(connection, bounds, outbox, changes)?;
    let thread = thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || writer.run(&work))
        .map_err(StoreError::Thread)?;
    Ok((queue, thread))
}

struct Writer {
    connection: Connection,
    interner: Interner,
    spans: Chunk,
    records: Chunk,
    chunks: i64,
    span_traces: Newest,
    record_traces: Newest,
    mergers: [Merger; 2],
    series: i64,
    red: Red,
    subjects: Subjects,
    issues: Issues,
    outbox: Outbox,
    retention: Retention,
    /// How long the log was when it could not be folded in, as somebody was reading.
    unfolded: u64,
    longest_log: u64,
    changes: watch::Sender<Changes>,
}

fn series(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM series", [], |row| row.get(0))
}

impl Writer {
    fn new(
        connection: Connection,
        bounds: Bounds,
        outbox: Outbox,
        changes: watch::Sender<Changes>,
    ) -> Result<Self, StoreError> {
        let longest_log = upkeep::longest_log(bounds.bytes);
        // Begun anew it is cut to this, so that its length tells when it is too long again.
        connection.pragma_update(None, "journal_size_limit", longest_log.cast_signed())?;
        let mut red = Red::default();
        red.catch_up(&connection)?;
        let mut subjects = Subjects::default();
        subjects.catch_up(&connection)?;
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(Self {
            spans: Chunk::new(Kind::Spans, &connection)?,
            records: Chunk::new(Kind::Records, &connection)?,
            chunks: number("SELECT coalesce(max(id), 0) FROM chunk")?,
            mergers: [Merger::new(Kind::Spans), Merger::new(Kind::Records)],
            span_traces: Newest::load(Kind::Spans, &connection)?,
            record_traces: Newest::load(Kind::Records, &connection)?,
            series: series(&connection)?,
            interner: Interner::default(),
            issues: Issues::default(),
            retention: Retention::new(bounds),
            unfolded: 0,
            longest_log,
            red,
            subjects,
            outbox,
            changes,
            connection,
        })
    }

    fn run(&mut self, queue: &mpsc::Receiver<Item>) {
        let mut upkeep = Instant::now();
        loop {
            let patience = if self.retention.is_behind() {
                Duration::ZERO
            } else {
                UPKEEP.saturating_sub(upkeep.elapsed())
            };
            match queue.recv_timeout(patience) {
                Ok(first) => self.batch(first, queue),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            let due = upkeep.elapsed() >= UPKEEP;
            if due {
                upkeep = Instant::now();
                self.upkeep();
                self.tidy();
            }
            // Between any two transactions, as a second's worth at once would hold up who waits.
            if due || self.retention.is_urgent(&self.connection) {
                self.delete();
            }
            self.fold();
        }
        self.subjects.hurry();
        self.upkeep();
        // The file alone is the whole database then.
        self.connection
            .pragma(None, "wal_checkpoint", "truncate", |_| Ok(()))
            .ok();
    }

    /// Writes what waits in one transaction, and answers.
    fn batch(&mut self, first: Item, queue: &mpsc::Receiver<Item>) {
        let mut bytes = first.work.bytes();
        let mut batch = vec![first];
        while bytes < TRANSACTION
            && let Ok(next) = queue.try_recv()
        {
            bytes += next.work.bytes();
            batch.push(next);
        }
        match self.transaction(&batch) {
            Ok((stored, changed)) => {
                // Readers are told first, so that who was answered finds what it sent.
                self.changes.send_modify(|changes| changes.add(&changed));
                for (item, stored) in batch.into_iter().zip(stored) {
                    item.answer.send(Ok(stored)).ok();
                }
            }
            Err(error) => {
                self.roll_back();
                let error = Arc::new(error);
                for item in batch {
                    item.answer.send(Err(Arc::clone(&error))).ok();
                }
            }
        }
    }

    fn transaction(&mut self, batch: &[Item]) -> Result<(Vec<Stored>, Changes), StoreError> {
        let received = super::now();
        let mut changed = Changes::default();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut stored = Vec::with_capacity(batch.len());
        {
            for item in batch {
                stored.push(match &item.work {
                    Work::Spans(parsed) => {
                        let stored = self.write_spans(parsed, received)?;
                        changed.spans += stored.items.unsigned_abs();
                        stored
                    }
                    Work::Records(parsed) => {
                        let stored = self.write_records(parsed, received)?;
                        changed.records += stored.items.unsigned_abs();
                        stored
                    }
                    Work::Points { request, body } => {
                        let written = points::write(
                            &self.connection,
                            &mut self.interner,
                            &mut self.series,
                            request,
                        )?;
                        self.outbox.add(
                            &self.connection,
                            super::outbox::Kind::Metrics,
                            written.stored,
                            body,
                        )?;
                        changed.points += written.stored.unsigned_abs();
                        Stored {
                            items: written.stored,
                            refused: written.refused,
                        }
                    }
                    Work::Envelope(envelope) => {
                        for event in &envelope.events {
                            self.issues.event(
                                &self.connection,
                                &mut self.interner,
                                event,
                                envelope.received,
                            )?;
                        }
                        let items = i64::try_from(envelope.events.len()).unwrap_or(i64::MAX);
                        self.outbox.add(
                            &self.connection,
                            super::outbox::Kind::Envelope,
                            items,
                            &envelope.raw,
                        )?;
                        Stored { items, refused: 0 }
                    }
                    Work::Resolve { issue, resolved } => {
                        self.issues.resolve(&self.connection, *issue, *resolved)?;
                        changed.errors += 1;
                        Stored::default()
                    }
                    Work::Forwarded(ids) => {
                        self.outbox.remove(&self.connection, ids)?;
                        Stored::default()
                    }
                });
            }
            self.spans.write(&self.connection, received)?;
            self.records.write(&self.connection, received)?;
        }
        self.span_traces.seal(&self.connection)?;
        self.record_traces.seal(&self.connection)?;
        self.issues.write(&self.connection)?;
        changed.errors += self.issues.take_changed();
        self.connection.execute_batch("COMMIT")?;
        Ok((stored, changed))
    }

    /// Makes memory agree with the database again.
    fn roll_back(&mut self) {
        self.connection.execute_batch("ROLLBACK").ok();
        self.interner.clear();
        self.spans.discard();
        self.records.discard();
        self.issues.roll_back();
        self.outbox.roll_back();
        // What it counted up in the transaction is not there.
        match series(&self.connection) {
            Ok(series) => self.series = series,
            Err(error) => tracing::warn!(%error, "cannot count the series again"),
        }
        for newest in [&mut self.span_traces, &mut self.record_traces] {
            if let Err(error) = newest.load_again(&self.connection) {
                tracing::warn!(%error, "cannot read again which rows are of which trace");
            }
        }
        for again in [
            self.subjects.catch_up(&self.connection),
            self.red.catch_up(&self.connection),
        ] {
            if let Err(error) = again {
                tracing::warn!(%error, "cannot count again what is stored");
            }
        }
    }
}
