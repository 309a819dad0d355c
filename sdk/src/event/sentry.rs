//! ERROR records and panics as Sentry events, of the same trace as everything else.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use sentry_core::protocol::{
    Breadcrumb, Event, Frame, Level as SentryLevel, Mechanism, Stacktrace, User, Value as Json,
};
use sentry_core::types::Uuid;
use sentry_core::{Client, ClientOptions};
use tracing::Level;

use super::record::{Exception, Record, Value};
use crate::sentry::{self, Origin, SentryIgnore, http_request};

#[derive(Debug)]
pub(crate) struct SentryErrors {
    client: Arc<Client>,
    ignore: SentryIgnore,
}

impl SentryErrors {
    pub(crate) fn new(client: Arc<Client>, ignore: SentryIgnore) -> Self {
        Self { client, ignore }
    }

    /// An ERROR, or what is critical at any level, becomes an event; that and the levels
    /// down to INFO leave a breadcrumb for the request's next event. Where it came from is
    /// looked up for an event alone.
    pub(crate) fn emit(&self, record: &Record<'_>, origin: impl FnOnce() -> Option<Origin>) {
        if (record.level == Level::ERROR || record.is_critical()) && !self.ignores(record) {
            self.capture(record, origin());
        }
        if record.level <= Level::INFO
            && let Some(correlation) = record.correlation
        {
            correlation.leave(breadcrumb(record));
        }
    }

    fn ignores(&self, record: &Record<'_>) -> bool {
        let error = record.exception.as_ref().and_then(|error| error.kind);
        self.ignore.matches(error, record.name, record.target)
    }

    fn capture(&self, record: &Record<'_>, origin: Option<Origin>) {
        let mut event = event(record);
        let mut origin = origin.unwrap_or_default();
        http_request::complete(&mut origin, record.correlation);
        if !origin.transaction.is_empty() {
            event.transaction = Some(origin.transaction);
        }
        let host = self.client.options().server_name.as_deref();
        let host = host.unwrap_or("localhost");
        sentry::describe(&mut event, &origin.fields, &record.fields, host);
        // The ids come from the current context, which need not be the record's.
        let context = record.trace.clone().map_or_else(OtelContext::new, |ids| {
            OtelContext::new().with_remote_span_context(ids)
        });
        let _attached = context.attach();
        // No scope: what belongs to the request comes with the record, and a hub would not
        // follow spawned tasks.
        self.client.capture_event(event, None);
    }
}

fn event(record: &Record<'_>) -> Event<'static> {
    let panicked = record.exception.as_ref().is_some_and(is_panic);
    let mut event = Event {
        event_id: Uuid::new_v4(),
        level: if panicked || record.is_critical() {
            SentryLevel::Fatal
        } else {
            SentryLevel::Error
        },
        logger: Some(record.target.to_owned()),
        message: Some(record.message.clone()),
        timestamp: record.timestamp,
        ..Event::default()
    };
    if let Some(exception) = &record.exception {
        event.exception = exceptions(exception).into();
    }
    if let Some(name) = record.name {
        event.tags.insert("event.name".to_owned(), name.to_owned());
    }
    event.fingerprint = fingerprint(record);
    for (name, value) in record.promoted() {
        if name == "user.id" {
            event.user = Some(User {
                id: Some(value.to_string()),
                ..User::default()
            });
        } else {
            event.tags.insert(name.to_owned(), value.to_string());
        }
    }
    if let Some(correlation) = record.correlation {
        event.breadcrumbs = correlation.trail().into();
    }
    for (name, value) in &record.fields {
        event.extra.insert((*name).to_owned(), value.to_json());
    }
    event
}

/// What groups events into one issue: the event's name and the error's type, where they are
/// known. Messages have ids and amounts in them and would make an issue each.
fn fingerprint(record: &Record<'_>) -> Cow<'static, [Cow<'static, str>]> {
    let kind = record
        .exception
        .as_ref()
        .filter(|exception| !is_panic(exception))
        .and_then(|exception| exception.kind);
    let parts: Vec<Cow<'static, str>> = match (record.name, kind) {
        (Some(name), Some(kind)) => vec![name.into(), kind.into()],
        // Sentry's word for its own grouping.
        (Some(name), None) => vec![name.into(), "{{ default }}".into()],
        (None, Some(kind)) => vec![record.target.to_owned().into(), kind.into()],
        (None, None) => return Cow::Owned(vec!["{{ default }}".into()]),
    };
    Cow::Owned(parts)
}

fn breadcrumb(record: &Record<'_>) -> Breadcrumb {
    Breadcrumb {
        timestamp: record.timestamp,
        category: Some(record.target.to_owned()),
        level: match record.level {
            Level::ERROR => SentryLevel::Error,
            Level::WARN => SentryLevel::Warning,
            _ => SentryLevel::Info,
        },
        message: Some(record.message.clone()),
        data: record
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_json()))
            .collect(),
        ..Breadcrumb::default()
    }
}

fn is_panic(exception: &Exception) -> bool {
    exception.kind == Some(crate::panic::KIND)
}

/// The stack of a panic, which ends with the frame that panicked. Sentry takes the last frame
/// for the place of the failure; what runs above it is the panic's own machinery and ours,
/// the same in every panic.
fn panic_stack() -> Option<Stacktrace> {
    let mut stack = sentry_backtrace::current_stacktrace()?;
    let is = |frame: &Frame, part: &str| {
        frame
            .function
            .as_deref()
            .is_some_and(|function| function.contains(part))
    };
    let unwind = stack
        .frames
        .iter()
        .rposition(|frame| is(frame, "rust_begin_unwind"));
    if let Some(unwind) = unwind {
        stack.frames.truncate(unwind);
        while stack
            .frames
            .pop_if(|frame| is(frame, "core::panicking"))
            .is_some()
        {}
    }
    // Which frames are the service's own: `unwrap` panics in the standard library.
    sentry_backtrace::process_event_stacktrace(&mut stack, &ClientOptions::default());
    Some(stack)
}

/// Sentry wants the root cause first and the error that was seen last.
fn exceptions(exception: &Exception) -> Vec<sentry_core::protocol::Exception> {
    let panicked = is_panic(exception);
    let outermost = sentry_core::protocol::Exception {
        ty: exception.kind.unwrap_or("Error").to_owned(),
        value: Some(exception.message.clone()),
        stacktrace: panicked.then(panic_stack).flatten(),
        mechanism: panicked.then(|| Mechanism {
            ty: "panic".to_owned(),
            handled: Some(false),
            ..Mechanism::default()
        }),
        ..Default::default()
    };
    let sources = exception.sources.iter().rev();
    sources
        .map(|source| sentry_core::protocol::Exception {
            ty: "Error".to_owned(),
            value: Some(source.clone()),
            ..Default::default()
        })
        .chain([outermost])
        .collect()
}

impl Value {
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Bool(value) => Json::from(*value),
            Self::Int(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::Float(value) => Json::from(*value),
            Self::Text(value) => Json::from(value.clone()),
        }
    }
}
