//! Spans, on their way out: redacted once, when they have ended.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, Status, TraceState};
use opentelemetry_sdk::trace::SpanData;

use super::Redactor;

impl Redactor {
    /// Every text of a span that is not the program's own.
    pub(crate) fn span(&self, span: &mut SpanData) {
        self.name(&mut span.name);
        self.attributes(&mut span.attributes);
        self.trace_state(&mut span.span_context);
        for event in &mut span.events.events {
            self.name(&mut event.name);
            self.attributes(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(&mut link.attributes);
            self.trace_state(&mut link.span_context);
        }
        if let Status::Error { description } = &mut span.status {
            self.name(description);
        }
    }

    fn attributes(&self, attributes: &mut [KeyValue]) {
        for attribute in attributes {
            self.attribute(attribute);
        }
    }

    fn name(&self, name: &mut Cow<'static, str>) {
        if let Cow::Owned(redacted) = self.text(name) {
            *name = Cow::Owned(redacted);
        }
    }

    /// Vendors' state comes from outside, and nothing in it is worth a secret.
    fn trace_state(&self, context: &mut SpanContext) {
        if *context.trace_state() == TraceState::NONE {
            return;
        }
        if let Cow::Owned(_) = self.text(&context.trace_state().header()) {
            *context = SpanContext::new(
                context.trace_id(),
                context.span_id(),
                context.trace_flags(),
                context.is_remote(),
                TraceState::NONE,
            );
        }
    }
}
