//! A capture as text that is the same in every run.

use super::metrics::Metrics;
use super::recorded::{CapturedLog, CapturedSpan};

pub(super) fn text(spans: &[CapturedSpan], logs: &[CapturedLog], metrics: &Metrics) -> String {
    let mut text = String::new();
    let known = |id: &str| spans.iter().any(|span| span.span_id == id);
    let mut roots: Vec<String> = spans
        .iter()
        .filter(|span| !span.parent_span_id.as_deref().is_some_and(known))
        .map(|root| tree(root, spans, logs, 0))
        .collect();
    roots.sort();
    for root in roots {
        text.push_str(&root);
    }
    // Also those of spans that are still open.
    for log in logs {
        if !log.span_id.as_deref().is_some_and(known) {
            text.push_str(&line(0, &log_text(log)));
        }
    }
    for metric in metrics.lines() {
        text.push_str(&line(0, &metric));
    }
    text
}

/// A span with its records, in order, then its children, sorted: siblings may end in any
/// order.
fn tree(span: &CapturedSpan, spans: &[CapturedSpan], logs: &[CapturedLog], depth: usize) -> String {
    let mut shown = format!("span {}{}", span.name, attributes(&span.attributes));
    if span.status != opentelemetry::trace::Status::Unset {
        shown.push_str(&format!(" {:?}", span.status));
    }
    let mut text = line(depth, &shown);
    for log in logs {
        if log.span_id.as_deref() == Some(span.span_id.as_str()) {
            text.push_str(&line(depth + 1, &log_text(log)));
        }
    }
    let mut children: Vec<String> = spans
        .iter()
        .filter(|child| child.parent_span_id.as_deref() == Some(span.span_id.as_str()))
        .map(|child| tree(child, spans, logs, depth + 1))
        .collect();
    children.sort();
    text + &children.concat()
}

fn log_text(log: &CapturedLog) -> String {
    let mut text = log.level.to_string();
    if let Some(name) = log.event_name {
        text.push_str(&format!(" [{name}]"));
    }
    text.push_str(&format!(" {}{}", log.message, attributes(&log.attributes)));
    if let Some((kind, chain)) = &log.exception {
        text.push_str(&format!(
            " {}: {}",
            kind.unwrap_or("error"),
            chain.join(" <- ")
        ));
    }
    text
}

fn attributes(attributes: &[(String, String)]) -> String {
    attributes
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect()
}

fn line(depth: usize, text: &str) -> String {
    format!(
        "{}{}\n",
        "  ".repeat(depth),
        crate::event::escape::one_line(text)
    )
}
