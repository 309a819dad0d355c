//! Value-length limits for spans, on the export thread rather than in the request.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::limits::cut_span;

/// An exporter that is given no value longer than the limit.
#[derive(Debug)]
pub(crate) struct Limited<E> {
    inner: E,
    length: Option<usize>,
}

impl<E> Limited<E> {
    pub(crate) fn new(inner: E, length: Option<usize>) -> Self {
        Self { inner, length }
    }
}

impl<E: SpanExporter> SpanExporter for Limited<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        if let Some(length) = self.length {
            for span in &mut batch {
                cut_span(span, length);
            }
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
