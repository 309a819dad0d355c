//! What waits for the writer, within a bound, and the answers to it.
//!
//! The receiver has a bound too, as it holds each request's bytes until its answer; this one also
//! holds for requests whose clients went away.

use std::sync::{Arc, mpsc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::store::{
    StoreError,
    issues::SentryEnvelope,
    parse::{Parsed, RecordItem, SpanItem},
};

/// What is to be written.
#[derive(Debug)]
pub(in crate::store) enum Work {
    Spans(Parsed<SpanItem>),
    Records(Parsed<RecordItem>),
    Points {
        request:
            Box<opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest>,
        body: bytes::Bytes,
    },
    Envelope(Box<SentryEnvelope>),
    /// Marks an issue as resolved, or as open again.
    Resolve {
        issue: i64,
        resolved: bool,
    },
    /// These of the outbox have arrived.
    Forwarded(Vec<i64>),
}

impl Work {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Spans(parsed) => parsed.body.len(),
            Self::Records(parsed) => parsed.body.len(),
            Self::Points { body, .. } => body.len(),
            Self::Envelope(envelope) => envelope.raw.len(),
            Self::Resolve { .. } | Self::Forwarded(_) => 0,
        }
    }
}

/// What became of a piece of work that is in the database now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Spans, records or points that were taken.
    pub(crate) items: i64,
    /// Points that were not, as there are too many series.
    pub(crate) refused: i64,
}

type Answer = oneshot::Sender<Result<Stored, Arc<StoreError>>>;

/// What waits or is being written may be this long, in bytes of requests.
const WAITING: usize = 64 * 1024 * 1024;
/// Permits are of so many bytes.
const PERMIT: usize = 1024;

/// A piece of work on its way.
pub(super) struct Item {
    pub(super) work: Work,
    pub(super) answer: Answer,
    _permit: OwnedSemaphorePermit,
}

/// The way to the writer. When the last one is dropped, the writer ends.
#[derive(Clone, Debug)]
pub(in crate::store) struct Queue {
    sender: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
}

impl Queue {
    /// The way to the writer, and its end at the writer.
    pub(super) fn new() -> (Self, mpsc::Receiver<Item>) {
        let (sender, items) = mpsc::channel();
        let room = Arc::new(Semaphore::new(WAITING / PERMIT));
        (Self { sender, room }, items)
    }

    /// Waits for room in the queue, and then for the commit.
    pub(in crate::store) async fn write(&self, work: Work) -> Result<Stored, Arc<StoreError>> {
        let permits = work.bytes().min(WAITING).div_ceil(PERMIT);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        let permit = room.map_err(|_| StoreError::Ended)?;
        let (answer, answered) = oneshot::channel();
        let item = Item {
            work,
            answer,
            _permit: permit,
        };
        // If the writer is gone, so is the answer's sender.
        self.sender.send(item).ok();
        answered
            .await
            .unwrap_or_else(|_| Err(Arc::new(StoreError::Ended)))
    }
}
