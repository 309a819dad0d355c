//! The protobuf format, the only one that carries native histograms:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#protobuf-format>.
//!
//! The messages are those parts of `io/prometheus/client/metrics.proto` that are sent,
//! written out: generating them would ask every user of this crate for `protoc`.

use std::collections::BTreeMap;

use prost::Message;

use super::family::{Exponential, Family, Point, Side, Value};
use super::name::FamilyKind;
use super::text::powers_of_two;

pub(super) const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The finest and the coarsest resolution that Prometheus knows.
const MAX_SCHEMA: i32 = 8;
const MIN_SCHEMA: i32 = -4;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// `Gauge` and `Counter` are alike.
#[derive(Clone, Copy, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Span {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

pub(super) fn render(families: BTreeMap<String, Family>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, family) in families {
        bytes.extend(metric_family(name, family).encode_length_delimited_to_vec());
    }
    bytes
}

fn metric_family(name: String, family: Family) -> MetricFamily {
    let kind = match family.kind {
        FamilyKind::Counter => MetricType::Counter,
        FamilyKind::Gauge => MetricType::Gauge,
        FamilyKind::Histogram => MetricType::Histogram,
    };
    MetricFamily {
        name: Some(name),
        help: Some(family.help),
        kind: Some(kind.into()),
        metric: family
            .points
            .into_iter()
            .map(|point| metric(kind, point))
            .collect(),
    }
}

fn metric(kind: MetricType, point: Point) -> Metric {
    let label = point.labels.into_iter().map(|(name, value)| LabelPair {
        name: Some(name),
        value: Some(value),
    });
    let mut metric = Metric {
        label: label.collect(),
        ..Metric::default()
    };
    match point.value {
        Value::Number(value) => {
            let number = Some(Number { value: Some(value) });
            if kind == MetricType::Counter {
                metric.counter = number;
            } else {
                metric.gauge = number;
            }
        }
        Value::Histogram {
            count,
            sum,
            buckets,
        } => metric.histogram = Some(classic(count, sum, &buckets)),
        Value::Exponential(histogram) => metric.histogram = Some(native(&histogram)),
    }
    metric
}

fn classic(count: u64, sum: f64, buckets: &[(f64, u64)]) -> Histogram {
    let bucket = |(bound, up_to): &(f64, u64)| Bucket {
        cumulative_count: Some(*up_to),
        upper_bound: Some(*bound),
    };
    Histogram {
        sample_count: Some(count),
        sample_sum: Some(sum),
        // The last one, for all values, is implied.
        bucket: buckets.iter().map(bucket).collect(),
        ..Histogram::default()
    }
}

fn native(histogram: &Exponential) -> Histogram {
    if histogram.scale < MIN_SCHEMA {
        return classic(histogram.count, histogram.sum, &powers_of_two(histogram));
    }
    let schema = histogram.scale.min(MAX_SCHEMA);
    let by = histogram.scale - schema;
    let (positive_span, positive_delta) = buckets(&histogram.positive, by);
    let (negative_span, negative_delta) = buckets(&histogram.negative, by);
    let mut native = Histogram {
        sample_count: Some(histogram.count),
        sample_sum: Some(histogram.sum),
        schema: Some(schema),
        zero_threshold: Some(histogram.zero_threshold),
        zero_count: Some(histogram.zero_count),
        positive_span,
        positive_delta,
        negative_span,
        negative_delta,
        ..Histogram::default()
    };
    if native.positive_span.is_empty() && native.negative_span.is_empty() {
        // By an empty span a native histogram without values is told from a classic one.
        native.positive_span.push(Span {
            offset: Some(0),
            length: Some(0),
        });
    }
    native
}

/// The buckets in one span, each told as the difference to the one before. Prometheus
/// numbers a bucket by its upper bound, OpenTelemetry by its lower one.
fn buckets(side: &Side, coarser_by: i32) -> (Vec<Span>, Vec<i64>) {
    let mut merged: Vec<(i32, i64)> = Vec::new();
    for (at, count) in side.counts.iter().enumerate() {
        let index = ((side.offset + at as i32) >> coarser_by) + 1;
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        match merged.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(count),
            _ => merged.push((index, count)),
        }
    }
    let Some((first, _)) = merged.first() else {
        return (Vec::new(), Vec::new());
    };
    let span = Span {
        offset: Some(*first),
        length: Some(merged.len() as u32),
    };
    let mut before = 0;
    let deltas = merged.iter().map(|(_, count)| {
        let delta = count - before;
        before = *count;
        delta
    });
    (vec![span], deltas.collect())
}

/// Whether this `Accept` header would rather have protobuf than text. A scraper asks for it
/// when it takes native histograms.
pub(crate) fn is_preferred(accept: &str) -> bool {
    let quality = |wanted: &dyn Fn(&str) -> bool| {
        accept
            .split(',')
            .filter(|entry| wanted(entry.trim()))
            .map(quality_of)
            .fold(0.0, f32::max)
    };
    let protobuf = quality(&|entry| {
        entry.starts_with("application/vnd.google.protobuf")
            && entry.contains("io.prometheus.client.MetricFamily")
            && entry.contains("delimited")
    });
    let text = quality(&|entry| entry.starts_with("text/"));
    protobuf > 0.0 && protobuf >= text
}

fn quality_of(entry: &str) -> f32 {
    entry
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("q="))
        .map_or(1.0, |quality| quality.parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(offset: i32, counts: &[u64]) -> Side {
        Side {
            offset,
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn buckets_are_numbered_by_their_upper_bound_and_told_as_differences() {
        let (spans, deltas) = buckets(&side(-2, &[3, 0, 5]), 0);
        assert_eq!((spans[0].offset, spans[0].length), (Some(-1), Some(3)));
        assert_eq!(deltas, [3, -3, 5]);
        assert_eq!(buckets(&side(0, &[]), 0), (vec![], vec![]));
    }

    #[test]
    fn finer_buckets_than_prometheus_knows_are_merged() {
        // At half the resolution, buckets -3 | -2, -1 | 0, 1 become -2 | -1 | 0.
        let (spans, deltas) = buckets(&side(-3, &[1, 2, 3, 4, 5]), 1);
        assert_eq!((spans[0].offset, spans[0].length), (Some(-1), Some(3)));
        assert_eq!(deltas, [1, 4, 4]);
    }

    #[test]
    fn protobuf_is_sent_only_where_it_is_wanted_most() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        assert!(is_preferred(&format!(
            "{protobuf};q=0.6,text/plain;q=0.5,*/*;q=0.1"
        )));
        assert!(is_preferred(protobuf));
        assert!(!is_preferred(&format!("text/plain;q=0.6,{protobuf};q=0.5")));
        assert!(!is_preferred("application/vnd.google.protobuf"));
        for text in ["", "*/*", "text/plain", "text/html, */*"] {
            assert!(!is_preferred(text), "{text}");
        }
    }

    #[test]
    fn a_native_histogram_survives_the_wire() {
        let value = Value::Exponential(Exponential {
            count: 6,
            sum: 9.5,
            scale: 20,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: side(0, &[5]),
            negative: side(0, &[]),
        });
        let point = Point {
            labels: vec![("a".to_owned(), "b".to_owned())],
            value,
        };
        let family = Family {
            kind: FamilyKind::Histogram,
            help: String::new(),
            points: vec![point],
        };
        let bytes = render(BTreeMap::from([("m".to_owned(), family)]));
        let read = MetricFamily::decode_length_delimited(bytes.as_slice()).unwrap();
        let histogram = read.metric[0].histogram.as_ref().unwrap();
        assert_eq!(read.kind, Some(4));
        assert_eq!(histogram.schema, Some(8));
        assert_eq!(histogram.sample_count, Some(6));
        assert_eq!(histogram.positive_delta, [5]);
        assert_eq!(histogram.bucket, []);
    }
}
