//! Spans.

use std::{sync::Arc, time::Duration};

use opentelemetry_proto::tonic::trace::v1::Span;
use rusqlite::{OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{Page, Query, Reader, Stored, chunks::Range, item::decode, query::Term};
use crate::{
    store::{StoreError, chunk::Kind, token, trace_of},
    wire::{self, SpanView, ValueView},
};

/// How a span, or a trace, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Error,
}

/// Which spans are looked for. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanFilter {
    pub(crate) service: Option<String>,
    /// A span's name, or its `http.route`.
    pub(crate) route: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) min: Option<Duration>,
    pub(crate) max: Option<Duration>,
    /// Began at or after this, in nanoseconds since 1970.
    pub(crate) since: Option<i64>,
    pub(crate) query: Query,
}

/// A span as lists need it.
#[derive(Clone, Debug)]
pub(crate) struct SpanRow {
    pub(crate) id: i64,
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) parent: Option<u64>,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) duration: u64,
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) kind: i32,
    pub(crate) error: bool,
    pub(crate) http_status: Option<i64>,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: i64,
    position: i64,
    length: i64,
    resource: Option<i64>,
    scope: Option<i64>,
}

/// What a filter is to the database.
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// What a chunk has that has such spans.
    pub(super) marks: Vec<u32>,
}

pub(super) const COLUMNS: &str = "id, trace, trace_high, span, parent, start, duration, service, name, kind, \
    status, http_status, chunk, position, length, resource, scope";

impl Reader {
    /// Spans that fit, the newest first, older than the row `before`.
    pub(crate) fn spans(
        &self,
        filter: &SpanFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<SpanRow>, StoreError> {
        let Some(conditions) = self.span_conditions(filter)? else {
            return Ok(Page::default());
        };
        if filter.query.is_empty() && conditions.marks.is_empty() {
            return self.spans_by_row(conditions, before, limit);
        }
        self.spans_by_chunk(filter, &conditions, before, limit)
    }

    /// The spans of these rows, in their order, with all that came.
    pub(crate) fn decode_spans(&self, rows: &[SpanRow]) -> Result<Vec<Stored<Span>>, StoreError> {
        // A chunk is opened once, whatever the order.
        let mut by_chunk: Vec<usize> = (0..rows.len()).collect();
        by_chunk.sort_by_key(|&row| rows[row].place.chunk);
        let mut spans: Vec<Option<Stored<Span>>> = vec![None; rows.len()];
        for row in by_chunk {
            let SpanRow {
                id, service, place, ..
            } = &rows[row];
            let Some(bytes) = self.bytes_at(place.chunk, place.position, place.length)? else {
                continue;
            };
            spans[row] = Some(Stored {
                id: *id,
                service: Arc::clone(service),
                resource: self.resource(place.resource)?,
                scope: self.scope(place.scope)?,
                item: decode(&bytes)?,
            });
        }
        Ok(spans.into_iter().flatten().collect())
    }

    /// The bytes of one item.
    pub(super) fn bytes_at(
        &self,
        chunk: i64,
        position: i64,
        length: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(body) = self.chunk(chunk)? else {
            return Ok(None);
        };
        let from = usize::try_from(position).unwrap_or_default();
        let to = from.saturating_add(usize::try_from(length).unwrap_or_default());
        Ok(body.get(from..to).map(<[u8]>::to_vec))
    }

    /// The conditions in SQL; `None` where nothing can fit, as a name does not occur at all.
    pub(super) fn span_conditions(
        &self,
        filter: &SpanFilter,
    ) -> Result<Option<Conditions>, StoreError> {
        let mut sql = String::from("1");
        let mut values = Vec::new();
        let mut marks = Vec::new();
        if let Some(service) = &filter.service {
            let Some(id) = self.id_of(service)? else {
                return Ok(None);
            };
            sql.push_str(" AND service = ?");
            values.push(Value::Integer(id));
            marks.push(token::service(id));
        }
        if let Some(route) = &filter.route {
            let Some(id) = self.id_of(route)? else {
                return Ok(None);
            };
            sql.push_str(" AND (name = ? OR route = ?)");
            values.extend([Value::Integer(id), Value::Integer(id)]);
            marks.push(token::name(id));
        }
        match filter.status {
            Some(Status::Error) => sql.push_str(" AND status = 2"),
            Some(Status::Ok) => sql.push_str(" AND status <> 2"),
            None => {}
        }
        if let Some(min) = filter.min {
            let min = i64::try_from(min.as_nanos()).unwrap_or(i64::MAX);
            if min >= 100_000_000 {
                // So that the index of slow spans may be used.
                sql.push_str(" AND duration >= 100000000");
            }
            sql.push_str(" AND duration >= ?");
            values.push(Value::Integer(min));
        }
        if let Some(max) = filter.max {
            sql.push_str(" AND duration <= ?");
            values.push(Value::Integer(
                i64::try_from(max.as_nanos()).unwrap_or(i64::MAX),
            ));
        }
        if let Some(since) = filter.since {
            let Some(first) = self.first_since(1, since)? else {
                return Ok(None);
            };
            sql.push_str(" AND start >= ? AND id >= ?");
            values.extend([Value::Integer(since), Value::Integer(first)]);
        }
        Ok(Some(Conditions { sql, values, marks }))
    }

    /// The first row of the first chunk that has something as late as `since`.
    pub(super) fn first_since(&self, signal: i64, since: i64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT min(first) FROM chunk WHERE signal = ?1 AND latest >= ?2")?
            .query_row([signal, since], |row| row.get(0))?)
    }

    fn spans_by_row(
        &self,
        Conditions {
            sql: conditions,
            mut values,
            ..
        }: Conditions,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<SpanRow>, StoreError> {
        values.push(Value::Integer(before.unwrap_or(i64::MAX)));
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM span WHERE {conditions} AND id < ? ORDER BY id DESC LIMIT {}",
            limit + 1
        ))?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut page = Page::default();
        while let Some(row) = rows.next()? {
            if page.items.len() == limit {
                page.next = page.items.last().map(|last: &SpanRow| last.id);
                break;
            }
            page.items.push(self.span_row(row)?);
        }
        Ok(page)
    }

    /// Goes through the chunks that may have what is looked for, the newest first.
    fn spans_by_chunk(
        &self,
        filter: &SpanFilter,
        conditions: &Conditions,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<SpanRow>, StoreError> {
        let words: Vec<String> = filter
            .query
            .words
            .iter()
            .map(|word| word.trim_end_matches('*').to_lowercase())
            .collect();
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM span WHERE {} AND id BETWEEN ? AND ? ORDER BY id DESC",
            conditions.sql
        ))?;
        let range = Range {
            kind: Kind::Spans,
            marks: &conditions.marks,
            since: filter.since,
            before,
            limit,
        };
        self.through_chunks(
            &filter.query,
            range,
            |row: &SpanRow| row.id,
            |first, last, room| {
                let mut values = conditions.values.clone();
                values.extend([Value::Integer(first), Value::Integer(last)]);
                let mut rows = select.query(params_from_iter(values))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let span = self.span_row(row)?;
                    let Place {
                        chunk,
                        position,
                        length,
                        ..
                    } = span.place;
                    if !filter.query.is_empty() {
                        let Some(bytes) = self.bytes_at(chunk, position, length)? else {
                            continue;
                        };
                        if !matches(&bytes, &filter.query.terms, &words) {
                            continue;
                        }
                    }
                    found.push(span);
                    if found.len() == room {
                        break;
                    }
                }
                Ok(found)
            },
        )
    }

    pub(super) fn span_row(&self, row: &Row<'_>) -> Result<SpanRow, StoreError> {
        Ok(SpanRow {
            id: row.get(0)?,
            trace: trace_of(row.get(1)?, row.get(2)?),
            span: row.get::<_, i64>(3)?.cast_unsigned(),
            parent: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
            start: row.get::<_, i64>(5)?.unsigned_abs(),
            duration: row.get::<_, i64>(6)?.unsigned_abs(),
            service: self.text(row.get(7)?)?,
            name: self.text(row.get(8)?)?,
            kind: row.get(9)?,
            error: row.get::<_, i64>(10)? == 2,
            http_status: row.get(11)?,
            place: Place {
                chunk: row.get(12)?,
                position: row.get(13)?,
                length: row.get(14)?,
                resource: row.get(15)?,
                scope: row.get(16)?,
            },
        })
    }

    /// The newest spans of one name of one service.
    pub(crate) fn namesakes(&self, of: &SpanRow, limit: usize) -> Result<Vec<SpanRow>, StoreError> {
        let (Some(service), Some(name)) = (self.id_of(&of.service)?, self.id_of(&of.name)?) else {
            return Ok(Vec::new());
        };
        let conditions = Conditions {
            sql: "service = ? AND name = ?".to_owned(),
            values: vec![Value::Integer(service), Value::Integer(name)],
            marks: vec![token::service(service), token::name(name)],
        };
        Ok(self
            .spans_by_chunk(&SpanFilter::default(), &conditions, None, limit)?
            .items)
    }

    /// When a span that has this row began, in nanoseconds since 1970; 0 where there is none.
    pub(crate) fn span_start(&self, row: i64) -> Result<u64, StoreError> {
        let start: Option<i64> = self
            .connection
            .prepare_cached("SELECT start FROM span WHERE id >= ?1 ORDER BY id LIMIT 1")?
            .query_row([row], |row| row.get(0))
            .optional()?;
        Ok(start.unwrap_or_default().unsigned_abs())
    }

    /// The traces whose first span took longest, the longest first; of one service, those in
    /// which it answered longest.
    pub(crate) fn slowest(
        &self,
        since: i64,
        service: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SpanRow>, StoreError> {
        let service = match service {
            Some(name) => match self.id_of(name)? {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Mostly there are enough slow ones, and those have an index.
        for slow in ["duration >= 100000000", "1"] {
            let mut select = self.connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM span WHERE {slow} AND start >= ?1
                    AND (?2 IS NULL OR service = ?2)
                    AND (parent IS NULL OR (?2 IS NOT NULL AND kind IN (2, 5)))
                 ORDER BY duration DESC LIMIT ?3"
            ))?;
            let mut rows = select.query(params![since, service, limit])?;
            let mut spans = Vec::new();
            while let Some(row) = rows.next()? {
                spans.push(self.span_row(row)?);
            }
            if slow == "1" || i64::try_from(spans.len()).unwrap_or(i64::MAX) == limit {
                return Ok(spans);
            }
        }
        Ok(Vec::new())
    }

    /// A span by its row, with all that came.
    pub(crate) fn span_of_row(
        &self,
        id: i64,
    ) -> Result<Option<(SpanRow, Stored<Span>)>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM span WHERE id = ?1"))?;
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let row = self.span_row(row)?;
        let span = self.decode_spans(std::slice::from_ref(&row))?.pop();
        Ok(span.map(|span| (row, span)))
    }
}

/// Whether a span has all terms among its attributes, and all words in its name or in a value.
fn matches(span: &[u8], terms: &[Term], words: &[String]) -> bool {
    let mut found_terms = vec![false; terms.len()];
    let mut found_words = vec![false; words.len()];
    let mut look = |text: &str| {
        for (word, found) in words.iter().zip(&mut found_words) {
            *found = *found || contains(text, word);
        }
    };
    let read = SpanView::read(span, |attribute| {
        has(&attribute, terms, &mut found_terms);
        if let Some(text) = attribute.value.text() {
            look(text);
        }
    });
    if let Ok(span) = read {
        look(span.name);
    }
    found_terms.iter().all(|found| *found) && found_words.iter().all(|found| *found)
}

/// Marks the terms that an attribute meets.
pub(super) fn has(attribute: &wire::AttributeView<'_>, terms: &[Term], found: &mut [bool]) {
    for (term, found) in terms.iter().zip(found) {
        if !*found && attribute.key == term.key {
            *found = term.value == "*" || is(attribute.value, &term.value);
        }
    }
}

fn is(value: ValueView<'_>, text: &str) -> bool {
    match value {
        ValueView::Text(value) => value == text,
        ValueView::Int(value) => text.parse() == Ok(value),
        ValueView::Bool(value) => text.parse() == Ok(value),
        ValueView::Double(value) => text.parse() == Ok(value),
        ValueView::Nested(message) => {
            let mut any = false;
            wire::leaves(message, &mut |leaf| {
                any = any || is(leaf, text);
                !any
            });
            any
        }
        ValueView::Empty | ValueView::Bytes(_) => false,
    }
}

/// Whether `text` contains `word`, which is in lower case.
pub(super) fn contains(text: &str, word: &str) -> bool {
    if word.is_ascii() {
        let word = word.as_bytes();
        return word.is_empty()
            || text
                .as_bytes()
                .windows(word.len())
                .any(|window| window.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}
