//! Log records as the lines of a page.

use super::stream::Item;
use crate::page::{Query, table::LogLine, value};

/// Of a message in a list; the rest is folded or on the record's own page.
const LONGEST: usize = 32 * 1024;

/// A record as a line. `search` is that of the list it is in.
pub(super) fn line((row, record): &Item, search: Option<&Query>) -> LogLine {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let body = record.item.body.as_ref();
    let message = match body.and_then(|body| body.value.as_ref()) {
        // As it is, with its lines.
        Some(Value::StringValue(text)) => text.clone(),
        _ => value::plain(body, LONGEST),
    };
    LogLine {
        id: row.id,
        time: row.time,
        severity: row.severity,
        stream: row.stream.as_deref().unwrap_or_default().to_owned(),
        service: row.service.to_string(),
        event: row.event.as_deref().unwrap_or_default().to_owned(),
        message,
        attributes: record.item.attributes.clone(),
        trace_id: row.trace.map(trace_id).unwrap_or_default(),
        span_id: row.span.map(span_id).unwrap_or_default(),
        chosen: false,
        search: search.cloned(),
    }
}

pub(super) fn trace_id(trace: u128) -> String {
    format!("{trace:032x}")
}

pub(super) fn span_id(span: u64) -> String {
    format!("{span:016x}")
}
