//! Spans, from the SDK's tracer to their pipeline.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::encode::Items;
use super::inlet::Inlet;
use super::pipeline::{Encode, Pipeline};
use crate::correlation::{Correlation, PROMOTED};
use crate::limits::cut_span;
use crate::redaction::Redactor;

pub(crate) type SpanPipeline = Pipeline<EncodeSpans>;

/// Redacts and encodes; the request has paid for neither.
pub(crate) struct EncodeSpans {
    pub(super) redactor: Arc<Redactor>,
    pub(super) value_length: Option<usize>,
}

impl Encode for EncodeSpans {
    type Staged = Vec<SpanData>;

    fn encode(&mut self, staged: &mut Vec<SpanData>, items: &mut Items) {
        // A burst's memory is not kept.
        const KEEP: usize = 1024;
        for mut span in staged.drain(..) {
            let encoded = catch_unwind(AssertUnwindSafe(|| {
                // In this order: half a secret is one that nobody recognises.
                self.redactor.span(&mut span);
                if let Some(length) = self.value_length {
                    cut_span(&mut span, length);
                }
                items.span(&span);
            }));
            if encoded.is_err() {
                items.forget_unfinished();
            }
        }
        staged.shrink_to(KEEP);
    }
}

/// Stages each span that ends.
pub(crate) struct SpanStage {
    pipeline: Arc<SpanPipeline>,
    inlet: Arc<Inlet<Vec<SpanData>>>,
}

impl SpanStage {
    pub(crate) fn new(pipeline: &Arc<SpanPipeline>) -> Self {
        Self {
            inlet: Arc::clone(pipeline.inlet()),
            pipeline: Arc::clone(pipeline),
        }
    }
}

impl fmt::Debug for SpanStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpanStage").field(&self.pipeline).finish()
    }
}

impl SpanProcessor for SpanStage {
    fn on_start(&self, span: &mut Span, context: &Context) {
        stamp(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.inlet.push(weight(&span), |staged| staged.push(span));
        }
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

/// About what a span takes in memory.
fn weight(span: &SpanData) -> usize {
    let events = span
        .events
        .iter()
        .map(|event| size_of_val(event) + event.name.len() + attributes_weight(&event.attributes));
    let links = span
        .links
        .iter()
        .map(|link| size_of_val(link) + attributes_weight(&link.attributes));
    size_of::<SpanData>()
        + span.name.len()
        + attributes_weight(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

fn attributes_weight(attributes: &[KeyValue]) -> usize {
    let values = attributes.iter().map(|attribute| match &attribute.value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(texts)) => {
            texts.iter().map(|text| 24 + text.as_str().len()).sum()
        }
        Value::Array(Array::Bool(values)) => values.len(),
        Value::Array(Array::I64(values)) => 8 * values.len(),
        Value::Array(Array::F64(values)) => 8 * values.len(),
        _ => 0,
    });
    size_of_val(attributes) + values.sum::<usize>()
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
