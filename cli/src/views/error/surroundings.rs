//! What happened around the error: its place in its trace, and what was logged before and after.

use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::facts::without_stack;
use crate::{
    page::{
        PageRequest, Query, href,
        markup::Markup,
        record::happened,
        table::LogLine,
        trace::{Folding, Tree, Waterfall, hex},
        value,
    },
    store::{OccurrenceRow, Stored, Trace, TraceIssue, attribute_text},
    views::trace::{drawn, errors, noted},
};

/// Records of the trace that are shown before the error, and after it.
const BEFORE: usize = 12;
const AFTER: usize = 6;

/// A trace with more spans is drawn on its own page only.
const DRAWN: usize = 300;

pub(super) fn trace_href(row: &OccurrenceRow) -> Option<String> {
    let trace = format!("{:032x}", row.trace?);
    let span = row.span.map(|span| format!("{span:016x}"));
    Some(href(
        &["traces", &trace],
        &[("span", span.as_deref().unwrap_or_default())],
    ))
}

/// The error's place in its trace. Its links lead to the trace's own page.
pub(super) fn waterfall(
    row: &OccurrenceRow,
    trace: &Trace,
    issues: &[TraceIssue],
) -> Option<Markup> {
    if trace.spans.is_empty() || trace.spans.len() > DRAWN {
        return None;
    }
    let spans = drawn(trace.spans.clone());
    let records = noted(trace.records.clone());
    let errors = errors(issues);
    let tree = Tree::of(&spans);
    let mut query = Query::default();
    if let Some(span) = row.span {
        query = query.with("span", &format!("{span:016x}"));
    }
    let request = PageRequest {
        path: href(&["traces", &format!("{:032x}", row.trace?)], &[]),
        query,
        fragment: false,
    };
    let drawing = Waterfall {
        request: &request,
        spans: &spans,
        tree: &tree,
        records: &records,
        errors: &errors,
    };
    Some(drawing.render(&Folding::of(&request)))
}

/// The records of a trace next to the error, by their time.
pub(super) fn around(row: &OccurrenceRow, records: &[Stored<LogRecord>]) -> Vec<LogLine> {
    let place = records.partition_point(|record| happened(record) <= row.time);
    let from = place.saturating_sub(BEFORE);
    let to = (place + AFTER).min(records.len());
    records
        .get(from..to)
        .unwrap_or_default()
        .iter()
        .map(|record| LogLine {
            id: record.id,
            time: happened(record),
            severity: record.severity_number,
            stream: attribute_text(&record.attributes, "log.category")
                .unwrap_or_default()
                .to_owned(),
            service: record.service.to_string(),
            event: record.event_name.clone(),
            message: value::plain(record.body.as_ref(), 2_000),
            attributes: without_stack(&record.attributes),
            trace_id: hex(&record.trace_id),
            span_id: hex(&record.span_id),
            chosen: row.record == Some(record.id),
            ..LogLine::default()
        })
        .collect()
}
