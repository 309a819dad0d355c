//! Spans and log records become rows, and are counted for all that looks at them later.

use rusqlite::params;

use super::{Stored, Writer};
use crate::store::{
    StoreError,
    chunk::time,
    ids,
    intern::{bytes_at, text_at},
    issues, outbox,
    parse::{Parsed, Part, RecordItem, SpanItem},
    red,
    subjects::Sight,
    token,
};

impl Writer {
    pub(super) fn write_spans(
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
            .add(connection, outbox::Kind::Traces, items, &parsed.body)?;
        Ok(Stored { items, refused: 0 })
    }

    pub(super) fn write_records(
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
                let mut text = |part: &Option<Part>| match part {
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
                        issues::Sent {
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
            .add(connection, outbox::Kind::Logs, items, &parsed.body)?;
        Ok(Stored { items, refused: 0 })
    }
}
