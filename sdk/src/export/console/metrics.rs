//! Data points as lines.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use serde_json::{Value as Json, json};

use super::{attributes, number, write_line};

/// Writes each data point at each interval of the reader.
#[derive(Debug)]
pub(crate) struct ConsoleMetrics {
    pub(crate) temporality: Temporality,
}

impl PushMetricExporter for ConsoleMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            match metric.data() {
                AggregatedMetrics::F64(data) => write_points(metric, data, number),
                AggregatedMetrics::U64(data) => write_points(metric, data, |value| json!(value)),
                AggregatedMetrics::I64(data) => write_points(metric, data, |value| json!(value)),
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

fn write_points<T: Copy>(metric: &Metric, data: &MetricData<T>, json: fn(T) -> Json) {
    match data {
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                write(metric, "gauge", point.attributes(), json(point.value()));
            }
        }
        MetricData::Sum(sum) => {
            for point in sum.data_points() {
                write(metric, "sum", point.attributes(), json(point.value()));
            }
        }
        MetricData::Histogram(histogram) => {
            for point in histogram.data_points() {
                let value = json!({
                    "count": point.count(),
                    "sum": json(point.sum()),
                    "bounds": point.bounds().collect::<Vec<_>>(),
                    "buckets": point.bucket_counts().collect::<Vec<_>>(),
                });
                write(metric, "histogram", point.attributes(), value);
            }
        }
        MetricData::ExponentialHistogram(histogram) => {
            for point in histogram.data_points() {
                let value = json!({
                    "count": point.count(),
                    "sum": json(point.sum()),
                    "scale": point.scale(),
                    "zero_count": point.zero_count(),
                });
                write(metric, "exponential_histogram", point.attributes(), value);
            }
        }
    }
}

fn write<'a>(metric: &Metric, kind: &str, of: impl Iterator<Item = &'a KeyValue>, value: Json) {
    write_line(&json!({
        "signal": "metric",
        "name": metric.name(),
        "unit": metric.unit(),
        "kind": kind,
        "attributes": attributes(of),
        "value": value,
    }));
}
