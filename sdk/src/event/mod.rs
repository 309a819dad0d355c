//! One path for every event: visited once, redacted once, then handed to each sink.
//!
//! Three stock layers in a row (console, log bridge, Sentry) would visit and format each
//! event three times, and could disagree on its ids.

mod burst;
mod callsite;
mod console;
pub(crate) mod escape;
mod otlp;
mod record;
#[cfg_attr(not(feature = "sentry"), path = "sentry/absent.rs")]
mod sentry;
mod spare;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt};
use tracing::dispatcher::WeakDispatch;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

pub(crate) use burst::BurstLimit;
pub(crate) use console::{Console, Process, timestamp};
pub(crate) use otlp::OtlpLogs;
pub(crate) use record::{Exception, Record, Value};
pub(crate) use sentry::SentryErrors;

use crate::correlation::Correlation;
use crate::metrics::EventCounter;
use crate::redaction::Redactor;
use crate::sentry::Origin;
use crate::span_layer::skipped_context;
use crate::testing::CaptureSink;
use burst::Verdict;

/// On the record that tells how many of its callsite's were suppressed before it.
const SUPPRESSED_COUNT: &str = "log.suppressed_count";

/// Where records go. Shared by the layer and the panic hook.
#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) console: Option<Console>,
    pub(crate) otlp: Option<OtlpLogs>,
    pub(crate) sentry: Option<SentryErrors>,
    /// `throughline.events`: the events that have a name or a stream.
    pub(crate) events: Option<EventCounter>,
    /// A test's, in place of the others.
    pub(crate) capture: Option<CaptureSink>,
}

impl Sinks {
    /// Redacts the record, so that no sink can let a secret out, and hands it to each.
    /// `origin` is asked for an error alone, and only where there is a Sentry.
    pub(crate) fn emit(&self, record: &mut Record<'_>, origin: impl FnOnce() -> Option<Origin>) {
        record.redact(&self.redactor);
        if let Some(events) = &self.events {
            let category = record.text("log.category");
            if record.name.is_some() || category.is_some() {
                events.count(category, record.name, record.text("event.severity"));
            }
        }
        if let Some(otlp) = &self.otlp {
            otlp.emit(record);
        }
        if let Some(console) = &self.console {
            console.emit(record);
        }
        if let Some(sentry) = &self.sentry {
            sentry.emit(record, origin);
        }
        if let Some(capture) = &self.capture {
            capture.emit(record);
        }
        if record.level == Level::ERROR
            && let Some(correlation) = record.correlation
        {
            correlation.fail();
        }
    }
}

pub(crate) struct EventLayer {
    sinks: Arc<Sinks>,
    /// `None` where no limit was asked for.
    bursts: Option<Arc<BurstLimit>>,
    /// Needed to look up the context of an explicit parent; weak, as the dispatch owns us.
    dispatch: OnceLock<WeakDispatch>,
}

impl EventLayer {
    pub(crate) fn new(sinks: Arc<Sinks>, bursts: Option<Arc<BurstLimit>>) -> Self {
        Self {
            sinks,
            bursts,
            dispatch: OnceLock::new(),
        }
    }

    /// The context that an event belongs to. The current one is right except where the
    /// event names its parent itself: `parent: &span`, or `parent: None` for a root.
    fn context<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>) -> Option<OtelContext>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        if event.is_root() {
            return None;
        }
        match event.parent() {
            None => Some(OtelContext::current()),
            Some(parent) => skipped_context(ctx, parent)
                .or_else(|| get_otel_context(parent, &self.dispatch.get()?.upgrade()?)),
        }
    }

    /// What remains of a suppressed ERROR: its span has failed all the same.
    fn fail_span<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Some(context) = self.context(event, ctx) else {
            return;
        };
        if let Some(correlation) = context.get::<Correlation>() {
            correlation.fail();
        }
        if context.span().is_recording() {
            let mut message = record::message(event);
            self.sinks.redactor.replace(&mut message);
            context.span().set_status(Status::error(message));
        }
    }
}

impl<S> Layer<S> for EventLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.dispatch.set(subscriber.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        // Telemetry about sending telemetry would never end.
        if OtelContext::is_current_telemetry_suppressed() {
            return;
        }
        let mut suppressed_before = 0;
        if let Some(bursts) = &self.bursts
            && !is_of_a_stream(event.metadata())
        {
            match bursts.take(event) {
                Verdict::Pass { suppressed } => suppressed_before = suppressed,
                Verdict::Suppress => {
                    if *event.metadata().level() == Level::ERROR {
                        self.fail_span(event, &ctx);
                    }
                    return;
                }
            }
        }
        let context = self.context(event, &ctx);
        let correlation: Option<&Correlation> = context.as_ref().and_then(OtelContext::get);
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut record = Record {
            timestamp: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target(),
            name: record::event_name(event.metadata()),
            module: metadata.module_path(),
            file: metadata.file(),
            line: metadata.line(),
            // A record of the `log` crate says where it stands in its fields.
            callsite: match &normalized {
                Some(_) => None,
                None => callsite::of(event.metadata()),
            },
            span: ctx.event_span(event).map(|span| span.name()),
            trace: context.as_ref().and_then(trace_of),
            known: correlation.map(Correlation::values).unwrap_or_default(),
            correlation,
            message: String::new(),
            fields: Vec::new(),
            exception: None,
        };
        record.visit(event);
        if record.correlation.is_some() && record.text("log.category") == Some("security") {
            record.add_client();
        }
        if suppressed_before > 0 {
            let count = Value::Uint(suppressed_before);
            record.fields.push((SUPPRESSED_COUNT, count));
        }
        self.sinks
            .emit(&mut record, || Origin::of(ctx.event_scope(event)));
        if record.level == Level::ERROR
            && let Some(context) = &context
        {
            let message = std::mem::take(&mut record.message);
            context.span().set_status(Status::error(message));
        }
        spare::take_back(record);
    }
}

/// Whether an event belongs to a stream (audit, security, business, …), each record of which
/// is data that somebody counts on.
fn is_of_a_stream(metadata: &Metadata<'_>) -> bool {
    metadata.fields().field("log.category").is_some()
}

/// The ids of a context, where it has a span.
pub(crate) fn trace_of(context: &OtelContext) -> Option<SpanContext> {
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| ids.clone())
}
