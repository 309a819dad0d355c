//! Spans, from the SDK's tracer to their pipeline.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::encode::encode_span;
use super::pipeline::Pipeline;
use super::stage::Stage;
use crate::correlation::{Correlation, PROMOTED};
use crate::limits::cut_span;
use crate::redaction::Redactor;

/// What is done to a span before anybody outside sees it.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    pub(crate) redactor: Arc<Redactor>,
    /// The longest value of an attribute.
    pub(crate) value_length: Option<usize>,
}

impl Readiness {
    pub(super) fn make_ready(&self, span: &mut SpanData) {
        // In this order: half a secret is one that nobody recognises.
        self.redactor.span(span);
        if let Some(length) = self.value_length {
            cut_span(span, length);
        }
    }
}

/// Redacts, encodes and stages each span that ends, in the thread that ends it.
///
/// Left to the export thread, the span itself would have to go there: a kilobyte that is
/// copied to another core, and a dozen allocations that are freed against the lock of the
/// arena in which the service allocates. Its 477 bytes cost less.
#[derive(Debug)]
pub(crate) struct SpanStage {
    pipeline: Arc<Pipeline>,
    stage: Stage,
    readiness: Readiness,
}

impl SpanStage {
    pub(crate) fn new(pipeline: &Arc<Pipeline>, readiness: Readiness) -> Self {
        Self {
            stage: Stage::new(pipeline),
            pipeline: Arc::clone(pipeline),
            readiness,
        }
    }
}

impl SpanProcessor for SpanStage {
    fn on_start(&self, span: &mut Span, context: &Context) {
        stamp(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        self.stage.leave(
            span,
            |span, buffer| {
                self.readiness.make_ready(span);
                encode_span(span, buffer);
            },
            |span, items, encoded| items.add_span(&span.instrumentation_scope, encoded),
        );
    }

    /// Telemetry flushes through the pipeline; this is for who holds the provider.
    fn force_flush(&self) -> OTelSdkResult {
        const TIMEOUT: Duration = Duration::from_secs(5);
        if self.pipeline.flush(TIMEOUT) {
            Ok(())
        } else {
            Err(OTelSdkError::Timeout(TIMEOUT))
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.pipeline.shutdown(timeout) {
            Ok(())
        } else {
            Err(OTelSdkError::Timeout(timeout))
        }
    }

    fn set_resource(&mut self, _: &Resource) {}
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
