//! What was collected, grouped as the exposition formats want it: by family, then by labels.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData,
    ResourceMetrics,
};

use super::name::{FamilyKind, family, sanitized};
use crate::diagnostics;
use crate::metrics::SCOPE;

pub(super) struct Family {
    pub(super) kind: FamilyKind,
    pub(super) help: String,
    pub(super) points: Vec<Point>,
}

pub(super) struct Point {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: Value,
}

pub(super) enum Value {
    Number(f64),
    Histogram {
        count: u64,
        sum: f64,
        /// Upper bound and the values up to it, from the beginning.
        buckets: Vec<(f64, u64)>,
    },
    Exponential(Exponential),
}

/// A histogram whose bounds are powers of `2^(2^-scale)`.
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Side,
    pub(super) negative: Side,
}

/// Bucket `i` of a side holds the absolute values in `(base^(offset+i), base^(offset+i+1)]`.
pub(super) struct Side {
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

/// Two metrics whose names differ only in what Prometheus cannot show meet in one family.
pub(super) fn families(collected: &ResourceMetrics) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for scope in collected.scope_metrics() {
        // Ours is the service's own; another library may have the same names as it.
        let scope_label = (scope.scope().name() != SCOPE).then(|| {
            (
                "otel_scope_name".to_owned(),
                scope.scope().name().to_owned(),
            )
        });
        for metric in scope.metrics() {
            let (kind, mut points) = points(metric);
            for point in &mut points {
                point.labels.extend(scope_label.clone());
            }
            let name = family(metric.name(), metric.unit(), kind);
            match families.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(Family {
                        kind,
                        help: metric.description().to_owned(),
                        points,
                    });
                }
                Entry::Occupied(mut known) if known.get().kind == kind => {
                    known.get_mut().points.extend(points);
                }
                Entry::Occupied(known) => left_out(known.key(), metric.name(), kind),
            }
        }
    }
    families
}

/// A family has one kind; a second one would make the whole scrape unreadable.
fn left_out(family: &str, metric: &str, kind: FamilyKind) {
    diagnostics::say_once(&format!("family of metric {metric}"), || {
        format!(
            "the {} `{metric}` is not on the Prometheus endpoint, where its name `{family}` is taken by a metric of another kind: rename one of them. OTLP has both.",
            kind.word()
        )
    });
}

fn points(metric: &Metric) -> (FamilyKind, Vec<Point>) {
    match metric.data() {
        AggregatedMetrics::F64(data) => of(data, |value| value),
        AggregatedMetrics::U64(data) => of(data, |value| value as f64),
        AggregatedMetrics::I64(data) => of(data, |value| value as f64),
    }
}

fn of<T: Copy>(data: &MetricData<T>, float: fn(T) -> f64) -> (FamilyKind, Vec<Point>) {
    match data {
        MetricData::Gauge(gauge) => {
            let points = gauge
                .data_points()
                .map(|point| number(point.attributes(), float(point.value())));
            (FamilyKind::Gauge, points.collect())
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() {
                FamilyKind::Counter
            } else {
                FamilyKind::Gauge
            };
            let points = sum
                .data_points()
                .map(|point| number(point.attributes(), float(point.value())));
            (kind, points.collect())
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points().map(|point| Point {
                labels: labels(point.attributes()),
                value: explicit(point, float),
            });
            (FamilyKind::Histogram, points.collect())
        }
        MetricData::ExponentialHistogram(histogram) => {
            let points = histogram.data_points().map(|point| Point {
                labels: labels(point.attributes()),
                value: Value::Exponential(exponential(point, float)),
            });
            (FamilyKind::Histogram, points.collect())
        }
    }
}

fn number<'a>(attributes: impl Iterator<Item = &'a KeyValue>, value: f64) -> Point {
    Point {
        labels: labels(attributes),
        value: Value::Number(value),
    }
}

fn explicit<T: Copy>(point: &HistogramDataPoint<T>, float: fn(T) -> f64) -> Value {
    let mut up_to = 0;
    let buckets = point
        .bounds()
        .zip(point.bucket_counts())
        .map(|(bound, count)| {
            up_to += count;
            (bound, up_to)
        })
        .collect();
    Value::Histogram {
        count: point.count(),
        sum: float(point.sum()),
        buckets,
    }
}

fn exponential<T: Copy>(
    point: &ExponentialHistogramDataPoint<T>,
    float: fn(T) -> f64,
) -> Exponential {
    let (positive, negative) = (point.positive_bucket(), point.negative_bucket());
    Exponential {
        count: point.count() as u64,
        sum: float(point.sum()),
        scale: i32::from(point.scale()),
        zero_count: point.zero_count(),
        zero_threshold: point.zero_threshold(),
        positive: Side {
            offset: positive.offset(),
            counts: positive.counts().collect(),
        },
        negative: Side {
            offset: negative.offset(),
            counts: negative.counts().collect(),
        },
    }
}

/// Keys that become one label have their values joined, as the specification asks.
fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for attribute in attributes {
        let key = sanitized(attribute.key.as_str());
        let value = attribute.value.as_str();
        match labels.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => {
                known.push(';');
                known.push_str(&value);
            }
            None => labels.push((key, value.into_owned())),
        }
    }
    labels
}
