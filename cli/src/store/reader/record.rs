//! Log records.

use std::sync::Arc;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use rusqlite::{OptionalExtension, Row, params_from_iter, types::Value};

use super::{Page, Query, Reader, Stored, chunks::Range, item::decode, rows::AMONG, span::has};
use crate::{
    store::{StoreError, chunk::Kind, ids, trace_of},
    wire::RecordView,
};

/// A trace of more records than this is shown in part.
const RECORDS: i64 = 5_000;

/// A stream of more events than this is gone through by its records.
const EVENTS: usize = 64;

/// A stream and the names that it has.
struct Events {
    stream: i64,
    events: Vec<i64>,
}

/// Which records are looked for. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordFilter {
    pub(crate) service: Option<String>,
    /// A `log.category`; `error` is every record of that level, and `app` what has no category.
    pub(crate) stream: Option<String>,
    pub(crate) event: Option<String>,
    /// The least severity number.
    pub(crate) severity: Option<i32>,
    pub(crate) trace: Option<u128>,
    /// Happened at or after this, in nanoseconds since 1970.
    pub(crate) since: Option<i64>,
    pub(crate) query: Query,
}

/// A record as the index has it.
#[derive(Clone, Debug)]
pub(crate) struct RecordRow {
    pub(crate) id: i64,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) severity: i32,
    pub(crate) service: Arc<str>,
    /// `log.category`.
    pub(crate) stream: Option<Arc<str>>,
    pub(crate) event: Option<Arc<str>>,
    pub(crate) trace: Option<u128>,
    pub(crate) span: Option<u64>,
    chunk: i64,
    position: i64,
    length: i64,
    resource: Option<i64>,
    scope: Option<i64>,
}

const COLUMNS: &str = "id, time, severity, service, stream, event, trace, trace_high, span, chunk, \
    position, length, resource, scope";

impl Reader {
    /// Records that fit, the newest first, older than the row `before`.
    pub(crate) fn records(
        &self,
        filter: &RecordFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<(RecordRow, Stored<LogRecord>)>, StoreError> {
        let Some((conditions, values)) = self.record_conditions(filter)? else {
            return Ok(Page::default());
        };
        let rows = if filter.query.terms.is_empty() {
            self.records_by_row(filter, &conditions, values, before, limit)?
        } else {
            self.records_by_chunk(filter, &conditions, values, before, limit)?
        };
        let items = self.decode_records(rows.items)?;
        Ok(Page {
            items,
            next: rows.next,
            unfinished: rows.unfinished,
        })
    }

    /// Records that fit and arrived after the row `after`, the oldest first: what `tail`
    /// follows. `next` is the row to go on after, where there may be more.
    pub(crate) fn records_after(
        &self,
        filter: &RecordFilter,
        after: i64,
        limit: usize,
    ) -> Result<Page<(RecordRow, Stored<LogRecord>)>, StoreError> {
        let Some((conditions, mut values)) = self.record_conditions(filter)? else {
            return Ok(Page::default());
        };
        values.push(Value::Integer(after));
        let rows = self.record_rows(
            &format!("{conditions} AND id > ? ORDER BY id LIMIT {limit}"),
            values,
        )?;
        let mut page = Page::default();
        if rows.len() == limit {
            page.next = rows.last().map(|row| row.id);
        }
        for row in rows {
            let Some(bytes) = self.bytes_at(row.chunk, row.position, row.length)? else {
                continue;
            };
            if has_terms(&bytes, &filter.query.terms) {
                page.items.extend(self.decode_records(vec![row])?);
            }
        }
        Ok(page)
    }

    /// The newest record's row, to follow from there.
    pub(crate) fn last_record(&self) -> Result<i64, StoreError> {
        Ok(self
            .connection
            .query_row("SELECT coalesce(max(id), 0) FROM record", [], |row| {
                row.get(0)
            })?)
    }

    /// One record, and so many before and after it of the same service.
    pub(crate) fn records_around(
        &self,
        id: i64,
        around: usize,
    ) -> Result<Vec<(RecordRow, Stored<LogRecord>)>, StoreError> {
        let Some(row) = self.record_row(id)? else {
            return Ok(Vec::new());
        };
        let Some(service) = self.id_of(&row.service)? else {
            return Ok(Vec::new());
        };
        let mut rows = self.record_rows(
            &format!(
                "service = ? AND id <= ? ORDER BY id DESC LIMIT {}",
                around + 1
            ),
            vec![Value::Integer(service), Value::Integer(id)],
        )?;
        rows.reverse();
        rows.extend(self.record_rows(
            &format!("service = ? AND id > ? ORDER BY id LIMIT {around}"),
            vec![Value::Integer(service), Value::Integer(id)],
        )?);
        self.decode_records(rows)
    }

    /// One record by its row.
    pub(crate) fn record_row(&self, id: i64) -> Result<Option<RecordRow>, StoreError> {
        Ok(self
            .record_rows("id = ?", vec![Value::Integer(id)])?
            .into_iter()
            .next())
    }

    /// One record by its row, with all that came.
    pub(crate) fn record(
        &self,
        id: i64,
    ) -> Result<Option<(RecordRow, Stored<LogRecord>)>, StoreError> {
        let rows = self.record_row(id)?.into_iter().collect();
        Ok(self.decode_records(rows)?.pop())
    }

    pub(super) fn records_of_trace(
        &self,
        trace: u128,
    ) -> Result<Vec<Stored<LogRecord>>, StoreError> {
        let (low, high) = ids(trace);
        let rows = self.record_rows(
            &format!("{AMONG} AND trace = ? AND trace_high = ? ORDER BY time, id LIMIT {RECORDS}"),
            vec![
                Value::Text(self.rows_of_trace(Kind::Records, trace)?),
                Value::Integer(low),
                Value::Integer(high),
            ],
        )?;
        Ok(self
            .decode_records(rows)?
            .into_iter()
            .map(|(_, record)| record)
            .collect())
    }

    fn record_conditions(
        &self,
        filter: &RecordFilter,
    ) -> Result<Option<(String, Vec<Value>)>, StoreError> {
        let mut sql = String::from("1");
        let mut values = Vec::new();
        for (column, name) in [("service", &filter.service), ("event", &filter.event)] {
            if let Some(name) = name {
                let Some(id) = self.id_of(name)? else {
                    return Ok(None);
                };
                // A stream's event has an index that is worth more than the service's.
                let plus = if column == "service" && filter.event.is_some() {
                    "+"
                } else {
                    ""
                };
                sql.push_str(&format!(" AND {plus}{column} = ?"));
                values.push(Value::Integer(id));
            }
        }
        match filter.stream.as_deref() {
            None => {}
            Some("error") => sql.push_str(" AND severity >= 13 AND severity >= 17"),
            Some("app") => sql.push_str(" AND stream IS NULL"),
            Some(stream) => {
                let Some(id) = self.id_of(stream)? else {
                    return Ok(None);
                };
                // The index knows the order of arrival within one event only: see
                // `records_of_stream`.
                sql.push_str(if filter.event.is_some() {
                    " AND stream = ?"
                } else {
                    " AND +stream = ?"
                });
                values.push(Value::Integer(id));
            }
        }
        if let Some(severity) = filter.severity {
            if severity >= 13 {
                // So that the index of warnings may be used.
                sql.push_str(" AND severity >= 13");
            }
            sql.push_str(" AND severity >= ?");
            values.push(Value::Integer(severity.into()));
        }
        if let Some(trace) = filter.trace {
            let (low, high) = ids(trace);
            sql.push_str(&format!(" AND {AMONG} AND trace = ? AND trace_high = ?"));
            values.extend([
                Value::Text(self.rows_of_trace(Kind::Records, trace)?),
                Value::Integer(low),
                Value::Integer(high),
            ]);
        }
        if let Some(since) = filter.since {
            let Some(first) = self.first_since(2, since)? else {
                return Ok(None);
            };
            sql.push_str(" AND time >= ? AND id >= ?");
            values.extend([Value::Integer(since), Value::Integer(first)]);
        }
        if let Some(text) = filter.query.full_text() {
            sql.push_str(" AND id IN (SELECT rowid FROM record_text WHERE record_text MATCH ?)");
            values.push(Value::Text(text));
        }
        Ok(Some((sql, values)))
    }

    fn records_by_row(
        &self,
        filter: &RecordFilter,
        conditions: &str,
        mut values: Vec<Value>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<RecordRow>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        values.push(Value::Integer(before));
        let mut items = if let Some(text) = filter.query.full_text() {
            // The index gives its matches in the order of rows; the rest is looked up for each.
            let others = conditions.replace(
                " AND id IN (SELECT rowid FROM record_text WHERE record_text MATCH ?)",
                "",
            );
            values.retain(|value| *value != Value::Text(text.clone()));
            let mut bound = vec![Value::Text(text)];
            bound.push(Value::Integer(before));
            values.pop();
            bound.extend(values);
            self.rows_of(
                &format!(
                    "SELECT {COLUMNS} FROM record_text JOIN record ON record.id = record_text.rowid
                     WHERE record_text MATCH ? AND record_text.rowid < ? AND {others}
                     ORDER BY record_text.rowid DESC LIMIT {}",
                    limit + 1
                ),
                bound,
            )?
        } else {
            match self.stream_by_event(filter)? {
                Some(events) => self.records_of_stream(&events, conditions, &values, limit + 1)?,
                None => self.record_rows(
                    &format!(
                        "{conditions} AND id < ? ORDER BY id DESC LIMIT {}",
                        limit + 1
                    ),
                    values,
                )?,
            }
        };
        let mut page = Page::default();
        if items.len() > limit {
            items.truncate(limit);
            page.next = items.last().map(|last| last.id);
        }
        page.items = items;
        Ok(page)
    }

    /// The events of the stream that is asked for, where going through them is the shorter way.
    fn stream_by_event(&self, filter: &RecordFilter) -> Result<Option<Events>, StoreError> {
        let Some(stream) = &filter.stream else {
            return Ok(None);
        };
        // Warnings have an index of their own.
        let rare = filter.severity.is_some_and(|severity| severity >= 13);
        if rare || filter.event.is_some() || matches!(stream.as_str(), "error" | "app") {
            return Ok(None);
        }
        let Some(stream) = self.id_of(stream)? else {
            return Ok(None);
        };
        let mut events = Events {
            stream,
            events: Vec::new(),
        };
        let mut next = self.connection.prepare_cached(
            "SELECT event FROM record WHERE stream = ?1 AND event > ?2 ORDER BY event LIMIT 1",
        )?;
        let mut last = i64::MIN;
        while let Some(event) = next
            .query_row([stream, last], |row| row.get(0))
            .optional()?
        {
            if events.events.len() == EVENTS {
                return Ok(None);
            }
            events.events.push(event);
            last = event;
        }
        Ok(Some(events))
    }

    /// The newest of each event, of which the newest are the stream's.
    fn records_of_stream(
        &self,
        of: &Events,
        conditions: &str,
        values: &[Value],
        limit: usize,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let rest = format!("{conditions} AND id < ? ORDER BY id DESC LIMIT {limit}");
        // Told, since the planner would rather take the service's where one is asked for.
        let from =
            format!("SELECT {COLUMNS} FROM record INDEXED BY record_stream WHERE stream = ?");
        let mut found = self.rows_of(
            &format!("{from} AND event IS NULL AND {rest}"),
            [&[Value::Integer(of.stream)], values].concat(),
        )?;
        let one = format!("{from} AND event = ? AND {rest}");
        for event in &of.events {
            let mut bound = vec![Value::Integer(of.stream), Value::Integer(*event)];
            bound.extend_from_slice(values);
            found.extend(self.rows_of(&one, bound)?);
        }
        found.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        found.truncate(limit);
        Ok(found)
    }

    fn records_by_chunk(
        &self,
        filter: &RecordFilter,
        conditions: &str,
        values: Vec<Value>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<RecordRow>, StoreError> {
        let range = Range {
            kind: Kind::Records,
            marks: &[],
            since: filter.since,
            before,
            limit,
        };
        self.through_chunks(
            &filter.query,
            range,
            |row: &RecordRow| row.id,
            |first, last, room| {
                let mut values = values.clone();
                values.extend([Value::Integer(first), Value::Integer(last)]);
                let rows = self.record_rows(
                    &format!("{conditions} AND id BETWEEN ? AND ? ORDER BY id DESC"),
                    values,
                )?;
                let mut found = Vec::new();
                for row in rows {
                    let Some(bytes) = self.bytes_at(row.chunk, row.position, row.length)? else {
                        continue;
                    };
                    if has_terms(&bytes, &filter.query.terms) {
                        found.push(row);
                        if found.len() == room {
                            break;
                        }
                    }
                }
                Ok(found)
            },
        )
    }

    fn record_rows(&self, rest: &str, values: Vec<Value>) -> Result<Vec<RecordRow>, StoreError> {
        self.rows_of(
            &format!("SELECT {COLUMNS} FROM record WHERE {rest}"),
            values,
        )
    }

    fn rows_of(&self, sql: &str, values: Vec<Value>) -> Result<Vec<RecordRow>, StoreError> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.read_record(row)?);
        }
        Ok(found)
    }

    fn read_record(&self, row: &Row<'_>) -> Result<RecordRow, StoreError> {
        let name = |id: Option<i64>| id.map(|id| self.text(id)).transpose();
        let trace: Option<i64> = row.get(6)?;
        let high: Option<i64> = row.get(7)?;
        Ok(RecordRow {
            id: row.get(0)?,
            time: row.get::<_, i64>(1)?.unsigned_abs(),
            severity: row.get(2)?,
            service: self.text(row.get(3)?)?,
            stream: name(row.get(4)?)?,
            event: name(row.get(5)?)?,
            trace: trace.map(|low| trace_of(low, high.unwrap_or(0))),
            span: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
            chunk: row.get(9)?,
            position: row.get(10)?,
            length: row.get(11)?,
            resource: row.get(12)?,
            scope: row.get(13)?,
        })
    }

    /// The records of these rows with all that came; those that were deleted meanwhile are left
    /// out.
    fn decode_records(
        &self,
        rows: Vec<RecordRow>,
    ) -> Result<Vec<(RecordRow, Stored<LogRecord>)>, StoreError> {
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(bytes) = self.bytes_at(row.chunk, row.position, row.length)? else {
                continue;
            };
            let record = Stored {
                id: row.id,
                service: Arc::clone(&row.service),
                resource: self.resource(row.resource)?,
                scope: self.scope(row.scope)?,
                item: decode(&bytes)?,
            };
            records.push((row, record));
        }
        Ok(records)
    }
}

fn has_terms(record: &[u8], terms: &[super::Term]) -> bool {
    let mut found = vec![false; terms.len()];
    let read = RecordView::read(record, |attribute| has(&attribute, terms, &mut found));
    read.is_ok() && found.iter().all(|found| *found)
}
