//! Metrics: names, series and their points.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, SummaryDataPoint},
    resource::v1::Resource,
};
use prost::Message;
use rusqlite::{params, params_from_iter, types::Value};

use super::Reader;
use crate::store::{StoreError, trace_of};

/// Series of one name that are shown at once.
const SERIES: usize = 200;

/// A metric's name, with what all of its series share.
#[derive(Clone, Debug)]
pub(crate) struct MetricName {
    pub(crate) name: Arc<str>,
    pub(crate) unit: String,
    pub(crate) description: String,
    /// 1 gauge, 2 sum, 3 histogram, 4 exponential histogram, 5 summary.
    pub(crate) kind: i64,
    pub(crate) series: u64,
    pub(crate) services: Vec<Arc<str>>,
}

/// Which series are looked for. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesFilter {
    pub(crate) service: Option<String>,
    pub(crate) name: Option<String>,
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) id: i64,
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) unit: String,
    pub(crate) description: String,
    /// As in [`MetricName`].
    pub(crate) kind: i64,
    /// 0 none, 1 delta, 2 cumulative.
    pub(crate) temporality: i64,
    pub(crate) monotonic: bool,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) resource: Arc<Resource>,
}

/// What a series had at one time.
#[derive(Clone, Debug)]
pub(crate) enum Point {
    Number(f64),
    Histogram(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
    Summary(SummaryDataPoint),
}

/// A measurement with the span that it was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exemplar {
    /// Nanoseconds since 1970.
    pub(crate) time: i64,
    pub(crate) value: f64,
    pub(crate) trace: Option<u128>,
    pub(crate) span: Option<u64>,
}

impl Reader {
    /// All names, in the order of the alphabet.
    pub(crate) fn metric_names(
        &self,
        service: Option<&str>,
    ) -> Result<Vec<MetricName>, StoreError> {
        let service = match service {
            Some(name) => match self.id_of(name)? {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut select = self.connection.prepare_cached(
            "SELECT text.text, series.unit, series.description, series.kind, series.service, count(*)
             FROM series JOIN text ON text.id = series.name
             WHERE ?1 IS NULL OR series.service = ?1
             GROUP BY series.name, series.service ORDER BY text.text",
        )?;
        let mut rows = select.query([service])?;
        let mut names: Vec<MetricName> = Vec::new();
        while let Some(row) = rows.next()? {
            let name: Arc<str> = row.get(0)?;
            let count = row.get::<_, i64>(5)?.unsigned_abs();
            let service = self.text(row.get(4)?)?;
            match names.last_mut() {
                Some(last) if last.name == name => {
                    last.series += count;
                    last.services.push(service);
                }
                _ => names.push(MetricName {
                    name,
                    unit: row.get(1)?,
                    description: row.get(2)?,
                    kind: row.get(3)?,
                    series: count,
                    services: vec![service],
                }),
            }
        }
        Ok(names)
    }

    /// The series that fit, at most 200 of them.
    pub(crate) fn series(&self, filter: &SeriesFilter) -> Result<Vec<Series>, StoreError> {
        let mut sql = String::from(
            "SELECT id, service, name, unit, description, kind, temporality, monotonic, attributes,
                resource FROM series WHERE 1",
        );
        let mut values = Vec::new();
        for (column, name) in [("service", &filter.service), ("name", &filter.name)] {
            if let Some(name) = name {
                let Some(id) = self.id_of(name)? else {
                    return Ok(Vec::new());
                };
                sql.push_str(&format!(" AND {column} = ?"));
                values.push(Value::Integer(id));
            }
        }
        sql.push_str(&format!(" ORDER BY id LIMIT {SERIES}"));
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut series = Vec::new();
        while let Some(row) = rows.next()? {
            series.push(Series {
                id: row.get(0)?,
                service: self.text(row.get(1)?)?,
                name: self.text(row.get(2)?)?,
                unit: row.get(3)?,
                description: row.get(4)?,
                kind: row.get(5)?,
                temporality: row.get(6)?,
                monotonic: row.get(7)?,
                // They are stored as a resource has them.
                attributes: Resource::decode(row.get_ref(8)?.as_blob()?)?.attributes,
                resource: self.resource(row.get(9)?)?,
            });
        }
        Ok(series)
    }

    /// The points of a series since then, with their times in nanoseconds since 1970, by time.
    pub(crate) fn points(
        &self,
        series: &Series,
        since: i64,
    ) -> Result<Vec<(i64, Point)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT time, value, body FROM point WHERE series = ?1 AND time >= ?2 ORDER BY time",
        )?;
        read_points(series, select.query([series.id, since])?)
    }

    /// The newest point of a series.
    pub(crate) fn last_point(&self, series: &Series) -> Result<Option<(i64, Point)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT time, value, body FROM point WHERE series = ?1 ORDER BY time DESC LIMIT 1",
        )?;
        Ok(read_points(series, select.query([series.id])?)?.pop())
    }

    /// When the first point of these series was, in seconds since 1970.
    pub(crate) fn first_point(&self, series: &[Series]) -> Result<Option<i64>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT min(time) FROM point WHERE series = ?1")?;
        let mut first: Option<i64> = None;
        for one in series {
            let time: Option<i64> = select.query_row([one.id], |row| row.get(0))?;
            first = [first, time].into_iter().flatten().min();
        }
        Ok(first.map(|time| time / 1_000_000_000))
    }

    /// The exemplars of a series since then, by time.
    pub(crate) fn exemplars(&self, series: i64, since: i64) -> Result<Vec<Exemplar>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT time, value, trace, trace_high, span FROM exemplar
             WHERE series = ?1 AND time >= ?2 ORDER BY time LIMIT 1000",
        )?;
        let exemplars = select
            .query_map(params![series, since], |row| {
                let trace: Option<i64> = row.get(2)?;
                let high: Option<i64> = row.get(3)?;
                Ok(Exemplar {
                    time: row.get(0)?,
                    value: row.get(1)?,
                    trace: trace.map(|low| trace_of(low, high.unwrap_or(0))),
                    span: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(exemplars)
    }

    /// What waits to be passed on, the oldest first.
    pub(crate) fn waiting(&self, limit: i64) -> Result<Vec<crate::store::Waiting>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id, kind, items, body FROM outbox ORDER BY id LIMIT ?1")?;
        let mut rows = select.query([limit])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(kind) = crate::store::OutboxKind::of(row.get(1)?) else {
                continue;
            };
            waiting.push(crate::store::Waiting {
                id: row.get(0)?,
                kind,
                items: row.get(2)?,
                body: row.get(3)?,
            });
        }
        Ok(waiting)
    }
}

fn read_points(
    series: &Series,
    mut rows: rusqlite::Rows<'_>,
) -> Result<Vec<(i64, Point)>, StoreError> {
    let mut points = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(2)?.as_blob_or_null()?.unwrap_or_default();
        let point = match series.kind {
            3 => Point::Histogram(HistogramDataPoint::decode(body)?),
            4 => Point::Exponential(ExponentialHistogramDataPoint::decode(body)?),
            5 => Point::Summary(SummaryDataPoint::decode(body)?),
            // SQLite has no NaN.
            _ => Point::Number(row.get::<_, Option<f64>>(1)?.unwrap_or(f64::NAN)),
        };
        points.push((row.get(0)?, point));
    }
    Ok(points)
}
