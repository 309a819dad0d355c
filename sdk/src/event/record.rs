//! One event, visited: what every sink reads and none changes.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};

use super::callsite::Callsite;
use super::spare::Spare;
use crate::correlation::{Correlation, PROMOTED, Values};
use crate::limits;
use crate::redaction::{REPLACEMENT, Redactor};
use crate::typed_error;

#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp: SystemTime,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) name: Option<&'static str>,
    pub(crate) module: Option<&'a str>,
    pub(crate) file: Option<&'a str>,
    pub(crate) line: Option<u32>,
    /// What is kept of all that, where it is a callsite of `tracing`'s own.
    pub(crate) callsite: Option<&'static Callsite>,
    pub(crate) span: Option<&'static str>,
    pub(crate) trace: Option<SpanContext>,
    /// The request that it belongs to, which keeps breadcrumbs.
    #[cfg_attr(not(feature = "sentry"), allow(dead_code, reason = "for breadcrumbs"))]
    pub(crate) correlation: Option<&'a Correlation>,
    /// What was known of the request at that moment, read once for all sinks.
    pub(crate) known: Values,
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, Value)>,
    pub(crate) exception: Option<Exception>,
}

/// A field's value, as `tracing` gives it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
}

/// An error value, or a panic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exception {
    /// The type's name where it is known; a `dyn Error` does not tell.
    pub(crate) kind: Option<&'static str>,
    pub(crate) message: String,
    /// The messages of the sources, nearest first.
    pub(crate) sources: Vec<String>,
    /// The backtrace of a panic.
    pub(crate) stacktrace: Option<String>,
}

impl Exception {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut sources = Vec::new();
        let mut next = error.source();
        while let Some(source) = next {
            sources.push(source.to_string());
            next = source.source();
        }
        Self {
            kind: None,
            message: error.to_string(),
            sources,
            stacktrace: None,
        }
    }

    /// Adds the backtrace of the place where the error is told, where `RUST_BACKTRACE` or
    /// `RUST_LIB_BACKTRACE` asks for backtraces. The error's own cannot be had on stable.
    fn captured(mut self) -> Self {
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            self.stacktrace = Some(crate::panic::trimmed(&backtrace.to_string()));
        }
        self
    }

    /// What `exception.stacktrace` holds: the chain of an error in the form that Rust
    /// programs print, then the backtrace. `None` where there is neither.
    pub(crate) fn trace_text(&self) -> Option<String> {
        let mut text = String::new();
        if !self.sources.is_empty() {
            text.push_str(&self.message);
            text.push_str("\n\nCaused by:");
            for (depth, source) in self.sources.iter().enumerate() {
                // Writing to a String does not fail.
                let _ = write!(text, "\n    {depth}: {source}");
            }
        }
        if let Some(stacktrace) = &self.stacktrace {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(stacktrace);
        }
        (!text.is_empty()).then_some(text)
    }
}

/// How the `log` crate's records carry what the metadata now says.
const FROM_LOG: [&str; 4] = ["log.target", "log.module_path", "log.file", "log.line"];

const ADDRESS: &str = "client.address";
const USER_AGENT: &str = "user_agent.original";

/// In characters. Browsers need 150; whoever attacks may send what a header holds.
const LONGEST_USER_AGENT: usize = 512;

/// The name that the program gave the event. `tracing` makes one from the source position
/// where none was given, which names nothing.
pub(crate) fn event_name(metadata: &'static Metadata<'static>) -> Option<&'static str> {
    let name = metadata.name();
    (!name.starts_with("event ") && name != "log event").then_some(name)
}

/// An event's message alone.
pub(crate) fn message(event: &Event<'_>) -> String {
    struct Message(String);

    impl Visit for Message {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "message" {
                value.clone_into(&mut self.0);
            }
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }

        // Spares the text of errors.
        fn record_error(&mut self, _: &Field, _: &(dyn Error + 'static)) {}
    }

    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

impl Record<'_> {
    /// A field that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .rev()
            .find_map(|(field, value)| match value {
                Value::Text(text) if *field == name => Some(text.as_str()),
                _ => None,
            })
    }

    /// Whether it says `event.severity=critical`, for which `tracing` has no level.
    pub(crate) fn is_critical(&self) -> bool {
        self.text("event.severity") == Some("critical")
    }

    /// What is known of the request, by name, without what the record says itself.
    pub(crate) fn promoted(&self) -> impl Iterator<Item = (&'static str, &Arc<str>)> {
        PROMOTED
            .into_iter()
            .zip(&self.known)
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
            .filter(|(name, _)| !self.fields.iter().any(|(field, _)| field == name))
    }

    pub(crate) fn visit(&mut self, event: &Event<'_>) {
        let mut spare = Spare::take();
        self.fields = std::mem::take(&mut spare.fields);
        let mut visitor = Visitor(self, spare);
        event.record(&mut visitor);
        visitor.1.keep();
    }

    /// Adds where the request came from to a security record that does not say it.
    pub(crate) fn add_client(&mut self) {
        let Some(client) = self.correlation.and_then(Correlation::client) else {
            return;
        };
        let says = |name| self.fields.iter().any(|(field, _)| *field == name);
        let (address, agent) = (says(ADDRESS), says(USER_AGENT));
        let mut spare = Spare::take();
        if !address {
            let mut text = spare.text();
            // Writing to a String does not fail.
            let _ = write!(text, "{}", client.address);
            self.fields.push((ADDRESS, Value::Text(text)));
        }
        if !agent && let Some(user_agent) = &client.user_agent {
            let mut text = spare.text();
            let user_agent = String::from_utf8_lossy(user_agent.as_bytes());
            text.push_str(limits::cut(&user_agent, LONGEST_USER_AGENT).unwrap_or(&user_agent));
            self.fields.push((USER_AGENT, Value::Text(text)));
        }
        spare.keep();
    }

    /// Takes the secrets out of everything in it that is not the program's own text.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        redactor.replace(&mut self.message);
        for (name, value) in &mut self.fields {
            value.redact(name, redactor);
        }
        if let Some(exception) = &mut self.exception {
            redactor.replace(&mut exception.message);
            for source in &mut exception.sources {
                redactor.replace(source);
            }
            if let Some(stacktrace) = &mut exception.stacktrace {
                redactor.replace(stacktrace);
            }
        }
    }
}

/// Fills the record, with texts out of the thread's storage.
struct Visitor<'r, 'a>(&'r mut Record<'a>, Spare);

impl Visitor<'_, '_> {
    fn push(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if name == "message" {
            self.0.message = match value {
                Value::Text(text) => text,
                other => other.to_string(),
            };
        } else if !FROM_LOG.contains(&name) {
            self.0.fields.push((name, value));
        }
    }
}

impl Visitor<'_, '_> {
    /// A record has room for one exception; a second error is a field like any other.
    fn exception(&mut self, field: &Field, exception: Exception) {
        if self.0.exception.is_none() {
            self.0.exception = Some(exception.captured());
        } else {
            self.push(field, Value::Text(exception.message));
        }
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Uint(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = self.1.text();
        text.push_str(value);
        self.push(field, Value::Text(text));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.exception(field, Exception::of(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = self.1.text();
        match typed_error::look(value, &mut text) {
            Some(exception) => self.exception(field, exception),
            None => self.push(field, Value::Text(text)),
        }
    }
}

impl Value {
    fn redact(&mut self, name: &'static str, redactor: &Redactor) {
        let secret = match self {
            // A truth value is no secret, and `has_password` says something worth knowing.
            Self::Bool(_) => false,
            Self::Text(text) if text.is_empty() => false,
            _ if redactor.callsite_key(name) => true,
            Self::Text(text) => {
                redactor.replace(text);
                false
            }
            Self::Int(number) => u64::try_from(*number).is_ok_and(|it| redactor.number(it)),
            Self::Uint(number) => redactor.number(*number),
            Self::Float(_) => false,
        };
        if secret {
            *self = Self::Text(REPLACEMENT.to_owned());
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("checkout failed")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("card declined")]
    struct Inner;

    #[test]
    fn an_error_keeps_its_chain() {
        let exception = Exception::of(&Outer(Inner));
        assert_eq!(exception.message, "checkout failed");
        assert_eq!(exception.sources, ["card declined"]);
        assert_eq!(
            exception.trace_text().unwrap(),
            "checkout failed\n\nCaused by:\n    0: card declined"
        );
        assert_eq!(Exception::of(&Inner).trace_text(), None);
    }
}
