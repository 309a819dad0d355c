//! Whether a receiver can be reached, told to the operator once when it changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::diagnostics::{self, Level};
use crate::limits;

/// Who receives, and what went wrong last. Signals that go to one place share its name, so
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
    /// Since the last success, so that a healthy one asks nobody.
    down: AtomicBool,
    /// Whether it ever took anything.
    answered: AtomicBool,
}

/// Whether what was sent last arrived.
#[cfg(feature = "health")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing was sent yet.
    Untried,
    Reached,
    Failed,
}

/// What a receiver says ends up in the service's own log, which is no place for a page.
fn short(said: &str) -> &str {
    const LONGEST: usize = 500;
    limits::cut(said, LONGEST).unwrap_or(said)
}

impl Destination {
    pub(crate) fn collector(origin: String) -> Self {
        Self {
            what: "traces, metrics and logs",
            origin,
            advice: "start a collector there, name another with OTEL_EXPORTER_OTLP_ENDPOINT, or switch the export off with OTEL_SDK_DISABLED=true",
            certificate_advice: "name the authority of its certificate with OTEL_EXPORTER_OTLP_CERTIFICATE and, where it asks for one of yours, that with OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            last_error: Mutex::new(None),
            down: AtomicBool::new(false),
            answered: AtomicBool::new(false),
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
            down: AtomicBool::new(false),
            answered: AtomicBool::new(false),
        }
    }

    /// Scheme, host and port.
    #[cfg(feature = "health")]
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// What the last answer, or its absence, said.
    #[cfg(feature = "health")]
    pub(crate) fn reach(&self) -> Reach {
        match (
            self.down.load(Ordering::Relaxed),
            self.answered.load(Ordering::Relaxed),
        ) {
            (true, _) => Reach::Failed,
            (false, true) => Reach::Reached,
            (false, false) => Reach::Untried,
        }
    }

    /// The transport's own words, which others may have replaced when they report it.
    pub(crate) fn transport_failed(&self, reason: String) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub(crate) fn reached(&self) {
        self.answered.store(true, Ordering::Relaxed);
        if self.down.swap(false, Ordering::Relaxed) && diagnostics::settle(&self.origin) {
            let message = format!("{} is reached again", self.origin);
            diagnostics::say_at(Level::Info, &message);
        }
    }

    pub(crate) fn failed(&self, reason: &str) {
        self.down.store(true, Ordering::Relaxed);
        let transport = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let reason = short(transport.as_deref().unwrap_or(reason));
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

    /// The receiver took everything, and has something to say.
    pub(super) fn warned(&self, why: &str) {
        let topic = format!("warned {}", self.origin);
        diagnostics::say_within_limits(&topic, Level::Warn, || {
            format!("{} took everything, and warns: {}", self.origin, short(why))
        });
    }

    /// So many items are lost although the receiver was reached.
    pub(super) fn rejected(&self, items: usize, why: &str) {
        let why = if why.is_empty() {
            "it did not say why"
        } else {
            short(why)
        };
        let topic = format!("rejected {}", self.origin);
        diagnostics::say_within_limits(&topic, Level::Error, || {
            format!(
                "{} rejected {items} of the {}: {why}. They are lost, and counted in throughline.export.items.",
                self.origin, self.what
            )
        });
    }

    /// The memory budget is used up.
    pub(super) fn overflowing(&self, items: u64) {
        let topic = format!("overflow {}", self.origin);
        diagnostics::say_within_limits(&topic, Level::Error, || {
            format!(
                "{items} {} were dropped, as what waits for {} fills its memory; THROUGHLINE_MEMORY_BUDGET_BYTES gives it more. All are counted in throughline.export.items.",
                self.what, self.origin
            )
        });
    }

    /// The exporter itself failed.
    pub(super) fn broken(&self, what: &str) {
        let topic = format!("broken {}", self.origin);
        diagnostics::say_within_limits(&topic, Level::Error, || what.to_owned());
    }
}
