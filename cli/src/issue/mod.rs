//! One failure, one issue: errors grouped by what went wrong, from whichever side they came.
//!
//! A failure in a request may be told three times: as a Sentry event, as an ERROR record, and
//! as a failed span. Each becomes an [`Occurrence`] ([`Occurrence::from_event`],
//! [`Occurrence::from_record`], [`Occurrence::from_span`]); [`closest`] tells which of them
//! are the same failure, and which of those is kept. What is kept belongs to the issue of its
//! [`Fingerprint`], and [`Status::after`] says whether that has come back.
//!
//! Nothing here keeps anything: the store applies these rules to its rows.

mod event;
mod fingerprint;
mod frames;
mod merge;
mod normalize;
mod otlp;
mod stacktrace;
mod status;

use std::fmt;

use opentelemetry::{SpanId, TraceId};
use serde::Serialize;

pub(crate) use fingerprint::Fingerprint;
pub(crate) use merge::{Failure, Merge, Sources, closest};
pub(crate) use stacktrace::parse as parse_stacktrace;
pub(crate) use status::Status;

use crate::sentry::Level;

/// The service of a process that does not say its name, by OpenTelemetry's convention.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// Who told of a failure. The later knows more: an event has breadcrumbs and a stack, a
/// record its fields, a span what it was doing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Span,
    LogRecord,
    Sentry,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Span => "span",
            Self::LogRecord => "log record",
            Self::Sentry => "Sentry event",
        })
    }
}

/// A failure, once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Occurrence {
    pub(crate) source: Source,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// [`UNKNOWN_SERVICE`] where nobody said.
    pub(crate) service: String,
    /// As Sentry writes it: `shop@1.4.2`.
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    /// A Sentry event's.
    pub(crate) event_id: Option<String>,
    pub(crate) exception_type: Option<String>,
    /// What the exception says; without one, the record or the span.
    pub(crate) message: String,
    /// What the record or the event says beside its exception.
    pub(crate) log_message: Option<String>,
    /// Where: the function, else the transaction, the event's name or the span's.
    pub(crate) culprit: Option<String>,
    pub(crate) level: Level,
    /// Whether the program went on; `None` where nobody said.
    pub(crate) handled: Option<bool>,
    pub(crate) fingerprint: Fingerprint,
    /// One line: the exception's type, else the message.
    pub(crate) title: String,
    /// One line: the exception's message, else the culprit.
    pub(crate) subtitle: String,
    /// Whom it hit: an id, else a name or an address.
    pub(crate) user: Option<String>,
}

/// The longest title and subtitle, in characters.
const LONGEST_LINE: usize = 200;

/// The first line that says something, without what follows.
fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let mut letters = line.chars();
    let mut short: String = letters.by_ref().take(LONGEST_LINE).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// The two lines that an issue is listed with.
fn lines(kind: Option<&str>, message: &str, culprit: Option<&str>) -> (String, String) {
    let message = one_line(message);
    let culprit = || culprit.map(one_line).unwrap_or_default();
    match kind {
        Some(kind) if message.is_empty() => (one_line(kind), culprit()),
        Some(kind) => (one_line(kind), message),
        None if message.is_empty() => ("an error without a message".to_owned(), culprit()),
        None => (message, culprit()),
    }
}

#[cfg(test)]
mod tests;
