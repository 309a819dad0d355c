//! The provider's second reader, which reads when it is asked: cumulative, whatever
//! temporality the OTLP exporter has.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

/// A handle on the SDK's manual reader, which the provider would otherwise keep for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scraper(Arc<ManualReader>);

impl Scraper {
    /// Everything that is known now; `None` once telemetry has ended.
    #[cfg(any(test, feature = "prometheus"))]
    pub(super) fn collected(&self) -> Option<ResourceMetrics> {
        let mut collected = ResourceMetrics::default();
        self.0.collect(&mut collected).ok()?;
        Some(collected)
    }
}

impl MetricReader for Scraper {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, collected: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(collected)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
