//! One trace: its tree, what bounded its length, the drawing of it, and two of them compared.

mod compare;
mod critical;
mod detail;
mod oddity;
mod tree;
mod waterfall;

use std::sync::Arc;

use throughline_receiver::proto::{
    common::v1::{InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};

pub(crate) use compare::compare;
pub(crate) use detail::detail;
pub(crate) use oddity::Oddity;
pub(crate) use tree::Tree;
pub(crate) use waterfall::{Folding, Waterfall};

/// A span with who sent it.
#[derive(Clone, Debug)]
pub(crate) struct TraceSpan {
    pub(crate) service: String,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<InstrumentationScope>,
    pub(crate) span: Span,
}

impl TraceSpan {
    pub(crate) fn new(
        resource: Arc<Resource>,
        scope: Arc<InstrumentationScope>,
        span: Span,
    ) -> Self {
        let service = text(&resource.attributes, "service.name")
            .unwrap_or("unknown")
            .to_owned();
        Self {
            service,
            resource,
            scope,
            span,
        }
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn failed(&self) -> bool {
        self.span
            .status
            .as_ref()
            .is_some_and(|status| status.code() == StatusCode::Error)
    }

    /// What part it has in a call, where it has one.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self.span.kind() {
            SpanKind::Unspecified | SpanKind::Internal => None,
            SpanKind::Server => Some("server"),
            SpanKind::Client => Some("client"),
            SpanKind::Producer => Some("producer"),
            SpanKind::Consumer => Some("consumer"),
        }
    }
}

/// A record of the trace.
#[derive(Clone, Debug)]
pub(crate) struct TraceRecord {
    /// Of `/logs/{id}`.
    pub(crate) id: i64,
    pub(crate) record: LogRecord,
}

/// An error of the trace, as `/errors` has it.
#[derive(Clone, Debug)]
pub(crate) struct TraceError {
    /// Address of its group.
    pub(crate) href: String,
    pub(crate) title: String,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// Of the span in which it happened; may be empty.
    pub(crate) span_id: Vec<u8>,
}

pub(crate) fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter()
        .fold(String::with_capacity(id.len() * 2), |mut out, byte| {
            _ = write!(out, "{byte:02x}");
            out
        })
}

/// The value of a text attribute.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod fixture;
