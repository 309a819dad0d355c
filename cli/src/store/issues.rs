//! Errors as issues: each occurrence is stored once, however many tell of it, and its issue
//! counts it.
//!
//! The rules are those of [`crate::issue`]; here they meet the rows. A transaction may bring
//! thousands of occurrences of one issue, so what changes of an issue stays in memory until
//! the transaction's end ([`tally`]).

mod kept;
mod tally;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope, logs::v1::LogRecord, resource::v1::Resource, trace::v1::Span,
};
use rusqlite::{Connection, params};

use super::{StoreError, chunk::time, intern::Interner, reader::decode};
use crate::{
    issue::{Merge, Occurrence, Source, Sources, closest},
    sentry::{Event, start},
};
use tally::Tally;

pub(super) use tally::MINUTE;

/// So many occurrences of an issue are kept, the newest.
const OCCURRENCES: i64 = 1_000;

/// A program that makes an issue of each error must not fill the disk with them.
const ISSUES: i64 = 10_000;

/// The longest message that is kept of an occurrence, in bytes: the record has it whole.
const MESSAGE: usize = 8 * 1024;

/// The longest of all other texts.
const NAME: usize = 1024;

/// How many resources and scopes stay decoded.
const DECODED: usize = 256;

/// What one envelope brought.
#[derive(Debug)]
pub(crate) struct SentryEnvelope {
    pub(crate) events: Vec<Event>,
    /// As it came, to be passed on.
    pub(crate) raw: Bytes,
    /// Nanoseconds since 1970.
    pub(crate) received: u64,
}

/// An item's bytes, with those of what it shares with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    pub(super) item: &'a [u8],
    pub(super) scope: &'a [u8],
    pub(super) resource: &'a [u8],
}

/// Where the whole of an occurrence is found.
#[derive(Debug, Default)]
struct Whole {
    event: Option<Vec<u8>>,
    record: Option<Told>,
    span: Option<Told>,
}

/// The row of a record or a span, and when it says that it happened.
#[derive(Clone, Copy, Debug)]
struct Told {
    row: i64,
    time: i64,
}

/// The writer's side of issues.
#[derive(Debug)]
pub(super) struct Issues {
    changed: u64,
    tally: Tally,
    resources: HashMap<Box<[u8]>, Arc<Resource>>,
    scopes: HashMap<Box<[u8]>, Arc<InstrumentationScope>>,
}

impl Default for Issues {
    fn default() -> Self {
        Self::within(OCCURRENCES, ISSUES)
    }
}

impl Issues {
    /// With at most so many occurrences of an issue, and so many issues.
    fn within(occurrences: i64, issues: i64) -> Self {
        Self {
            changed: 0,
            tally: Tally::new(occurrences, issues),
            resources: HashMap::new(),
            scopes: HashMap::new(),
        }
    }

    /// Takes one event of Sentry's.
    pub(super) fn event(
        &mut self,
        connection: &Connection,
        interner: &mut Interner,
        event: &Event,
        received: u64,
    ) -> Result<(), StoreError> {
        let occurrence = Occurrence::from_event(event, received);
        // What the event cannot be written as is no reason to lose that it happened.
        let json = serde_json::to_vec(event).unwrap_or_default();
        let body = zstd::bulk::compress(&json, 1).map_err(StoreError::Compress)?;
        let whole = Whole {
            event: Some(body),
            ..Whole::default()
        };
        self.add(connection, interner, occurrence, whole)
    }

    /// Takes a record of severity ERROR or above, which lies in this row and happened then.
    pub(super) fn record(
        &mut self,
        connection: &Connection,
        interner: &mut Interner,
        row: i64,
        happened: u64,
        sent: Sent<'_>,
    ) -> Result<(), StoreError> {
        let record: LogRecord = decode(sent.item)?;
        let resource = shared(&mut self.resources, sent.resource)?;
        let scope = shared(&mut self.scopes, sent.scope)?;
        let Some(occurrence) = Occurrence::from_record(&record, Some(&scope), &resource) else {
            return Ok(());
        };
        let occurrence = Occurrence {
            time: happened,
            ..occurrence
        };
        let whole = Whole {
            record: Some(Told {
                row,
                time: time(happened),
            }),
            ..Whole::default()
        };
        self.add(connection, interner, occurrence, whole)
    }

    /// Takes the exceptions of a failed span, which lies in this row.
    pub(super) fn span(
        &mut self,
        connection: &Connection,
        interner: &mut Interner,
        row: i64,
        bytes: &[u8],
        resource: &[u8],
    ) -> Result<(), StoreError> {
        let span: Span = decode(bytes)?;
        let resource = shared(&mut self.resources, resource)?;
        for mut occurrence in Occurrence::from_span(&span, &resource) {
            if occurrence.time == 0 {
                occurrence.time = span.end_time_unix_nano.max(span.start_time_unix_nano);
            }
            let whole = Whole {
                span: Some(Told {
                    row,
                    time: time(occurrence.time),
                }),
                ..Whole::default()
            };
            self.add(connection, interner, occurrence, whole)?;
        }
        Ok(())
    }

    /// Marks an issue as resolved, from its last release on; or as open again.
    pub(super) fn resolve(
        &mut self,
        connection: &Connection,
        issue: i64,
        resolved: bool,
    ) -> Result<(), StoreError> {
        // What came in this transaction happened before.
        self.tally.write(connection)?;
        if resolved {
            connection
                .prepare_cached(
                    "UPDATE issue SET status = 'resolved', resolved_at = max(?2, last_seen),
                        resolved_in = last_release, regressed_at = NULL, regressed_in = NULL
                     WHERE id = ?1",
                )?
                .execute([issue, super::now()])?;
        } else {
            connection
                .prepare_cached(
                    "UPDATE issue SET status = 'open', resolved_at = NULL, resolved_in = NULL,
                        regressed_at = NULL, regressed_in = NULL
                     WHERE id = ?1",
                )?
                .execute([issue])?;
        }
        Ok(())
    }

    /// Writes what this transaction changed of the issues. Before it is committed.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.tally.write(connection)
    }

    /// Forgets what was not written.
    pub(super) fn roll_back(&mut self) {
        self.changed = 0;
        self.tally.clear();
    }

    pub(super) fn take_changed(&mut self) -> u64 {
        std::mem::take(&mut self.changed)
    }

    fn add(
        &mut self,
        connection: &Connection,
        interner: &mut Interner,
        mut occurrence: Occurrence,
        whole: Whole,
    ) -> Result<(), StoreError> {
        shorten(&mut occurrence);
        let known = kept::same_trace_or_event(connection, &occurrence)?;
        let failures: Vec<_> = known
            .iter()
            .map(|kept| kept.failure(occurrence.source))
            .collect();
        let found = closest(&failures, &occurrence.failure());
        match found.and_then(|(place, merge)| Some((known.get(place)?, merge))) {
            Some((kept, Merge::Keep(sources))) => {
                connection
                    .prepare_cached(
                        "UPDATE occurrence SET sources = ?2, record = coalesce(record, ?3),
                            of_span = coalesce(of_span, ?4), user = coalesce(user, ?5),
                            record_time = coalesce(record_time, ?6),
                            span_time = coalesce(span_time, ?7)
                         WHERE id = ?1",
                    )?
                    .execute(params![
                        kept.id,
                        sources.0,
                        whole.record.map(|told| told.row),
                        whole.span.map(|told| told.row),
                        occurrence.user,
                        whole.record.map(|told| told.time),
                        whole.span.map(|told| told.time),
                    ])?;
            }
            Some((kept, Merge::Replace(sources))) => {
                let issue = self.tally.issue(connection, interner, &occurrence)?;
                connection
                    .prepare_cached("DELETE FROM occurrence WHERE id = ?1")?
                    .execute([kept.id])?;
                self.tally.leave(connection, kept.issue, kept.time)?;
                let whole = Whole {
                    event: whole.event,
                    record: whole.record.or(kept.record),
                    span: whole.span.or(kept.span),
                };
                self.tally.enter(issue, &occurrence);
                insert(
                    connection,
                    interner,
                    Some(kept.id),
                    issue,
                    (&occurrence, sources),
                    &whole,
                )?;
                self.changed += 1;
            }
            Some((_, Merge::Separate)) | None => {
                let issue = self.tally.issue(connection, interner, &occurrence)?;
                self.tally.enter(issue, &occurrence);
                let sources = occurrence.source.into();
                insert(
                    connection,
                    interner,
                    None,
                    issue,
                    (&occurrence, sources),
                    &whole,
                )?;
                self.changed += 1;
            }
        }
        Ok(())
    }
}

fn insert(
    connection: &Connection,
    interner: &mut Interner,
    id: Option<i64>,
    issue: i64,
    (occurrence, sources): (&Occurrence, Sources),
    whole: &Whole,
) -> Result<(), StoreError> {
    let trace = occurrence
        .trace_id
        .map(|trace| super::ids(u128::from_be_bytes(trace.to_bytes())));
    let span = occurrence
        .span_id
        .map(|span| i64::from_be_bytes(span.to_bytes()));
    connection
        .prepare_cached(
            "INSERT INTO occurrence (id, issue, time, source, sources, event, trace, trace_high,
                span, kind, message, log_message, culprit, level, handled, service, release,
                environment, user, body, record, of_span, record_time, span_time)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )?
        .execute(params![
            id,
            issue,
            time(occurrence.time),
            Sources::from(occurrence.source).0,
            sources.0,
            occurrence.event_id,
            trace.map(|(low, _)| low),
            trace.map(|(_, high)| high),
            span,
            occurrence.exception_type,
            occurrence.message,
            occurrence.log_message,
            occurrence.culprit,
            occurrence.level.as_str(),
            occurrence.handled,
            interner.text(connection, &occurrence.service)?,
            occurrence.release,
            occurrence.environment,
            occurrence.user,
            whole.event,
            whole.record.map(|told| told.row),
            whole.span.map(|told| told.row),
            whole.record.map(|told| told.time),
            whole.span.map(|told| told.time),
        ])?;
    Ok(())
}

/// Who told, from the number that a row has.
pub(super) fn source(number: u8) -> Source {
    match number {
        1 => Source::Span,
        2 => Source::LogRecord,
        _ => Source::Sentry,
    }
}

/// Cuts what is too long to be kept beside the record, the span or the event.
fn shorten(occurrence: &mut Occurrence) {
    fn cut(text: &mut String, longest: usize) {
        let end = start(text, longest).len();
        text.truncate(end);
    }
    cut(&mut occurrence.message, MESSAGE);
    if let Some(message) = &mut occurrence.log_message {
        cut(message, MESSAGE);
    }
    cut(&mut occurrence.service, NAME);
    for text in [
        &mut occurrence.release,
        &mut occurrence.environment,
        &mut occurrence.exception_type,
        &mut occurrence.culprit,
        &mut occurrence.user,
    ]
    .into_iter()
    .flatten()
    {
        cut(text, NAME);
    }
}

/// What many items share, decoded once.
fn shared<M: prost::Message + Default>(
    decoded: &mut HashMap<Box<[u8]>, Arc<M>>,
    bytes: &[u8],
) -> Result<Arc<M>, StoreError> {
    if let Some(message) = decoded.get(bytes) {
        return Ok(Arc::clone(message));
    }
    let message = Arc::new(decode::<M>(bytes)?);
    if decoded.len() == DECODED {
        decoded.clear();
    }
    decoded.insert(bytes.into(), Arc::clone(&message));
    Ok(message)
}

/// Deletes occurrences from before `before`, and issues of which none is left; of a database
/// that is `full` the oldest tenth of the occurrences goes too.
pub(super) fn sweep(connection: &Connection, before: i64, full: bool) -> Result<(), StoreError> {
    let mut issues = connection.prepare("SELECT id FROM issue")?;
    let issues: Vec<i64> = issues
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut old = connection.prepare("DELETE FROM occurrence WHERE issue = ?1 AND time < ?2")?;
    let mut minutes =
        connection.prepare("DELETE FROM issue_volume WHERE issue = ?1 AND minute < ?2")?;
    for issue in issues {
        old.execute([issue, before])?;
        minutes.execute([issue, before / MINUTE])?;
    }
    if full {
        connection.execute(
            "DELETE FROM occurrence WHERE id <
                (SELECT min(id) + (max(id) - min(id)) / 10 FROM occurrence)",
            [],
        )?;
    }
    connection.execute(
        "DELETE FROM issue WHERE last_seen < ?1 AND NOT EXISTS
            (SELECT 1 FROM occurrence WHERE occurrence.issue = issue.id)",
        [before],
    )?;
    Ok(())
}
