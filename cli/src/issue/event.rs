//! A Sentry event as an occurrence.

use super::fingerprint::{Failed, explicit, worked_out};
use super::{Occurrence, Source, UNKNOWN_SERVICE, frames, lines};
use crate::sentry::{Event, User};

impl Occurrence {
    /// Any event is one: who captures a message wants it seen. `received` is the time, in
    /// nanoseconds since 1970, of an event that has none.
    pub(crate) fn from_event(event: &Event, received: u64) -> Self {
        let exception = event.outermost();
        let kind = exception.and_then(|one| {
            let synthetic = one.mechanism.as_ref().is_some_and(|how| how.synthetic);
            one.kind.clone().filter(|_| !synthetic)
        });
        let said = exception.and_then(|one| one.value.clone());
        let message = said.or_else(|| event.message.clone()).unwrap_or_default();
        let culprit = frames::culprit(event.frames())
            .or_else(|| event.transaction.clone())
            .or_else(|| {
                let request = event.request.as_ref()?;
                let url = request.url.as_deref()?;
                Some(format!(
                    "{} {url}",
                    request.method.as_deref().unwrap_or("GET")
                ))
            })
            .or_else(|| event.logger.clone());
        let service = service(event);
        let failed = Failed {
            service: &service,
            exceptions: &event.exceptions,
            stack: &event.stack,
            message: event.template.as_deref().unwrap_or(&message),
        };
        let fingerprint = match &event.fingerprint {
            Some(parts) => explicit(parts, failed),
            None => worked_out(failed),
        };
        let (title, subtitle) = lines(kind.as_deref(), &message, culprit.as_deref());
        Self {
            source: Source::Sentry,
            time: event.timestamp.unwrap_or(received),
            release: event.release.clone(),
            environment: event.environment.clone(),
            trace_id: event.trace_id,
            span_id: event.span_id,
            event_id: Some(event.event_id.clone()).filter(|id| !id.is_empty()),
            log_message: event.message.clone().filter(|_| exception.is_some()),
            level: event.level,
            handled: exception.and_then(|one| one.mechanism.as_ref()?.handled),
            user: event.user.as_ref().and_then(user),
            exception_type: kind,
            service,
            message,
            culprit,
            fingerprint,
            title,
            subtitle,
        }
    }
}

/// Sentry knows projects, not services: what the SDK's OpenTelemetry side or a tag says, or
/// the package of the release.
fn service(event: &Event) -> String {
    let tag = event.tags.get("service.name").cloned();
    let resource = || {
        let resource = event.contexts.get("otel")?.get("resource")?;
        resource.get("service.name")?.as_str().map(str::to_owned)
    };
    let package = || {
        let (package, _) = event.release.as_deref()?.rsplit_once('@')?;
        Some(package.to_owned())
    };
    let service = tag.or_else(resource).or_else(package);
    service
        .filter(|service| !service.is_empty())
        .unwrap_or_else(|| UNKNOWN_SERVICE.to_owned())
}

fn user(user: &User) -> Option<String> {
    let known = [&user.id, &user.username, &user.email, &user.ip_address];
    known.into_iter().flatten().next().cloned()
}
