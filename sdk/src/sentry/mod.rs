//! The Sentry client: built only where `SENTRY_DSN` is set, on our own transport.

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

/// Builds the client and makes it the process's own, so that the service's direct
/// `sentry::` calls use it too.
pub(crate) fn client(
    settings: SentrySettings,
    resource: &Resource,
    runtime: &ExportRuntime,
    ledger: Arc<Ledger>,
    redactor: &Arc<Redactor>,
) -> Result<Arc<Client>, InitError> {
    let transports = Transports::new(&settings.dsn, runtime.handle().clone(), ledger)?;
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
        .transport(transports)
        .add_integration(CurrentTrace);
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

/// Gives every event the ids of the current OpenTelemetry context: ours, which attach the
/// record's context, and those that the service captures itself.
#[derive(Debug)]
struct CurrentTrace;

impl Integration for CurrentTrace {
    fn name(&self) -> &'static str {
        "throughline-current-trace"
    }

    fn process_event(
        &self,
        mut event: Event<'static>,
        _options: &ClientOptions,
    ) -> Option<Event<'static>> {
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
