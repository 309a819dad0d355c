//! A trace as a tree: its spans with their durations and status, and its log records
//! under the span that they were made in.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    time::Duration,
};

use opentelemetry::{SpanId, TraceId};
use owo_colors::OwoColorize;
use throughline_receiver::proto::{
    logs::v1::LogRecord,
    trace::v1::{Span, status::StatusCode},
};

use super::{log, value};

/// A span, and the name of the service that it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanOf<'a> {
    pub(crate) service: &'a str,
    pub(crate) span: &'a Span,
}

impl SpanOf<'_> {
    fn trace_id(&self) -> TraceId {
        trace_id(&self.span.trace_id)
    }

    fn span_id(&self) -> SpanId {
        span_id(&self.span.span_id)
    }

    fn parent_span_id(&self) -> Option<SpanId> {
        Some(span_id(&self.span.parent_span_id)).filter(|id| *id != SpanId::INVALID)
    }
}

fn trace_id(bytes: &[u8]) -> TraceId {
    bytes
        .try_into()
        .map_or(TraceId::INVALID, TraceId::from_bytes)
}

fn span_id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}

/// A line of its own at a moment of a span: an error that is known by more than the span.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// Styled, and safe to print.
    pub(crate) line: String,
}

/// What a trace is put together from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) spans: Vec<SpanOf<'a>>,
    pub(crate) records: Vec<&'a LogRecord>,
    pub(crate) notes: Vec<Note>,
}

#[derive(Debug)]
pub(crate) struct Trace<'a> {
    id: TraceId,
    roots: Vec<Node<'a>>,
}

#[derive(Debug)]
struct Node<'a> {
    span: SpanOf<'a>,
    /// Sub-spans, records and errors, in the order of their time.
    items: Vec<Item<'a>>,
}

#[derive(Debug)]
enum Item<'a> {
    Span(Node<'a>),
    Log(&'a LogRecord),
    Note(&'a Note),
}

impl Item<'_> {
    fn time(&self) -> u64 {
        match self {
            Self::Span(node) => node.span.span.start_time_unix_nano,
            Self::Note(note) => note.time,
            Self::Log(record) if record.time_unix_nano == 0 => record.observed_time_unix_nano,
            Self::Log(record) => record.time_unix_nano,
        }
    }
}

/// Puts spans and records together, the traces in the order of their first span's start.
///
/// A span whose parent did not arrive is a root as well: it must not vanish.
pub(crate) fn assemble<'a>(parts: &'a Parts<'a>) -> Vec<Trace<'a>> {
    let mut by_trace: HashMap<TraceId, Vec<SpanOf<'a>>> = HashMap::new();
    for span in &parts.spans {
        by_trace.entry(span.trace_id()).or_default().push(*span);
    }
    let mut beside: Beside<'a> = HashMap::new();
    for record in &parts.records {
        let place = (trace_id(&record.trace_id), span_id(&record.span_id));
        beside.entry(place).or_default().push(Item::Log(record));
    }
    for note in &parts.notes {
        let place = (note.trace, note.span);
        beside.entry(place).or_default().push(Item::Note(note));
    }
    let mut traces: Vec<_> = by_trace
        .into_iter()
        .map(|(id, spans)| {
            let present: HashSet<SpanId> = spans.iter().map(SpanOf::span_id).collect();
            let mut children: HashMap<SpanId, Vec<_>> = HashMap::new();
            let mut roots = Vec::new();
            for span in spans {
                match span
                    .parent_span_id()
                    .filter(|parent| present.contains(parent))
                {
                    Some(parent) => children.entry(parent).or_default().push(span),
                    None => roots.push(span),
                }
            }
            roots.sort_by_key(|span: &SpanOf<'_>| span.span.start_time_unix_nano);
            let roots = roots
                .into_iter()
                .map(|span| node(span, id, &mut children, &mut beside))
                .collect();
            Trace { id, roots }
        })
        .collect();
    traces.sort_by_key(|trace| {
        (
            trace
                .roots
                .first()
                .map_or(0, |root| root.span.span.start_time_unix_nano),
            trace.id.to_bytes(),
        )
    });
    traces
}

/// What stands beside the sub-spans of a span.
type Beside<'a> = HashMap<(TraceId, SpanId), Vec<Item<'a>>>;

fn node<'a>(
    span: SpanOf<'a>,
    trace: TraceId,
    children: &mut HashMap<SpanId, Vec<SpanOf<'a>>>,
    beside: &mut Beside<'a>,
) -> Node<'a> {
    let id = span.span_id();
    // Taken out of the maps, so that a span that names itself as its parent ends the walk.
    let mut items = beside.remove(&(trace, id)).unwrap_or_default();
    for child in children.remove(&id).unwrap_or_default() {
        items.push(Item::Span(node(child, trace, children, beside)));
    }
    items.sort_by_key(Item::time);
    Node { span, items }
}

pub(crate) fn render(trace: &Trace<'_>) -> String {
    let mut out = String::new();
    for root in &trace.roots {
        let service = value::text(root.span.service);
        let place = format!("{service}  trace {}", trace.id);
        writeln!(out, "{}  {}", line(root.span.span, true), place.dimmed()).ok();
        branches(&mut out, "", root.span.service, &root.items);
    }
    out
}

fn branches(out: &mut String, indent: &str, service: &str, items: &[Item<'_>]) {
    for (position, item) in items.iter().enumerate() {
        let (branch, below) = if position + 1 == items.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        write!(out, "{}", format!("{indent}{branch}").dimmed()).ok();
        match item {
            Item::Log(record) => writeln!(out, "{}", log::render(record)).ok(),
            Item::Note(note) => writeln!(out, "{}", note.line).ok(),
            Item::Span(node) => {
                let mut line = line(node.span.span, false);
                if node.span.service != service {
                    // Where a trace goes on in another service.
                    write!(line, "  {}", value::text(node.span.service).dimmed()).ok();
                }
                writeln!(out, "{line}").ok();
                let below = format!("{indent}{below}");
                branches(out, &below, node.span.service, &node.items);
                Some(())
            }
        };
    }
}

fn line(span: &Span, root: bool) -> String {
    let name = value::text(&span.name);
    let mut line = if root {
        name.bold().to_string()
    } else {
        name.cyan().to_string()
    };
    let nanos = span
        .end_time_unix_nano
        .saturating_sub(span.start_time_unix_nano);
    write!(line, "  {}", value::duration(Duration::from_nanos(nanos))).ok();
    if let Some(code) = value::of(&span.attributes, "http.response.status_code") {
        let failed = code.starts_with('5');
        let code = if failed {
            code.red().to_string()
        } else {
            code.green().to_string()
        };
        write!(line, "  {code}").ok();
    }
    if let Some(status) = span
        .status
        .as_ref()
        .filter(|status| status.code() == StatusCode::Error)
    {
        let text = format!("error {}", value::text(&status.message));
        write!(line, "  {}", text.trim_end().red()).ok();
    }
    let attributes = value::attributes(&span.attributes);
    if !attributes.is_empty() {
        write!(line, "  {}", attributes.dimmed()).ok();
    }
    line
}

#[cfg(test)]
mod tests {
    use throughline_receiver::{Contents, proto::trace::v1::Status};

    use super::*;
    use crate::render::fixture::{Fixture, attribute, integer, parts};

    fn rendered(received: &Contents) -> Vec<String> {
        assemble(&parts(received))
            .iter()
            .map(|trace| anstream::adapter::strip_str(&render(trace)).to_string())
            .collect()
    }

    #[test]
    fn a_trace_is_a_tree_with_its_records_in_the_order_of_time() {
        let received = Fixture::default()
            .span(1, 2, 1, "render report", 5, 300.0, |_| {})
            .span(1, 1, 0, "GET /reports/{id}", 0, 312.0, |span| {
                span.attributes = vec![
                    integer("http.response.status_code", 200),
                    attribute("order.id", "7"),
                ];
            })
            .log(1, 2, 5, "page 1", 10, &[])
            .log(1, 1, 13, "report was slow", 310, &[("order.id", "7")])
            .log(1, 1, 9, "asked", 1, &[])
            .contents();
        assert_eq!(
            rendered(&received),
            ["\
GET /reports/{id}  312 ms  200  order.id=7  shop  trace 01010101010101010101010101010101
├─ INFO  asked
├─ render report  300 ms
│  └─ DEBUG  page 1
└─ WARN  report was slow  order.id=7
"]
        );
    }

    #[test]
    fn an_error_status_is_shown_with_its_message() {
        let received = Fixture::default()
            .span(1, 1, 0, "GET /payments/{id}", 0, 1.5, |span| {
                span.attributes = vec![integer("http.response.status_code", 500)];
                span.status = Some(Status {
                    code: StatusCode::Error.into(),
                    message: "card declined".into(),
                });
            })
            .contents();
        assert_eq!(
            rendered(&received),
            [
                "GET /payments/{id}  1.50 ms  500  error card declined  shop  trace 01010101010101010101010101010101\n"
            ]
        );
    }

    #[test]
    fn a_span_whose_parent_did_not_arrive_is_still_shown() {
        let received = Fixture::default()
            .span(1, 2, 9, "orphan", 0, 1.0, |_| {})
            .contents();
        assert!(rendered(&received)[0].starts_with("orphan  1.00 ms"));
    }

    #[test]
    fn an_error_stands_at_its_moment_and_another_service_is_named() {
        let received = Fixture::default()
            .span(1, 1, 0, "POST /pay", 0, 10.0, |_| {})
            .span(1, 2, 1, "POST /charge", 2, 5.0, |_| {})
            .log(1, 1, 9, "asked", 1, &[])
            .contents();
        let mut parts = parts(&received);
        parts.spans[1].service = "bank";
        parts.notes.push(Note {
            trace: TraceId::from_bytes([1; 16]),
            span: SpanId::from_bytes([1; 8]),
            time: received.spans[0].start_time_unix_nano + 9_000_000,
            line: "CardDeclined".to_owned(),
        });
        let text = render(&assemble(&parts)[0]);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "\
POST /pay  10.00 ms  shop  trace 01010101010101010101010101010101
├─ INFO  asked
├─ POST /charge  5.00 ms  bank
└─ CardDeclined
"
        );
    }

    #[test]
    fn spans_that_are_each_others_parents_do_not_hang_it() {
        let received = Fixture::default()
            .span(1, 1, 2, "a", 0, 1.0, |_| {})
            .span(1, 2, 1, "b", 0, 1.0, |_| {})
            .contents();
        assert_eq!(rendered(&received), [""]);
    }
}
