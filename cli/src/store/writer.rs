//! The one thread that writes: whole requests, many to a transaction, acknowledged when it is
//! committed.
//!
//! While one transaction is committed the next requests wait in the channel and make up the
//! next, so that the load decides how many share a commit. What waits is bounded by the
//! receiver, which holds each request's bytes until its answer.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{
    Bounds, Changes, StoreError,
    chunk::{Chunk, Kind, time},
    ids,
    intern::{Interner, bytes_at, text_at},
    issues::Issues,
    merge::Merger,
    outbox::Outbox,
    parse::{Parsed, RecordItem, SpanItem},
    points,
    red::{self, Red},
    retention::Retention,
    subjects::{Sight, Subjects},
    token,
    traces::{self, Newest},
};

/// A transaction takes no more than this before it is committed, in bytes of requests.
const TRANSACTION: usize = 8 * 1024 * 1024;

/// How often the counts of requests by endpoint are written, and old data is looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// The log of what is not in the database yet is folded into it when it is this long, in bytes, or
/// an eighth of the bound on the database. A longer one saves nothing, as most pages in it are
/// there again and again.
const LONGEST_LOG: u64 = 16 * 1024 * 1024;
const SHORTEST_LOG: u64 = 1024 * 1024;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Work {
    Spans(Parsed<SpanItem>),
    Records(Parsed<RecordItem>),
    Points {
        request:
            Box<opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest>,
        body: bytes::Bytes,
    },
    Envelope(Box<super::issues::SentryEnvelope>),
    /// Marks an issue as resolved, or as open again.
    Resolve {
        issue: i64,
        resolved: bool,
    },
    /// These of the outbox have arrived.
    Forwarded(Vec<i64>),
}

impl Work {
    fn bytes(&self) -> usize {
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

/// What waits or is being written may be this long, in bytes of requests. The receiver has a
/// bound too; this one also holds for requests whose clients went away.
const WAITING: usize = 64 * 1024 * 1024;
/// Permits are of so many bytes.
const PERMIT: usize = 1024;

/// A piece of work on its way.
struct Item {
    work: Work,
    answer: Answer,
    _permit: OwnedSemaphorePermit,
}

/// The way to the writer. When the last one is dropped, the writer ends.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
}

impl Queue {
    /// Waits for room in the queue, and then for the commit.
    pub(super) async fn write(&self, work: Work) -> Result<Stored, Arc<StoreError>> {
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

/// Starts the thread.
pub(super) fn start(
    connection: Connection,
    bounds: Bounds,
    outbox: Outbox,
    changes: watch::Sender<Changes>,
) -> Result<(Queue, thread::JoinHandle<()>), StoreError> {
    let (sender, work) = mpsc::channel();
    let mut writer = Writer::new(connection, bounds, outbox, changes)?;
    let thread = thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || writer.run(&work))
        .map_err(StoreError::Thread)?;
    let room = Arc::new(Semaphore::new(WAITING / PERMIT));
    Ok((Queue { sender, room }, thread))
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
        let longest_log = (bounds.bytes / 8).clamp(SHORTEST_LOG, LONGEST_LOG);
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

    fn write_spans(
        &mut self,
        parsed: &Parsed<SpanItem>,
        received: i64,
    ) -> Result<Stored, StoreError> {
        // The borrow of the connection must not include the rest of the writer.
        let connection = &self.connection;
        let mut insert = connection.prepare_cached(
            "INSERT INTO span (id, chunk, position, length, trace, trace_high, span, parent, start,
                duration, service, name, route, kind, status, http_status, resource, scope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?;
        for group in &parsed.groups {
            let resource_body = bytes_at(&parsed.body, &group.resource);
            let resource = self.interner.resource(connection, resource_body)?;
            let scope = self
                .interner
                .scope(connection, bytes_at(&parsed.body, &group.scope))?;
            for item in &group.items {
                let bytes = bytes_at(&parsed.body, &item.bytes);
                let end = item.start.saturating_add(item.duration);
                let place = self
                    .spans
                    .add(bytes, &item.tokens, item.start, end, &mut self.chunks);
                self.span_traces.add(place.row, Some(item.trace));
                let name = self
                    .interner
                    .text(connection, text_at(&parsed.body, &item.name))?;
                let route = match &item.route {
                    Some(route) => Some(
                        self.interner
                            .text(connection, text_at(&parsed.body, route))?,
                    ),
                    None => None,
                };
                self.spans.mark(token::service(resource.service));
                for name in [Some(name), route].into_iter().flatten() {
                    self.spans.mark(token::name(name));
                }
                let (low, high) = ids(item.trace);
                insert.execute(params![
                    place.row,
                    place.chunk,
                    place.position,
                    i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                    low,
                    high,
                    item.span.cast_signed(),
                    item.parent.map(u64::cast_signed),
                    time(item.start),
                    time(item.duration),
                    resource.service,
                    name,
                    route,
                    item.kind,
                    item.status,
                    item.http_status,
                    resource.id,
                    scope
                ])?;
                if red::is_entry(item.kind, item.parent.is_some()) {
                    self.red.span(&red::Span {
                        row: place.row,
                        start: item.start,
                        duration: item.duration,
                        service: resource.service,
                        name,
                        kind: item.kind,
                        error: item.status == 2,
                    });
                    if let Some(named) = &item.named {
                        let failed = item.status == 2
                            || item.http_status.is_some_and(|status| status >= 500);
                        self.subjects
                            .span(item.start, resource.service, failed, named);
                    }
                } else {
                    self.red.seen_span(place.row);
                }
                // A failed span without an exception is an error only where a request came in.
                if item.status == 2
                    && (item.exception || red::is_entry(item.kind, item.parent.is_some()))
                {
                    self.issues.span(
                        connection,
                        &mut self.interner,
                        place.row,
                        bytes,
                        resource_body,
                    )?;
                }
                if self.spans.is_full() {
                    self.spans.write(connection, received)?;
                }
            }
        }
        let items = i64::try_from(parsed.count).unwrap_or(i64::MAX);
        self.outbox
            .add(connection, super::outbox::Kind::Traces, items, &parsed.body)?;
        Ok(Stored { items, refused: 0 })
    }

    fn write_records(
        &mut self,
        parsed: &Parsed<RecordItem>,
        received: i64,
    ) -> Result<Stored, StoreError> {
        let connection = &self.connection;
        let mut insert = connection.prepare_cached(
            "INSERT INTO record (id, chunk, position, length, time, severity, service, stream, event,
                trace, trace_high, span, resource, scope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        let mut index = connection.prepare_cached(
            "INSERT INTO record_text (rowid, body, attributes) VALUES (?1, ?2, ?3)",
        )?;
        for group in &parsed.groups {
            let resource_body = bytes_at(&parsed.body, &group.resource);
            let resource = self.interner.resource(connection, resource_body)?;
            let scope = self
                .interner
                .scope(connection, bytes_at(&parsed.body, &group.scope))?;
            for item in &group.items {
                let bytes = bytes_at(&parsed.body, &item.bytes);
                // A record that has no time at all happened when it came.
                let happened = match item.time {
                    0 => received.unsigned_abs(),
                    time => time,
                };
                let place =
                    self.records
                        .add(bytes, &item.tokens, happened, happened, &mut self.chunks);
                let mut text = |part: &Option<super::parse::Part>| match part {
                    Some(part) => self
                        .interner
                        .text(connection, text_at(&parsed.body, part))
                        .map(Some),
                    None => Ok(None),
                };
                let (stream, event) = (text(&item.stream)?, text(&item.event)?);
                self.record_traces.add(place.row, item.trace);
                let trace = item.trace.map(ids);
                insert.execute(params![
                    place.row,
                    place.chunk,
                    place.position,
                    i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                    time(happened),
                    item.severity,
                    resource.service,
                    stream,
                    event,
                    trace.map(|(low, _)| low),
                    trace.map(|(_, high)| high),
                    item.span.map(u64::cast_signed),
                    resource.id,
                    scope
                ])?;
                index.execute(params![place.row, item.body, item.attributes])?;
                self.red.record(
                    place.row,
                    happened,
                    resource.service,
                    (stream.unwrap_or(0), event.unwrap_or(0)),
                    item.severity,
                );
                if let Some(named) = &item.named {
                    let name = |part: &Option<_>| {
                        part.as_ref().map_or("", |part| text_at(&parsed.body, part))
                    };
                    let sight = Sight {
                        time: happened,
                        service: resource.service,
                        stream: stream.unwrap_or(0),
                        event: event.unwrap_or(0),
                        stream_name: name(&item.stream),
                        event_name: name(&item.event),
                    };
                    self.subjects.record(&sight, named);
                }
                if item.severity >= 17 {
                    self.issues.record(
                        connection,
                        &mut self.interner,
                        place.row,
                        happened,
                        super::issues::Sent {
                            item: bytes,
                            scope: bytes_at(&parsed.body, &group.scope),
                            resource: resource_body,
                        },
                    )?;
                }
                if self.records.is_full() {
                    self.records.write(connection, received)?;
                }
            }
        }
        let items = i64::try_from(parsed.count).unwrap_or(i64::MAX);
        self.outbox
            .add(connection, super::outbox::Kind::Logs, items, &parsed.body)?;
        Ok(Stored { items, refused: 0 })
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

    fn upkeep(&mut self) {
        let written = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.red.write(&self.connection)?;
            self.subjects.write(&self.connection)?;
            self.outbox.upkeep(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(())
        })();
        if let Err(error) = written {
            self.roll_back();
            tracing::warn!(%error, "cannot write the counts of what is stored");
        }
    }

    /// Puts small pieces together.
    fn tidy(&mut self) {
        let tidied = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            traces::merge(Kind::Spans, &self.connection)?;
            traces::merge(Kind::Records, &self.connection)?;
            for merger in &mut self.mergers {
                merger.run(&self.connection)?;
            }
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(())
        })();
        if let Err(error) = tidied {
            for merger in &mut self.mergers {
                merger.give_up();
            }
            self.roll_back();
            tracing::warn!(%error, "cannot put small pieces together");
        }
    }

    fn delete(&mut self) {
        let deleted = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let deleted = self.retention.run(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(deleted)
        })();
        match deleted {
            Ok(0) => {}
            Ok(deleted) => self
                .changes
                .send_modify(|changes| changes.deleted += deleted),
            Err(error) => {
                self.retention.give_up();
                self.roll_back();
                tracing::warn!(%error, "cannot delete what is old");
            }
        }
    }

    /// Folds the log into the database where it has become long. The thread of the checkpoints
    /// has done most of it, but never all of it while something is written, and only then the
    /// log begins anew.
    fn fold(&mut self) {
        let length = self.log_bytes();
        if length <= self.longest_log {
            self.unfolded = 0;
        } else if length >= self.unfolded + self.longest_log / 4 {
            self.unfolded = length;
            self.connection
                .pragma(None, "wal_checkpoint", "passive", |_| Ok(()))
                .ok();
        }
    }

    fn log_bytes(&self) -> u64 {
        self.connection
            .path()
            .and_then(|path| std::fs::metadata(format!("{path}-wal")).ok())
            .map_or(0, |log| log.len())
    }
}
