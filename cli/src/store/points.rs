//! Metrics: each series once, and its points in the order of their time.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{Exemplar, Metric, exemplar, metric::Data, number_data_point},
};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    chunk::time,
    intern::{Interner, digest},
};

/// Series beyond this are refused: somebody labels by what has no bound.
const SERIES: i64 = 100_000;

/// What became of a request's points.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) stored: i64,
    pub(super) refused: i64,
}

/// A point of any kind, in the form that its row has.
struct Point<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    value: Option<f64>,
    body: Option<Vec<u8>>,
    exemplars: &'a [Exemplar],
}

/// Writes the points of a request, in the transaction that is open.
pub(super) fn write(
    connection: &Connection,
    interner: &mut Interner,
    series: &mut i64,
    request: &ExportMetricsServiceRequest,
) -> Result<Written, StoreError> {
    let mut written = Written::default();
    for of_resource in &request.resource_metrics {
        let body = of_resource
            .resource
            .as_ref()
            .map(Message::encode_to_vec)
            .unwrap_or_default();
        let resource = interner.resource(connection, &body)?;
        for of_scope in &of_resource.scope_metrics {
            let scope_body = of_scope
                .scope
                .as_ref()
                .map(Message::encode_to_vec)
                .unwrap_or_default();
            let scope = interner.scope(connection, &scope_body)?;
            for metric in &of_scope.metrics {
                for point in points(metric) {
                    let row = Series {
                        metric,
                        resource_digest: digest(&[&body, &scope_body]),
                        resource: resource.id,
                        service: resource.service,
                        scope,
                    }
                    .row(connection, interner, series, point.attributes)?;
                    match row {
                        Some(row) => {
                            insert(connection, row, &point)?;
                            written.stored += 1;
                        }
                        None => written.refused += 1,
                    }
                }
            }
        }
    }
    Ok(written)
}

fn insert(connection: &Connection, series: i64, point: &Point<'_>) -> Result<(), StoreError> {
    // A retry brings the same point again, and it is the same.
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO point (series, time, start, value, body)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            series,
            time(point.time),
            time(point.start),
            point.value,
            point.body
        ])?;
    for exemplar in point.exemplars {
        #[allow(clippy::cast_precision_loss)]
        let value = match exemplar.value {
            Some(exemplar::Value::AsInt(value)) => value as f64,
            Some(exemplar::Value::AsDouble(value)) => value,
            None => continue,
        };
        let trace = <[u8; 16]>::try_from(exemplar.trace_id.as_slice())
            .ok()
            .map(|id| super::ids(u128::from_be_bytes(id)));
        let span = <[u8; 8]>::try_from(exemplar.span_id.as_slice())
            .ok()
            .map(i64::from_be_bytes);
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO exemplar (series, time, value, trace, trace_high, span)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                series,
                time(exemplar.time_unix_nano),
                value,
                trace.map(|(low, _)| low),
                trace.map(|(_, high)| high),
                span
            ])?;
    }
    Ok(())
}

struct Series<'a> {
    metric: &'a Metric,
    resource_digest: [u8; 16],
    resource: i64,
    service: i64,
    scope: i64,
}

impl Series<'_> {
    /// The series' row; `None` where there are too many.
    fn row(
        &self,
        connection: &Connection,
        interner: &mut Interner,
        count: &mut i64,
        attributes: &[KeyValue],
    ) -> Result<Option<i64>, StoreError> {
        // The order of attributes means nothing.
        let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
        sorted.sort_by(|left, right| left.key.cmp(&right.key));
        let mut encoded = Vec::new();
        for attribute in sorted {
            // As field 1 of a message, so that the whole reads as a `Resource`.
            prost::encoding::message::encode(1, attribute, &mut encoded);
        }
        let (kind, temporality, monotonic) = shape(self.metric);
        let key = digest(&[
            &self.resource_digest,
            self.metric.name.as_bytes(),
            self.metric.unit.as_bytes(),
            &[kind],
            &encoded,
        ]);
        let found = connection
            .prepare_cached("SELECT id FROM series WHERE digest = ?1")?
            .query_row([key.as_slice()], |row| row.get(0))
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
        if *count >= SERIES {
            return Ok(None);
        }
        *count += 1;
        let name = interner.text(connection, &self.metric.name)?;
        let row = connection
            .prepare_cached(
                "INSERT INTO series (digest, service, name, unit, description, kind, temporality,
                    monotonic, attributes, resource, scope)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .insert(params![
                key.as_slice(),
                self.service,
                name,
                self.metric.unit,
                self.metric.description,
                kind,
                temporality,
                monotonic,
                encoded,
                self.resource,
                self.scope
            ])?;
        Ok(Some(row))
    }
}

/// Kind, temporality and whether it only grows.
fn shape(metric: &Metric) -> (u8, i32, bool) {
    match &metric.data {
        Some(Data::Gauge(_)) | None => (1, 0, false),
        Some(Data::Sum(sum)) => (2, sum.aggregation_temporality, sum.is_monotonic),
        Some(Data::Histogram(histogram)) => (3, histogram.aggregation_temporality, true),
        Some(Data::ExponentialHistogram(histogram)) => (4, histogram.aggregation_temporality, true),
        Some(Data::Summary(_)) => (5, 0, true),
    }
}

fn points(metric: &Metric) -> Vec<Point<'_>> {
    // The attributes are the series', and the exemplars have a table of their own.
    macro_rules! distribution {
        ($points:expr, $point:ident, $exemplars:expr) => {
            $points
                .iter()
                .map(|$point| {
                    let mut rest = $point.clone();
                    rest.attributes.clear();
                    Point {
                        attributes: &$point.attributes,
                        start: $point.start_time_unix_nano,
                        time: $point.time_unix_nano,
                        value: None,
                        body: Some(rest.encode_to_vec()),
                        exemplars: $exemplars,
                    }
                })
                .collect()
        };
    }
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(number).collect(),
        Some(Data::Sum(sum)) => sum.data_points.iter().map(number).collect(),
        Some(Data::Histogram(of)) => distribution!(of.data_points, point, &point.exemplars),
        Some(Data::ExponentialHistogram(of)) => {
            distribution!(of.data_points, point, &point.exemplars)
        }
        Some(Data::Summary(of)) => distribution!(of.data_points, point, &[]),
        None => Vec::new(),
    }
}

fn number(point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint) -> Point<'_> {
    #[allow(clippy::cast_precision_loss)]
    let value = match point.value {
        Some(number_data_point::Value::AsInt(value)) => Some(value as f64),
        Some(number_data_point::Value::AsDouble(value)) => Some(value),
        None => None,
    };
    Point {
        attributes: &point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        value,
        body: None,
        exemplars: &point.exemplars,
    }
}
