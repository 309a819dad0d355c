//! Spans for OpenTelemetry, and the place where a request's correlation begins.
//!
//! `tracing-opentelemetry` also stores every event inside its span. Events are log records
//! here; stored twice they would cost twice, so this layer forwards all but events. A
//! per-layer filter would do the same for 35 to 45 ns more a span.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{Context as OtelContext, ContextGuard};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Metadata, Span, Subscriber, span};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::correlation::{Correlation, PROMOTED};
use crate::database;
use crate::redaction;
use crate::sampling::{Early, HeadSampler};
use crate::span_values;

pub(crate) struct SpanLayer<S> {
    inner: OpenTelemetryLayer<S, SdkTracer>,
    /// `None` where the service brought a sampler of its own, which may want to see all of
    /// a span before it decides.
    head: Option<HeadSampler>,
    /// Whether any span has been skipped so far. Where all are kept, which is the default,
    /// nobody has to look for one.
    skips: AtomicBool,
}

/// The target of our HTTP client's spans. They have a kind, but take no parent from outside,
/// and are injected by who knows that they may be skipped: so they are decided early.
pub(crate) const CLIENT_TARGET: &str = "throughline::http::client";

/// In the extensions of a span that nobody will keep: the context that it stands for, with
/// the ids that its records carry.
struct Skipped(OtelContext);

/// In the extensions of a span that declares promoted fields: the context with their cell.
struct Declared(OtelContext);

thread_local! {
    /// The skipped spans that this thread is in.
    static ENTERED: RefCell<Vec<(span::Id, ContextGuard)>> = const { RefCell::new(Vec::new()) };

    /// The context of the root span that this thread is about to make; see [`root_in`].
    static ROOT: Cell<Option<OtelContext>> = const { Cell::new(None) };
}

/// Makes a root span (`parent: None`) in this context. One without a context of its own has
/// an empty one, with no place for what becomes known of its work; and a span that is a root
/// in OpenTelemetry alone would keep the one around it open for as long as it lasts itself.
pub(crate) fn root_in(context: OtelContext, make: impl FnOnce() -> Span) -> Span {
    ROOT.set(Some(context));
    let span = make();
    // Where the filter left the span out nobody has taken it.
    ROOT.take();
    span
}

fn leave(id: &span::Id) -> Option<ContextGuard> {
    ENTERED.with_borrow_mut(|entered| {
        let position = entered.iter().rposition(|(entered, _)| entered == id)?;
        Some(entered.remove(position).1)
    })
}

/// The context of a skipped span; `None` for any other.
pub(crate) fn skipped_context<S>(ctx: &Context<'_, S>, id: &span::Id) -> Option<OtelContext>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let span = ctx.span(id)?;
    let extensions = span.extensions();
    extensions.get::<Skipped>().map(|skipped| skipped.0.clone())
}

impl<S> SpanLayer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    pub(crate) fn new(tracer: SdkTracer, head: Option<HeadSampler>) -> Self {
        // The optional extras cost a third of a span's time: location, thread, level and
        // target belong to records, and tracking idle time copies the attributes at close.
        let inner = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Self {
            inner,
            head,
            skips: AtomicBool::new(false),
        }
    }

    /// The context of a skipped span; `None` for any other.
    fn skipped(&self, ctx: &Context<'_, S>, id: &span::Id) -> Option<OtelContext> {
        // Whoever has the span's id got it after its making, and with it what was stored.
        if self.skips.load(Ordering::Relaxed) {
            skipped_context(ctx, id)
        } else {
            None
        }
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
        let metadata = attrs.metadata();
        let given = if attrs.is_root() {
            ROOT.take()
        } else {
            let parent = attrs.parent();
            parent.and_then(|parent| self.skipped(&ctx, parent))
        };
        // With an explicit parent, or none on purpose, the inner layer takes that one's
        // context, cell included, and cannot be told another.
        if !attrs.is_contextual() && given.is_none() {
            self.forward_new(attrs, id, ctx);
            return;
        }
        let mut changed = given.is_some();
        let mut context = given.unwrap_or_else(OtelContext::current);
        let mut skip = false;
        let declares = Declares::of(metadata);
        if let Some(head) = &self.head
            && !context.is_telemetry_suppressed()
            && !declares.kind
        {
            match head.decide(&context, metadata.name()) {
                Early::Forward(None) => {}
                Early::Forward(Some(kept)) => (context, changed) = (kept, true),
                Early::Skip(ids) => (context, skip) = (ids, true),
            }
        }
        if context.get::<Correlation>().is_none() {
            (context, changed) = (context.with_value(Correlation::root()), true);
        }
        if declares.promoted {
            let correlation = Correlation::subtree(context.clone());
            attrs.record(&mut Declare(&correlation));
            (context, changed) = (context.with_value(correlation), true);
            if let Some(span) = ctx.span(id) {
                span.extensions_mut().insert(Declared(context.clone()));
            }
        }
        if skip {
            if let Some(span) = ctx.span(id) {
                // Read first: a store takes the line from all other threads.
                if !self.skips.load(Ordering::Relaxed) {
                    self.skips.store(true, Ordering::Relaxed);
                }
                span.extensions_mut().insert(Skipped(context));
            }
            return;
        }
        // The inner layer makes the current context the new span's parent; what is in it is
        // inherited by the span, its children and every task that is given the span.
        let _attached = changed.then(|| context.attach());
        if attrs.is_contextual() {
            self.forward_new(attrs, id, ctx);
        } else {
            let contextual = span::Attributes::new(metadata, attrs.values());
            self.forward_new(&contextual, id, ctx);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        let Some(metadata) = ctx.metadata(id) else {
            return;
        };
        if Declares::of(metadata).promoted {
            let declared = ctx
                .span(id)
                .and_then(|span| span.extensions().get::<Declared>().map(|it| it.0.clone()));
            if let Some(correlation) = declared.as_ref().and_then(OtelContext::get) {
                values.record(&mut Declare(correlation));
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
        if let Some(context) = self.skipped(&ctx, id) {
            let guard = context.attach();
            ENTERED.with_borrow_mut(|entered| entered.push((id.clone(), guard)));
            return;
        }
        self.inner.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        // Dropped outside of the borrow: leaving a context may run other code.
        let skips = self.skips.load(Ordering::Relaxed);
        let left = skips.then(|| leave(id)).flatten();
        if left.is_none() {
            self.inner.on_exit(id, ctx);
        }
    }

    fn on_close(&self, id: span::Id, ctx: Context<'_, S>) {
        if self.skips.load(Ordering::Relaxed)
            && let Some(span) = ctx.span(&id)
        {
            // Dropped outside of the lock on the extensions: what is in a context may run
            // any code when it ends.
            let skipped = span.extensions_mut().remove::<Skipped>();
            if skipped.is_some() {
                return;
            }
        }
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

/// What a span's callsite has fields for.
#[derive(Default)]
struct Declares {
    /// `otel.kind`
    kind: bool,
    /// One of [`PROMOTED`].
    promoted: bool,
}

impl Declares {
    /// In one pass: with a look-up for each name the span layer's part of a new span was
    /// twice as long.
    fn of(metadata: &Metadata<'_>) -> Self {
        let mut declares = Self::default();
        for field in metadata.fields() {
            let name = field.name();
            // A query is no carrier of a context, so its kind alone is no reason to forward.
            declares.kind |= name == "otel.kind" && metadata.target() != database::TARGET;
            declares.promoted |= PROMOTED.contains(&name);
        }
        declares.kind &= metadata.target() != CLIENT_TARGET;
        declares
    }
}

/// Takes the promoted fields out of a span's values.
struct Declare<'a>(&'a Correlation);

impl Visit for Declare<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(index) = PROMOTED.iter().position(|name| *name == field.name()) {
            self.0
                .declare(index, &redaction::known_value(field.name(), value));
        }
    }

    // Numbers and `%` and `?` values all arrive here.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if PROMOTED.contains(&field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
