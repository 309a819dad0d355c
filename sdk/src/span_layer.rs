//! Spans for OpenTelemetry, and the place where a request's correlation begins.
//!
//! `tracing-opentelemetry` also stores every event inside its span. Events are log records
//! here; stored twice they would cost twice, so this layer forwards all but events. A
//! per-layer filter would do the same for 35 to 45 ns more a span.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use opentelemetry::Context as OtelContext;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Metadata, Subscriber, span};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::correlation::{Correlation, PROMOTED};
use crate::span_values;

pub(crate) struct SpanLayer<S> {
    inner: OpenTelemetryLayer<S, SdkTracer>,
}

impl<S> SpanLayer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    pub(crate) fn new(tracer: SdkTracer) -> Self {
        // The optional extras cost a third of a span's time: location, thread, level and
        // target belong to records, and tracking idle time copies the attributes at close.
        let inner = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Self { inner }
    }

    fn forward_new(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let metadata = attrs.metadata();
        let visit = |visitor: &mut dyn Visit| attrs.record(visitor);
        span_values::signed(metadata.fields(), visit, |signed| {
            let Some(signed) = signed else {
                self.inner.on_new_span(attrs, id, ctx);
                return;
            };
            let rewritten = if attrs.is_root() {
                span::Attributes::new_root(metadata, signed)
            } else if let Some(parent) = attrs.parent() {
                span::Attributes::child_of(parent.clone(), metadata, signed)
            } else {
                span::Attributes::new(metadata, signed)
            };
            self.inner.on_new_span(&rewritten, id, ctx);
        });
    }
}

impl<S> Layer<S> for SpanLayer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.inner.on_register_dispatch(subscriber);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.inner.on_layer(subscriber);
    }

    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let declared = declares_promoted(attrs.metadata());
        let outer = Correlation::current();
        // With an explicit parent the inner layer takes that one's context, cell included.
        if !attrs.is_contextual() || (outer.is_some() && !declared) {
            self.forward_new(attrs, id, ctx);
            return;
        }
        let correlation = if declared {
            Correlation::subtree(Some(outer.unwrap_or_else(Correlation::root)))
        } else {
            Correlation::root()
        };
        if declared {
            attrs.record(&mut Declare(&correlation));
            if let Some(span) = ctx.span(id) {
                span.extensions_mut().insert(correlation.clone());
            }
        }
        // The inner layer makes the current context the new span's parent; what is in it is
        // inherited by the span, its children and every task that is given the span.
        let _attached = OtelContext::current_with_value(correlation).attach();
        self.forward_new(attrs, id, ctx);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        let Some(metadata) = ctx.metadata(id) else {
            return;
        };
        if declares_promoted(metadata) {
            let declared = ctx
                .span(id)
                .and_then(|span| span.extensions().get::<Correlation>().cloned());
            if let Some(correlation) = declared {
                values.record(&mut Declare(&correlation));
            }
        }
        let visit = |visitor: &mut dyn Visit| values.record(visitor);
        span_values::signed(metadata.fields(), visit, |signed| match signed {
            Some(signed) => self.inner.on_record(id, &span::Record::new(signed), ctx),
            None => self.inner.on_record(id, values, ctx),
        });
    }

    fn on_follows_from(&self, id: &span::Id, follows: &span::Id, ctx: Context<'_, S>) {
        self.inner.on_follows_from(id, follows, ctx);
    }

    fn on_enter(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.inner.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.inner.on_exit(id, ctx);
    }

    fn on_close(&self, id: span::Id, ctx: Context<'_, S>) {
        self.inner.on_close(id, ctx);
    }

    fn on_id_change(&self, old: &span::Id, new: &span::Id, ctx: Context<'_, S>) {
        self.inner.on_id_change(old, new, ctx);
    }

    // SAFETY: the pointer comes from the inner layer's own `downcast_raw` for the same type
    // id, and the inner layer lives as long as this one. Without it `OpenTelemetrySpanExt`
    // could not find the layer.
    #[allow(unsafe_code)]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        unsafe { self.inner.downcast_raw(id) }
    }
}

fn declares_promoted(metadata: &Metadata<'_>) -> bool {
    PROMOTED
        .iter()
        .any(|name| metadata.fields().field(*name).is_some())
}

/// Takes the promoted fields out of a span's values.
struct Declare<'a>(&'a Correlation);

impl Visit for Declare<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(index) = PROMOTED.iter().position(|name| *name == field.name()) {
            self.0.declare(index, &Arc::from(value));
        }
    }

    // Numbers and `%` and `?` values all arrive here.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if PROMOTED.contains(&field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
