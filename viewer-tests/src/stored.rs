//! What `throughline dev` has stored, read from its database without its help: what a page
//! shows may be less, and what a page gets wrong would go unseen.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Deref,
    path::Path,
};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost::Message;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, types::ValueRef};
use serde_json::{Value as Json, json};
use throughline_receiver::proto::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
    metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, SummaryDataPoint},
    resource::v1::Resource,
    trace::v1::Span,
};

/// The database of a viewer that may be running. Each question sees what is there then.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// A span or a record with what it shares with others. It derefs to the item.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    pub service: String,
    pub resource: Resource,
    pub scope: InstrumentationScope,
    pub item: T,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

/// The last point of a series.
#[derive(Clone, Debug)]
pub struct Series {
    pub service: String,
    pub name: String,
    pub unit: String,
    pub description: String,
    /// Whether it is a sum that only grows.
    pub monotonic: bool,
    pub attributes: Vec<KeyValue>,
    pub time: i64,
    pub value: Value,
}

/// What a series says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Histogram(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
    Summary(SummaryDataPoint),
}

/// A group of errors that are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub id: i64,
    pub title: String,
    /// `open`, `resolved` or `regressed`.
    pub status: String,
    pub count: i64,
}

/// Attributes as a JSON object. The types stay told apart: an integer is `1`, a double `1.0`,
/// bytes `{"bytes": "Cg=="}`, and what has no value is null.
#[must_use]
pub fn object(attributes: &[KeyValue]) -> Json {
    let pairs = attributes.iter();
    pairs
        .map(|pair| (pair.key.clone(), any(pair.value.as_ref())))
        .collect()
}

/// A value as JSON, as [`object`] has it.
#[must_use]
pub fn any(value: Option<&AnyValue>) -> Json {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) => json!(value),
        Some(Any::BytesValue(bytes)) => json!({ "bytes": BASE64_STANDARD.encode(bytes) }),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|value| any(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => object(&list.values),
        // The last is an index into a table that only profiles have.
        None | Some(Any::StringValueStrindex(_)) => Json::Null,
    }
}

/// An id, as the specification writes it.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Database {
    /// # Errors
    /// If there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { connection })
    }

    /// A service's spans, in the order in which they came.
    ///
    /// # Errors
    /// If they cannot be read as what they were sent as.
    pub fn spans(&self, service: &str) -> Result<Vec<Stored<Span>>> {
        self.items("span", service)
    }

    /// A service's log records, in the order in which they came.
    ///
    /// # Errors
    /// If they cannot be read as what they were sent as.
    pub fn records(&self, service: &str) -> Result<Vec<Stored<LogRecord>>> {
        self.items("record", service)
    }

    fn items<T: Message + Default>(&self, table: &str, service: &str) -> Result<Vec<Stored<T>>> {
        let mut chunks = BTreeMap::new();
        let mut select = self.connection.prepare(&format!(
            "SELECT chunk, position, item.length, resource, scope FROM {table} AS item
             JOIN text ON text.id = item.service WHERE text.text = ?1 ORDER BY item.id"
        ))?;
        let mut rows = select.query([service])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            let chunk: i64 = row.get(0)?;
            let body = match chunks.entry(chunk) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.chunk(chunk)?),
            };
            let from = usize::try_from(row.get::<_, i64>(1)?)?;
            let length = usize::try_from(row.get::<_, i64>(2)?)?;
            let bytes = body.get(from..from + length);
            items.push(Stored {
                service: service.to_owned(),
                resource: self.shared("resource", row.get(3)?)?,
                scope: self.shared("scope", row.get(4)?)?,
                item: T::decode(bytes.context("an item beyond its chunk")?)?,
            });
        }
        Ok(items)
    }

    fn chunk(&self, id: i64) -> Result<Vec<u8>> {
        let (body, length): (Vec<u8>, i64) = self.connection.query_row(
            "SELECT body, length FROM chunk WHERE id = ?1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(zstd::bulk::decompress(&body, usize::try_from(length)?)?)
    }

    fn shared<T: Message + Default>(&self, table: &str, id: Option<i64>) -> Result<T> {
        let body: Option<Vec<u8>> = self
            .connection
            .query_row(
                &format!("SELECT body FROM {table} WHERE id = ?1"),
                [id],
                |row| row.get(0),
            )
            .optional()?;
        Ok(T::decode(body.unwrap_or_default().as_slice())?)
    }

    /// The last point of each series of a service.
    ///
    /// # Errors
    /// If one cannot be read as what it was sent as.
    pub fn series(&self, service: &str) -> Result<Vec<Series>> {
        let mut select = self.connection.prepare(
            "SELECT name.text, unit, description, kind, monotonic, attributes, time, value, body
             FROM series
             JOIN text AS service ON service.id = series.service
             JOIN text AS name ON name.id = series.name
             JOIN point ON point.series = series.id
             WHERE service.text = ?1
               AND time = (SELECT max(time) FROM point WHERE point.series = series.id)
             ORDER BY series.id",
        )?;
        let mut rows = select.query([service])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(Series {
                service: service.to_owned(),
                name: row.get(0)?,
                unit: row.get(1)?,
                description: row.get(2)?,
                monotonic: row.get::<_, i64>(3)? == 2 && row.get(4)?,
                // Kept as a resource has them.
                attributes: Resource::decode(row.get_ref(5)?.as_blob()?)?.attributes,
                time: row.get(6)?,
                value: value(row)?,
            });
        }
        Ok(all)
    }

    /// How many spans or records there are, of whatever service.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn count(&self, table: &str) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(self.connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// All issues, in the order in which they were first seen.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn issues(&self) -> Result<Vec<Issue>> {
        let mut select = self
            .connection
            .prepare("SELECT id, title, status, count FROM issue ORDER BY id")?;
        let issues = select.query_map([], |row| {
            Ok(Issue {
                id: row.get(0)?,
                title: row.get(1)?,
                status: row.get(2)?,
                count: row.get(3)?,
            })
        })?;
        Ok(issues.collect::<Result<_, _>>()?)
    }
}

fn value(row: &Row<'_>) -> Result<Value> {
    let body = match row.get_ref(8)? {
        ValueRef::Blob(body) => body,
        _ => &[],
    };
    Ok(match row.get(3)? {
        1 | 2 => Value::Number(row.get(7)?),
        3 => Value::Histogram(HistogramDataPoint::decode(body)?),
        4 => Value::Exponential(ExponentialHistogramDataPoint::decode(body)?),
        5 => Value::Summary(SummaryDataPoint::decode(body)?),
        other => bail!("a metric of kind {other}"),
    })
}
