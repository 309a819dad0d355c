//! The Sentry client: built only where `SENTRY_DSN` is set, on our own transport.

mod check_in;
#[cfg_attr(not(feature = "http"), path = "http_request/absent.rs")]
pub(crate) mod http_request;
mod ignore;
mod rate_limits;
mod request;
mod span_fields;
mod transport;

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::Resource;
pub(crate) use sentry_core::Client;
use sentry_core::protocol::{Context, Event, SpanId, TraceContext, TraceId};
use sentry_core::{ClientOptions, Hub, Integration};

use crate::InitError;
use crate::export::{ExportRuntime, Ledger};
use crate::redaction::Redactor;
use crate::resource;
use crate::settings::SentrySettings;
use transport::Transports;

pub(crate) use check_in::CheckIn;
pub use ignore::SentryIgnore;
#[cfg(fuzzing)]
pub(crate) use rate_limits::RateLimits;
pub(crate) use request::describe;
pub(crate) use span_fields::{Origin, SpanFields};

/// Builds the client and makes it the process's own, so that the service's direct
/// `sentry::` calls use it too.
pub(crate) fn client(
    settings: SentrySettings,
    resource: &Resource,
    runtime: &ExportRuntime,
    ledger: Arc<Ledger>,
    redactor: &Arc<Redactor>,
) -> Result<Arc<Client>, InitError> {
    let transports = Transports::new(&settings, runtime.handle().clone(), ledger)?;
    let (events, breadcrumbs) = (Arc::clone(redactor), Arc::clone(redactor));
    let mut options = ClientOptions::new()
        .maybe_release(
            settings
                .release
                .or_else(|| release(resource))
                .map(Cow::Owned),
        )
        .environment(
            settings
                .environment
                .or_else(|| resource::text(resource, "deployment.environment.name"))
                // Sentry's own default, stated so that its servers agree on it.
                .unwrap_or_else(|| "production".to_owned()),
        )
        .before_send(move |event| Some(events.event(event)))
        .before_breadcrumb(move |breadcrumb| Some(breadcrumbs.breadcrumb(breadcrumb)))
        .sample_rate(settings.sample_rate)
        .debug(settings.debug)
        .transport(transports)
        .add_integration(Everywhere {
            tags: SERVICE.map(|name| Some((name, resource::text(resource, name)?))),
            distribution: settings.distribution,
        });
    options.dsn = Some(settings.dsn);
    if let Some(host) = resource::text(resource, "host.name") {
        options = options.server_name(host);
    }
    let client = Arc::new(Client::with_options(options));
    Hub::main().bind_client(Some(Arc::clone(&client)));
    Ok(client)
}

/// Sentry's convention for a release: `package@version`.
fn release(resource: &Resource) -> Option<String> {
    let name = resource::text(resource, "service.name")?;
    let version = resource::text(resource, "service.version")?;
    Some(format!("{name}@{version}"))
}

/// What of the resource is a tag; release, environment and the server's name have fields of
/// their own.
const SERVICE: [&str; 2] = ["service.name", "service.namespace"];

/// What every event has: ours, and those that the service captures itself. The trace is the
/// current OpenTelemetry context's; ours attach the record's.
#[derive(Debug)]
struct Everywhere {
    tags: [Option<(&'static str, String)>; SERVICE.len()],
    distribution: Option<String>,
}

impl Integration for Everywhere {
    fn name(&self) -> &'static str {
        "throughline"
    }

    fn process_event(
        &self,
        mut event: Event<'static>,
        _options: &ClientOptions,
    ) -> Option<Event<'static>> {
        for (name, value) in self.tags.iter().flatten() {
            // What the service says itself stays.
            event
                .tags
                .entry((*name).to_owned())
                .or_insert_with(|| value.clone());
        }
        if event.dist.is_none() {
            event.dist = self.distribution.clone().map(Cow::Owned);
        }
        let context = OtelContext::current();
        let span = context.span();
        let ids = span.span_context();
        if ids.is_valid() {
            let trace = TraceContext {
                trace_id: TraceId::from(ids.trace_id().to_bytes()),
                span_id: SpanId::from(ids.span_id().to_bytes()),
                ..TraceContext::default()
            };
            // Replaces what a scope put there: Sentry's own trace, which nobody else knows.
            event
                .contexts
                .insert("trace".to_owned(), Context::Trace(Box::new(trace)));
        }
        Some(event)
    }
}
