//! Whether a receiver can be reached, told to the operator once when it changes.

use std::sync::{Mutex, PoisonError};

use crate::diagnostics;

/// Who receives, and what went wrong last. Shared by the signals that go to one place, so
/// that one outage is one sentence.
#[derive(Debug)]
pub(crate) struct Destination {
    /// What is sent there, in plural.
    what: &'static str,
    origin: String,
    /// What to do when nothing is delivered.
    advice: &'static str,
    /// The same, where it is a matter of certificates.
    certificate_advice: &'static str,
    last_error: Mutex<Option<String>>,
}

impl Destination {
    pub(crate) fn collector(origin: String) -> Self {
        Self {
            what: "traces, metrics and logs",
            origin,
            advice: "start a collector there, name another with OTEL_EXPORTER_OTLP_ENDPOINT, or switch the export off with OTEL_SDK_DISABLED=true",
            certificate_advice: "name the authority of its certificate with OTEL_EXPORTER_OTLP_CERTIFICATE and, where it asks for one of yours, that with OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            last_error: Mutex::new(None),
        }
    }

    #[cfg(feature = "sentry")]
    pub(crate) fn sentry(origin: String) -> Self {
        Self {
            what: "error reports",
            origin,
            advice: "check SENTRY_DSN and that its server runs, or unset it",
            certificate_advice: "add the authority of its certificate to the system's",
            last_error: Mutex::new(None),
        }
    }

    /// The transport's own words; exporters replace them by "network error".
    pub(crate) fn transport_failed(&self, reason: String) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub(crate) fn reached(&self) {
        if diagnostics::settle(&self.origin) {
            let message = format!("{} is reached again", self.origin);
            diagnostics::say_at(diagnostics::Level::Info, &message);
        }
    }

    pub(crate) fn failed(&self, reason: &str) {
        let transport = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let reason = transport.as_deref().unwrap_or(reason);
        let advice = if reason.to_ascii_lowercase().contains("certificate") {
            self.certificate_advice
        } else {
            self.advice
        };
        diagnostics::say_once(&self.origin, || {
            format!(
                "{} cannot be delivered to {}: {}. The service goes on without; {}. This is said once, until it works again.",
                self.what, self.origin, reason, advice
            )
        });
    }
}
