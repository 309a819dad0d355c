//! Spans, from the SDK's tracer to their pipeline.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::encode::{Items, encode_span};
use super::inlet::Inlet;
use super::ledger::DropReason;
use super::logs::Encoded;
use super::pipeline::Pipeline;
use crate::correlation::{Correlation, PROMOTED};
use crate::limits::cut_span;
use crate::redaction::Redactor;

pub(crate) type SpanPipeline = Pipeline<Encoded>;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a thread keeps of its buffer; a larger span's memory is given back.
const KEEP: usize = 64 << 10;

/// Redacts, encodes and stages each span that ends, in the thread that ends it.
///
/// Left to the export thread, the span itself would have to go there: a kilobyte that is
/// copied to another core, and a dozen allocations that are freed against the lock of the
/// arena in which the service allocates. Its 477 bytes cost less.
pub(crate) struct SpanStage {
    pipeline: Arc<SpanPipeline>,
    inlet: Arc<Inlet<Items>>,
    redactor: Arc<Redactor>,
    value_length: Option<usize>,
}

impl SpanStage {
    pub(crate) fn new(
        pipeline: &Arc<SpanPipeline>,
        redactor: &Arc<Redactor>,
        value_length: Option<usize>,
    ) -> Self {
        Self {
            inlet: Arc::clone(pipeline.inlet()),
            pipeline: Arc::clone(pipeline),
            redactor: Arc::clone(redactor),
            value_length,
        }
    }

    fn stage(&self, span: &mut SpanData, buffer: &mut Vec<u8>) {
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            // In this order: half a secret is one that nobody recognises.
            self.redactor.span(span);
            if let Some(length) = self.value_length {
                cut_span(span, length);
            }
            encode_span(span, buffer);
        }));
        if encoded.is_err() {
            self.inlet.refuse(DropReason::Panicked);
            return;
        }
        // With its place in the index.
        let weight = buffer.len() + 8;
        let scope = &span.instrumentation_scope;
        self.inlet
            .push(weight, |staged| staged.add_span(scope, buffer));
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

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let staged = BUFFER.try_with(|buffer| {
            // Taken is it only by a span that ends while this thread is here.
            let Ok(mut buffer) = buffer.try_borrow_mut() else {
                return false;
            };
            self.stage(&mut span, &mut buffer);
            buffer.clear();
            buffer.shrink_to(KEEP);
            true
        });
        // Without a buffer also at the end of a thread.
        if !staged.unwrap_or(false) {
            self.stage(&mut span, &mut Vec::new());
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
