//! Spans for the tests.

use std::sync::Arc;

use throughline_receiver::proto::trace::v1::Span;

use super::TraceSpan;

/// A span of the service `shop`; a parent of 0 is none.
pub(super) fn span(name: &str, id: u64, parent: u64, start: u64, end: u64) -> TraceSpan {
    let parent_span_id = if parent == 0 {
        Vec::new()
    } else {
        parent.to_be_bytes().to_vec()
    };
    let span = Span {
        trace_id: vec![7; 16],
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id,
        name: name.to_owned(),
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..Span::default()
    };
    let mut span = TraceSpan::new(Arc::default(), Arc::default(), span);
    span.service = "shop".to_owned();
    span
}
