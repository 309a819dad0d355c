//! Spans as lines.

use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Context, SpanId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SimpleSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use serde_json::{Map, Value as Json, json};

use super::{attributes, time, write_line};
use crate::export::stamp;

/// Writes spans.
#[derive(Debug)]
pub(crate) struct ConsoleSpans;

impl SpanExporter for ConsoleSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &batch {
            write_line(&line(span));
        }
        Ok(())
    }
}

/// Hands each span to the exporter as it ends.
#[derive(Debug)]
pub(crate) struct ConsoleProcessor<E: SpanExporter> {
    inner: SimpleSpanProcessor<E>,
    /// Whether to put the user and the request on spans. Once only: of two processors that
    /// did, the second would add the attributes again.
    stamps: bool,
}

impl<E: SpanExporter> ConsoleProcessor<E> {
    pub(crate) fn new(exporter: E, stamps: bool) -> Self {
        Self {
            inner: SimpleSpanProcessor::new(exporter),
            stamps,
        }
    }
}

impl<E: SpanExporter> SpanProcessor for ConsoleProcessor<E> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if self.stamps {
            stamp(span, context);
        }
    }

    fn on_end(&self, span: SpanData) {
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
}

fn line(span: &SpanData) -> Json {
    let mut line = Map::new();
    let mut put = |key: &str, value: Json| line.insert(key.to_owned(), value);
    put("signal", json!("span"));
    put("name", json!(span.name));
    put("kind", json!(kind(&span.span_kind)));
    put("trace_id", json!(span.span_context.trace_id().to_string()));
    put("span_id", json!(span.span_context.span_id().to_string()));
    if span.parent_span_id != SpanId::INVALID {
        put("parent_span_id", json!(span.parent_span_id.to_string()));
    }
    put("start", json!(time(span.start_time)));
    let duration = span.end_time.duration_since(span.start_time);
    put(
        "duration_s",
        json!(duration.unwrap_or_default().as_secs_f64()),
    );
    match &span.status {
        Status::Unset => {}
        Status::Ok => drop(put("status", json!("ok"))),
        Status::Error { description } => {
            put("status", json!("error"));
            put("status_description", json!(description));
        }
    }
    put("attributes", attributes(&span.attributes));
    if !span.events.events.is_empty() {
        let events = span.events.events.iter().map(|event| {
            json!({
                "name": event.name,
                "time": time(event.timestamp),
                "attributes": attributes(&event.attributes),
            })
        });
        put("events", events.collect());
    }
    if !span.links.links.is_empty() {
        let links = span.links.links.iter().map(|link| {
            json!({
                "trace_id": link.span_context.trace_id().to_string(),
                "span_id": link.span_context.span_id().to_string(),
                "attributes": attributes(&link.attributes),
            })
        });
        put("links", links.collect());
    }
    put("scope", json!(span.instrumentation_scope.name()));
    Json::Object(line)
}

fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    }
}
