//! One trace: its waterfall with what was logged on the way, one span in detail, and what else
//! there is of it.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use opentelemetry_proto::tonic::{logs::v1::LogRecord, trace::v1::Span};

use super::{App, context::Context, failure::failure, lines::trace_id, otlp_json};
use crate::{
    page::{
        Counters, PageRequest, Shell, View,
        chart::colour,
        format::{ago, count, duration, share, time},
        markup::Markup,
        not_found,
        query::href,
        trace::{Folding, TraceError, TraceRecord, TraceSpan, Tree, Waterfall, detail, hex},
        value,
    },
    store::{Reader, SpanRow, StoreError, Stored, Trace, TraceIssue},
};

/// Spans of the critical path that are named.
const CRITICAL: usize = 5;
/// Traces among which the usual one is looked for.
const NAMESAKES: usize = 101;
/// Linked traces that are named.
const LINKED: usize = 8;

/// What a span may share with other traces, and what that is called.
const SHARED: [(&str, &str); 6] = [
    ("user.id", "user"),
    ("request.id", "request"),
    ("session.id", "session"),
    ("order.id", "order"),
    ("payment.id", "payment"),
    ("client.address", "address"),
];

/// One span's part of the critical path.
#[derive(Debug)]
struct Critical {
    class: String,
    service: String,
    name: String,
    href: String,
    share: String,
    length: String,
}

#[derive(Debug)]
struct Chip {
    name: String,
    value: String,
    href: String,
}

#[derive(Template)]
#[template(path = "trace.html")]
struct Page {
    id: String,
    start: Markup,
    ago: Markup,
    duration: String,
    spans: String,
    services: usize,
    errors: usize,
    failed_href: Option<String>,
    records: usize,
    logs: String,
    json: String,
    chips: Vec<Chip>,
    critical: Vec<Critical>,
    /// The address of the comparison, and how this one compares.
    usual: Option<(String, String)>,
    namesakes: Option<String>,
    left_out: Option<String>,
    unknown_span: Option<String>,
    waterfall: Markup,
    detail: Option<Markup>,
}

#[derive(Template)]
#[template(path = "trace_missing.html")]
struct Missing {
    id: String,
    records: usize,
    logs: String,
}

/// What the store has of a trace.
struct Found {
    trace: Trace,
    /// The newest of the root's name, itself among them.
    namesakes: Vec<SpanRow>,
    root: Option<SpanRow>,
    issues: Vec<TraceIssue>,
}

pub(super) async fn trace(
    State(app): State<App>,
    Path(name): Path<String>,
    request: PageRequest,
) -> Response {
    let (id, suffix) = match name.strip_suffix(".json") {
        Some(id) => (id, true),
        None => (name.as_str(), request.query.get("format") == Some("json")),
    };
    let Some(id) = parse(id) else {
        return not_found(
            &request,
            View::Traces,
            "such trace",
            "A trace's id is 32 hexadecimal digits, and not all of them are zero.",
        );
    };
    let context = Context::of(&app, &request);
    let found = match app.readers.ask(move |reader| find(reader, id)).await {
        Ok(found) => found,
        Err(error) => return failure(&request, View::Traces, &error),
    };
    if suffix {
        return download(id, &found.trace.spans);
    }
    respond(&request, context.counters, id, found)
}

/// Reads an id in hexadecimal, of either case.
pub(super) fn parse(id: &str) -> Option<u128> {
    let digits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = digits.then(|| u128::from_str_radix(id, 16).ok())??;
    (id != 0).then_some(id)
}

fn find(reader: &Reader, id: u128) -> Result<Found, StoreError> {
    let trace = reader.trace(id)?;
    let root = match trace.spans.first() {
        Some(_) => {
            let rows = reader.trace_rows(id, 1000)?;
            rows.iter()
                .find(|row| row.parent.is_none())
                .or(rows.first())
                .cloned()
        }
        None => None,
    };
    let namesakes = match &root {
        Some(root) => reader.namesakes(root, NAMESAKES)?,
        None => Vec::new(),
    };
    Ok(Found {
        trace,
        namesakes,
        root,
        issues: reader.issues_of_trace(id)?,
    })
}

/// The spans as the page draws them.
pub(super) fn drawn(spans: Vec<Stored<Span>>) -> Vec<TraceSpan> {
    spans
        .into_iter()
        .map(|span| TraceSpan::new(span.resource, span.scope, span.item))
        .collect()
}

/// The records that stand among the spans.
pub(super) fn noted(records: Vec<Stored<LogRecord>>) -> Vec<TraceRecord> {
    records
        .into_iter()
        .map(|record| TraceRecord {
            id: record.id,
            record: record.item,
        })
        .collect()
}

/// The errors that stand among the spans.
pub(super) fn errors(issues: &[TraceIssue]) -> Vec<TraceError> {
    issues
        .iter()
        .map(|of| TraceError {
            href: href(&["errors", &of.issue.to_string()], &[]),
            title: match of.subtitle.as_str() {
                "" => of.title.clone(),
                subtitle => format!("{}: {subtitle}", of.title),
            },
            time: of.time,
            span_id: of
                .span
                .map(|span| span.to_be_bytes().to_vec())
                .unwrap_or_default(),
        })
        .collect()
}

fn download(id: u128, spans: &[Stored<Span>]) -> Response {
    let id = trace_id(id);
    if spans.is_empty() {
        return (
            StatusCode::NOT_FOUND,
            format!("no span of {id} is stored\n"),
        )
            .into_response();
    }
    (
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"trace-{id}.json\""),
            ),
        ],
        otlp_json::request(spans).to_string(),
    )
        .into_response()
}

fn respond(request: &PageRequest, counters: Counters, id: u128, found: Found) -> Response {
    let hex_id = trace_id(id);
    let logs = href(&["logs"], &[("trace", &hex_id), ("since", "all")]);
    let Trace {
        spans,
        records,
        left_out,
    } = found.trace;
    let records = noted(records);
    if spans.is_empty() {
        return Shell::new(request, View::Traces, "No span of this trace")
            .status(StatusCode::NOT_FOUND)
            .live("spans records", counters)
            .respond(&Missing {
                id: hex_id,
                records: records.len(),
                logs,
            });
    }
    let spans = drawn(spans);
    let tree = Tree::of(&spans);
    let folding = Folding::of(request);
    let errors = errors(&found.issues);
    let waterfall = Waterfall {
        request,
        spans: &spans,
        tree: &tree,
        records: &records,
        errors: &errors,
    }
    .render(&folding);
    let chosen = folding
        .span
        .as_deref()
        .and_then(|span| tree.find(&spans, span));
    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    let failed = spans.iter().filter(|span| span.failed()).count();
    let title = found
        .root
        .as_ref()
        .map(|root| root.name.to_string())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Trace".to_owned());
    let usual = found
        .root
        .as_ref()
        .and_then(|root| usual(root, &found.namesakes, id));
    let namesakes = found.root.as_ref().map(|root| {
        let service = root.service.to_string();
        href(
            &["traces"],
            &[
                ("service", &service),
                ("route", &root.name),
                ("since", "all"),
            ],
        )
    });
    let page = Page {
        start: time(tree.start),
        ago: ago(tree.start),
        duration: duration(tree.duration()),
        spans: count((spans.len() + left_out) as u64),
        services: services.len(),
        errors: failed,
        failed_href: first_failed(&spans, &tree).map(|span| request.with("span", &span)),
        records: records.len(),
        logs,
        json: format!("/traces/{hex_id}.json"),
        chips: chips(&spans, &hex_id),
        critical: critical(request, &spans, &tree),
        usual,
        namesakes,
        left_out: (left_out > 0).then(|| count(left_out as u64)),
        unknown_span: folding.span.clone().filter(|_| chosen.is_none()),
        waterfall,
        detail: chosen.map(|node| detail(&spans, &tree, node, &hex_id)),
        id: hex_id,
    };
    Shell::new(request, View::Traces, title)
        .live("spans records errors", counters)
        .respond(&page)
}

/// The deepest failed span of the first way that failed: where it went wrong.
fn first_failed(spans: &[TraceSpan], tree: &Tree) -> Option<String> {
    let failed = |index: &usize| tree.nodes[*index].failed > 0;
    let mut at = tree.roots.iter().copied().find(failed)?;
    while let Some(below) = tree.nodes[at].children.iter().copied().find(failed) {
        at = below;
    }
    Some(spans[tree.nodes[at].span].id())
}

/// The spans that made the trace as long as it is, the longest first.
fn critical(request: &PageRequest, spans: &[TraceSpan], tree: &Tree) -> Vec<Critical> {
    let mut lengths: BTreeMap<usize, u64> = BTreeMap::new();
    for segment in tree.critical_path() {
        *lengths.entry(segment.node).or_default() += segment.end - segment.start;
    }
    let whole: u64 = lengths.values().sum();
    let mut lengths: Vec<_> = lengths.into_iter().collect();
    lengths.sort_by_key(|(node, length)| (std::cmp::Reverse(*length), *node));
    lengths
        .into_iter()
        .take(CRITICAL)
        .map(|(node, length)| {
            let span = &spans[tree.nodes[node].span];
            Critical {
                class: colour(&span.service),
                service: span.service.clone(),
                name: span.span.name.clone(),
                href: request.with("span", &span.id()),
                share: share(length as f64 / whole.max(1) as f64),
                length: duration(length),
            }
        })
        .collect()
}

/// What the trace shares with others: users, requests and the like, and traces that it links to.
fn chips(spans: &[TraceSpan], own: &str) -> Vec<Chip> {
    let mut chips = Vec::new();
    for (key, name) in SHARED {
        let mut values = BTreeSet::new();
        for span in spans {
            let found = span
                .span
                .attributes
                .iter()
                .find(|attribute| attribute.key == key);
            let Some(found) = found else { continue };
            let text = value::plain(found.value.as_ref(), 64);
            // A trace of many users belongs to none.
            if values.len() < 3
                && values.insert(text.clone())
                && let Some(href) = value::link("traces", key, found.value.as_ref())
            {
                chips.push(Chip {
                    name: name.to_owned(),
                    value: text,
                    href,
                });
            }
        }
    }
    let mut linked = BTreeSet::new();
    for span in spans {
        for link in &span.span.links {
            let trace = hex(&link.trace_id);
            if trace != own && linked.len() < LINKED && linked.insert(trace.clone()) {
                chips.push(Chip {
                    name: "linked trace".to_owned(),
                    href: href(&["traces", &trace], &[("span", &hex(&link.span_id))]),
                    value: trace,
                });
            }
        }
    }
    chips
}

/// The trace of the same root whose root is as long as most are, to be compared with.
fn usual(root: &SpanRow, namesakes: &[SpanRow], id: u128) -> Option<(String, String)> {
    let mut others: Vec<&SpanRow> = namesakes.iter().filter(|row| row.trace != id).collect();
    others.sort_by_key(|row| row.duration);
    let median = others.get(others.len() / 2)?;
    let address = href(
        &["compare"],
        &[("a", &trace_id(median.trace)), ("b", &trace_id(id))],
    );
    let times = root.duration as f64 / median.duration.max(1) as f64;
    let words = if (0.8..1.25).contains(&times) {
        "as long as usual".to_owned()
    } else if times > 1.0 {
        format!(
            "{} times as long as usual",
            crate::page::format::digits(times)
        )
    } else {
        format!("{} of the usual length", share(times))
    };
    let words = format!(
        "{words}: the median of {} is {}",
        count(others.len() as u64),
        duration(median.duration)
    );
    Some((address, words))
}
