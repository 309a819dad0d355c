//! The stock exporters and processors with the books kept beside them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use tokio::runtime::Handle;

use super::destination::Destination;
use super::ledger::Ledger;
use crate::correlation::{Correlation, PROMOTED};

/// An exporter whose results are counted, and whose futures find the export runtime
/// although the SDK's threads, which know no runtime, poll them.
pub(crate) struct Observed<E> {
    pub(super) inner: E,
    pub(super) runtime: Handle,
    pub(super) ledger: Arc<Ledger>,
    pub(super) destination: Arc<Destination>,
}

impl<E> fmt::Debug for Observed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

impl<E> Observed<E> {
    async fn observe(
        &self,
        items: u64,
        export: impl Future<Output = OTelSdkResult>,
    ) -> OTelSdkResult {
        let mut export = pin!(export);
        let result = poll_fn(|cx| {
            let _entered = self.runtime.enter();
            export.as_mut().poll(cx)
        })
        .await;
        match &result {
            Ok(()) => {
                self.ledger.delivered(items);
                self.destination.reached();
            }
            Err(error) => {
                self.ledger.failed(items);
                self.destination.failed(&error.to_string());
            }
        }
        result
    }
}

impl<E: SpanExporter> SpanExporter for Observed<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.observe(batch.len() as u64, self.inner.export(batch))
            .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Observed<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.observe(batch.iter().count() as u64, self.inner.export(batch))
            .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Observed<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = data_points(metrics);
        self.ledger.emitted(points);
        self.observe(points, self.inner.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

fn data_points(metrics: &ResourceMetrics) -> u64 {
    fn count<T>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().count(),
            MetricData::Sum(sum) => sum.data_points().count(),
            MetricData::Histogram(histogram) => histogram.data_points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
        }
    }
    metrics
        .scope_metrics()
        .flat_map(ScopeMetrics::metrics)
        .map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => count(data),
            AggregatedMetrics::U64(data) => count(data),
            AggregatedMetrics::I64(data) => count(data),
        })
        .sum::<usize>() as u64
}

/// The batch processor, with every span that it is given counted before its queue can
/// refuse it.
#[derive(Debug)]
pub(crate) struct CountedSpans {
    inner: BatchSpanProcessor,
    ledger: Arc<Ledger>,
}

impl CountedSpans {
    pub(crate) fn new(inner: BatchSpanProcessor, ledger: Arc<Ledger>) -> Self {
        Self { inner, ledger }
    }
}

/// Puts on a new span what is known of its request.
pub(crate) fn stamp(span: &mut Span, context: &Context) {
    let Some(correlation) = context.get::<Correlation>() else {
        return;
    };
    for (name, value) in PROMOTED.into_iter().zip(correlation.stamp()) {
        if let Some(value) = value {
            span.set_attribute(KeyValue::new(name, value));
        }
    }
}

impl SpanProcessor for CountedSpans {
    fn on_start(&self, span: &mut Span, context: &Context) {
        stamp(span, context);
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.ledger.emitted(1);
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
