//! Where everything that arrived is kept, and found again: one SQLite database.
//!
//! [`Store`] is what writes, and there is one of it; [`Reader`] reads, also from another
//! process, while it writes.

mod chunk;
mod durations;
mod intern;
mod issues;
mod merge;
mod outbox;
mod parse;
mod points;
mod reader;
mod red;
mod retention;
mod rollup;
mod schema;
mod subjects;
#[cfg(test)]
mod tests;
mod token;
mod traces;
mod varint;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use tokio::sync::watch;

pub(crate) use durations::Durations;
pub(crate) use issues::SentryEnvelope;
pub(crate) use outbox::{Kind as OutboxKind, Outbox, Waiting};
pub(crate) use reader::*;
pub(crate) use red::SLICE_SECONDS;
pub(crate) use subjects::{OTHERS, Others, SubjectKind};

use crate::wire::{self, Malformed};
use writer::{Queue, Work};

/// How often what was committed is folded into the database.
const CHECKPOINT: Duration = Duration::from_millis(500);

/// A request of metrics may decode to so many objects, which is about 100 MB.
const OBJECTS: usize = 1_000_000;

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the database has a value of another type: {0}")]
    Value(#[from] rusqlite::types::FromSqlError),
    #[error("a chunk cannot be compressed or opened: {0}")]
    Compress(#[source] io::Error),
    #[error(
        "the database is of version {found}, this program writes {expected}: give another --data-dir, or delete it"
    )]
    Version { found: i64, expected: i64 },
    #[error("cannot start a thread of the store: {0}")]
    Thread(#[source] io::Error),
    #[error("the store has ended")]
    Ended,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("a request of more than {0} items is too much: send fewer at once")]
    TooMany(usize),
    #[error("the metrics cannot be decoded: {0}")]
    Metrics(#[from] prost::DecodeError),
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The database's file, in bytes.
    pub(crate) bytes: u64,
    pub(crate) age: Duration,
}

/// What was stored since the program began, for whoever shows it live. Totals, so that a page
/// that missed a change is right again with the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Changes {
    pub(crate) spans: u64,
    pub(crate) records: u64,
    /// Data points of metrics.
    pub(crate) points: u64,
    /// Occurrences of errors, from whichever side they came.
    pub(crate) errors: u64,
    /// Spans and records that were deleted, as they were too old or too much.
    pub(crate) deleted: u64,
}

impl Changes {
    fn add(&mut self, more: &Self) {
        self.spans += more.spans;
        self.records += more.records;
        self.points += more.points;
        self.errors += more.errors;
        self.deleted += more.deleted;
    }
}

/// The database's one writer.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Taken only by `drop`, as its end is the writer's.
    queue: Option<Queue>,
    changes: watch::Receiver<Changes>,
    threads: Vec<JoinHandle<()>>,
    /// Ends the thread of the checkpoints; taken only by `drop`.
    stop: Option<mpsc::Sender<()>>,
}

/// What was stored of a request, and what was refused of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) items: i64,
    pub(crate) refused: i64,
    pub(crate) reason: &'static str,
}

impl Store {
    /// Opens the database at `path`, which it makes where there is none.
    pub(crate) fn open(path: &Path, bounds: Bounds, outbox: Outbox) -> Result<Self, StoreError> {
        let connection = schema::open_writer(path)?;
        let checkpoints = schema::open_writer(path)?;
        let (sender, changes) = watch::channel(Changes::default());
        let (queue, writer) = writer::start(connection, bounds, outbox, sender)?;
        let (stop, stopped) = mpsc::channel::<()>();
        let checkpointer = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(CHECKPOINT) {
                    checkpoints
                        .pragma(None, "wal_checkpoint", "passive", |_| Ok(()))
                        .ok();
                }
            })
            .map_err(StoreError::Thread)?;
        Ok(Self {
            path: path.to_owned(),
            queue: Some(queue),
            changes,
            threads: vec![checkpointer, writer],
            stop: Some(stop),
        })
    }

    /// Where the database lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was stored so far, and a way to wait for more.
    pub(crate) fn changes(&self) -> watch::Receiver<Changes> {
        self.changes.clone()
    }

    /// Stores an `ExportTraceServiceRequest`, and returns when it is committed.
    pub(crate) async fn spans(&self, body: &Bytes) -> Result<Taken, Arc<StoreError>> {
        let parsed = parse::spans(body)?;
        let refused = parsed.refused.unwrap_or_default();
        self.write(Work::Spans(parsed), refused).await
    }

    /// Stores an `ExportLogsServiceRequest`, and returns when it is committed.
    pub(crate) async fn records(&self, body: &Bytes) -> Result<Taken, Arc<StoreError>> {
        let parsed = parse::records(body)?;
        let refused = parsed.refused.unwrap_or_default();
        self.write(Work::Records(parsed), refused).await
    }

    /// Stores an `ExportMetricsServiceRequest`, and returns when it is committed.
    pub(crate) async fn points(&self, body: &Bytes) -> Result<Taken, Arc<StoreError>> {
        if wire::objects(body).map_err(StoreError::from)? > OBJECTS {
            return Err(Arc::new(StoreError::TooMany(OBJECTS)));
        }
        let request =
            ExportMetricsServiceRequest::decode(body.clone()).map_err(StoreError::from)?;
        let work = Work::Points {
            request: Box::new(request),
            body: body.clone(),
        };
        self.write(
            work,
            (0, "a label without a bound: there are too many series"),
        )
        .await
    }

    /// Stores the errors of an envelope.
    pub(crate) async fn envelope(&self, envelope: SentryEnvelope) -> Result<(), Arc<StoreError>> {
        self.write(Work::Envelope(Box::new(envelope)), Default::default())
            .await
            .map(drop)
    }

    /// Marks an issue as resolved, or as open again.
    pub(crate) async fn resolve(&self, issue: i64, resolved: bool) -> Result<(), Arc<StoreError>> {
        self.write(Work::Resolve { issue, resolved }, Default::default())
            .await
            .map(drop)
    }

    /// Takes requests out of the outbox, as they have arrived where they were to go.
    pub(crate) async fn forwarded(&self, ids: Vec<i64>) -> Result<(), Arc<StoreError>> {
        self.write(Work::Forwarded(ids), Default::default())
            .await
            .map(drop)
    }

    async fn write(
        &self,
        work: Work,
        (refused, reason): (i64, &'static str),
    ) -> Result<Taken, Arc<StoreError>> {
        let queue = self.queue.as_ref().ok_or(StoreError::Ended)?;
        let stored = queue.write(work).await?;
        Ok(Taken {
            items: stored.items,
            refused: refused + stored.refused,
            reason,
        })
    }
}

impl Drop for Store {
    /// Writes what is left and closes the database, so that its file alone is all of it.
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        })
}

/// A trace id as two numbers of SQLite's: its low half, which is random also where the high
/// one is a time, is what the index is of.
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn ids(trace: u128) -> (i64, i64) {
    (
        (trace as u64).cast_signed(),
        ((trace >> 64) as u64).cast_signed(),
    )
}

/// The trace id of two numbers of [`ids`].
pub(crate) const fn trace_of(low: i64, high: i64) -> u128 {
    ((high.cast_unsigned() as u128) << 64) | low.cast_unsigned() as u128
}
