//! Spans made ready for the console. What is sent is made ready where it is encoded (`spans`).

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::spans::Readiness;

/// An exporter that is given no secret, and no value longer than the limit.
#[derive(Debug)]
pub(crate) struct Prepared<E> {
    inner: E,
    readiness: Readiness,
}

impl<E> Prepared<E> {
    pub(crate) fn new(inner: E, readiness: Readiness) -> Self {
        Self { inner, readiness }
    }
}

impl<E: SpanExporter> SpanExporter for Prepared<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            self.readiness.make_ready(span);
        }
        self.inner.export(batch).await
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
