//! Spans, records and errors as plain values to assert on.

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use tracing::Level;

use crate::event::{Exception, Record};

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapturedSpan {
    /// Its name, as it would be sent (`otel.name` counts).
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Its status.
    pub status: Status,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The parent's id; `None` for a root.
    pub parent_span_id: Option<String>,
    /// Names and values, as text.
    pub attributes: Vec<(String, String)>,
}

impl CapturedSpan {
    pub(super) fn of(span: &SpanData) -> Self {
        let parent = span.parent_span_id;
        Self {
            name: span.name.to_string(),
            kind: span.span_kind.clone(),
            status: span.status.clone(),
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            parent_span_id: (parent != SpanId::INVALID).then(|| parent.to_string()),
            attributes: span
                .attributes
                .iter()
                .map(|attribute| (attribute.key.to_string(), attribute.value.to_string()))
                .collect(),
        }
    }

    /// The value of an attribute, as text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value(&self.attributes, name)
    }
}

/// A log record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapturedLog {
    /// Its level.
    pub level: Level,
    /// Its target: the module's path unless the event names another.
    pub target: String,
    /// The name given in code.
    pub event_name: Option<&'static str>,
    /// Its message.
    pub message: String,
    /// 32 hexadecimal digits, where it belongs to a span.
    pub trace_id: Option<String>,
    /// 16 hexadecimal digits, where it belongs to a span.
    pub span_id: Option<String>,
    /// Its fields, and `user.id`, `session.id`, `request.id` and `tenant.id` where they are known; names
    /// and values, as text.
    pub attributes: Vec<(String, String)>,
    /// Of an error or a panic: its type where it is known, its message, then the messages
    /// of its sources.
    pub exception: Option<(Option<&'static str>, Vec<String>)>,
}

impl CapturedLog {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let promoted = record
            .promoted()
            .map(|(name, value)| (name.to_owned(), value.to_string()));
        let fields = record
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()));
        Self {
            level: record.level,
            target: record.target.to_owned(),
            event_name: record.name,
            message: record.message.clone(),
            trace_id: record.trace.as_ref().map(|ids| ids.trace_id().to_string()),
            span_id: record.trace.as_ref().map(|ids| ids.span_id().to_string()),
            attributes: promoted.chain(fields).collect(),
            exception: record.exception.as_ref().map(chain),
        }
    }

    /// The value of a field, as text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value(&self.attributes, name)
    }
}

fn chain(exception: &Exception) -> (Option<&'static str>, Vec<String>) {
    let messages = std::iter::once(&exception.message).chain(&exception.sources);
    (exception.kind, messages.cloned().collect())
}

/// What would have become a Sentry event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapturedError {
    /// The record's message.
    pub message: String,
    /// The error's type where it is known; `panic` for a panic.
    pub kind: Option<&'static str>,
    /// The error's message, then those of its sources; empty for a record without an error.
    pub chain: Vec<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// The user that it happened to, where known.
    pub user_id: Option<String>,
}

impl CapturedError {
    pub(super) fn of(log: &CapturedLog) -> Option<Self> {
        if log.level != Level::ERROR {
            return None;
        }
        let (kind, chain) = log.exception.clone().unwrap_or_default();
        Some(Self {
            message: log.message.clone(),
            kind,
            chain,
            trace_id: log.trace_id.clone(),
            user_id: log.attribute("user.id").map(str::to_owned),
        })
    }
}

/// The last value of a name counts, as everywhere.
fn value<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}
