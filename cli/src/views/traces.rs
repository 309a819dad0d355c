//! Traces: searched by service, route, status, duration, words, attributes, user and request, the
//! newest first.

use std::{collections::HashSet, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{App, context::Context, lines::trace_id, ranged::Ranged};
use crate::{
    page::{
        PageRequest, Query, View,
        chart::{Dot, colour, scatter},
        format::{count, duration, time},
        markup::{Markup, Percent},
        query::href,
        table::Pager,
    },
    store::{
        Reader, SpanFilter, Status, StoreError, Term, TraceSummary, parse_duration, parse_query,
    },
};

/// Traces of one page.
const TRACES: usize = 50;
/// Traces that are drawn.
const DOTS: usize = 250;
/// Routes that the field proposes.
const ROUTES: usize = 200;

/// What the form has fields for; all else stays in the address.
const FIELDS: [&str; 7] = ["route", "status", "min", "max", "q", "user", "request"];

#[derive(Debug)]
struct Row {
    id: String,
    href: String,
    name: String,
    class: String,
    service: String,
    /// The other services, with their colours.
    others: Vec<(String, String)>,
    /// Services beyond those.
    more: usize,
    start: Markup,
    duration: String,
    bar: Markup,
    spans: String,
    errors: usize,
    http_status: Option<i64>,
}

impl Row {
    fn of(summary: &TraceSummary, longest: u64) -> Self {
        const NAMED: usize = 3;
        let id = trace_id(summary.trace);
        let service = summary.root.service.to_string();
        let others: Vec<_> = summary
            .services
            .iter()
            .map(|(name, _)| name.to_string())
            .filter(|name| *name != service)
            .collect();
        let class = colour(&service);
        let share = summary.duration as f64 / longest.max(1) as f64 * 100.0;
        let mut bar = Markup::new();
        bar.open(
            "svg",
            &[
                ("width", &"100%"),
                ("height", &"8"),
                ("aria-hidden", &"true"),
            ],
        );
        let ink = if summary.errors > 0 { "error" } else { &class };
        bar.leaf(
            "rect",
            &[
                ("class", &format_args!("bar {ink}")),
                ("width", &Percent(share.max(0.5))),
                ("height", &"8"),
                ("rx", &"2"),
            ],
        );
        bar.close("svg");
        Self {
            href: href(&["traces", &id], &[]),
            id,
            name: match &*summary.root.name {
                "" => "(no name)".to_owned(),
                name => name.to_owned(),
            },
            more: others.len().saturating_sub(NAMED),
            others: others
                .into_iter()
                .take(NAMED)
                .map(|name| (colour(&name), name))
                .collect(),
            class,
            service,
            start: time(summary.start),
            duration: duration(summary.duration),
            bar,
            spans: count(summary.spans as u64),
            errors: summary.errors,
            http_status: summary.root.http_status,
        }
    }

    fn status_class(&self) -> &'static str {
        match self.http_status {
            Some(500..) => "error",
            Some(400..) => "warn",
            _ => "",
        }
    }
}

#[derive(Template)]
#[template(path = "traces.html")]
struct Traces {
    kept: Vec<(String, String)>,
    route: String,
    status: String,
    min: String,
    max: String,
    q: String,
    user: String,
    request: String,
    routes: Vec<String>,
    /// Fields that say nothing that can be looked for.
    wrong: Vec<String>,
    filtered: bool,
    cleared: String,
    chart: Markup,
    rows: Vec<Row>,
    none: String,
    wider: Option<String>,
    further: Option<(String, Markup)>,
    pager: Pager,
}

pub(super) async fn traces(State(app): State<App>, request: PageRequest) -> Response {
    Ranged::new(View::Traces, "Traces", "spans")
        .respond(&app, &request, answer)
        .await
}

/// The selection of an address, and what of it could not be read.
fn filter(query: &Query, context: &Context) -> (SpanFilter, Vec<String>) {
    let mut wrong = Vec::new();
    let mut length = |field: &str| -> Option<Duration> {
        let text = query.get(field)?;
        let read = parse_duration(text);
        if read.is_none() {
            wrong.push(format!(
                "{field}: \"{text}\" is no duration; 250ms, 1.5s and 2m are"
            ));
        }
        read
    };
    let (min, max) = (length("min"), length("max"));
    let status = match query.get("status") {
        None => None,
        Some("ok") => Some(Status::Ok),
        Some("error") => Some(Status::Error),
        Some(other) => {
            wrong.push(format!("status: \"{other}\" is neither ok nor error"));
            None
        }
    };
    let mut words = query.get("q").map(parse_query).unwrap_or_default();
    for (field, key) in [("user", "user.id"), ("request", "request.id")] {
        if let Some(value) = query.get(field) {
            words.terms.push(Term {
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }
    let filter = SpanFilter {
        service: context.service.clone(),
        route: query.get("route").map(str::to_owned),
        status,
        min,
        max,
        since: context.from(),
        query: words,
    };
    (filter, wrong)
}

fn answer(reader: &Reader, context: &Context, request: &PageRequest) -> Result<Traces, StoreError> {
    let query = &request.query;
    let (filter, wrong) = filter(query, context);
    let before = query.get("before").and_then(|row| row.parse().ok());
    let found = reader.traces(&filter, before, TRACES)?;

    // More dots than lines, where they cost little.
    let mut drawn: Vec<TraceSummary> = found.items.clone();
    if let (Some(next), true) = (found.next, filter.query.is_empty()) {
        let listed: HashSet<u128> = drawn.iter().map(|one| one.trace).collect();
        let more = reader.traces(&filter, Some(next), DOTS - TRACES)?.items;
        drawn.extend(more.into_iter().filter(|one| !listed.contains(&one.trace)));
    }
    let longest = found
        .items
        .iter()
        .map(|one| one.duration)
        .max()
        .unwrap_or(0);
    let dots: Vec<Dot> = drawn
        .iter()
        .map(|one| Dot {
            trace_id: trace_id(one.trace),
            name: one.root.name.to_string(),
            class: colour(&one.root.service),
            start: one.start,
            duration: one.duration,
            failed: one.errors > 0,
        })
        .collect();
    // As far as they go, so that the dots have room.
    let start = drawn.iter().map(|one| one.start).min().unwrap_or(0);
    let end = match before {
        None => context.now.unsigned_abs(),
        Some(_) => drawn.iter().map(|one| one.start).max().unwrap_or(0),
    };
    let at = |row: i64| query.with("before", &row.to_string()).at(&request.path);
    let (mut further, mut older) = (None, None);
    if let Some(next) = found.next {
        if found.unfinished {
            let reached = reader.span_start(next)?;
            further = Some((at(next), time(reached)));
        } else {
            older = Some(at(next));
        }
    }
    let own = |field: &str| query.get(field).unwrap_or_default().to_owned();
    let filtered = FIELDS.iter().any(|field| query.get(field).is_some());
    let cleared = query.only(&["service", "since"]).at(&request.path);
    Ok(Traces {
        kept: query
            .only(&["service", "since"])
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        route: own("route"),
        status: own("status"),
        min: own("min"),
        max: own("max"),
        q: own("q"),
        user: own("user"),
        request: own("request"),
        routes: reader.routes(context.since, context.service.as_deref(), ROUTES)?,
        wrong,
        filtered,
        cleared,
        chart: scatter(request, start, end, &dots),
        rows: found
            .items
            .iter()
            .map(|one| Row::of(one, longest))
            .collect(),
        none: if further.is_some() {
            "Nothing so far.".to_owned()
        } else if before.is_some() {
            "No older traces.".to_owned()
        } else {
            format!("No traces fit {}.", request.since().within())
        },
        wider: request.wider().filter(|_| found.items.is_empty()),
        further,
        pager: Pager {
            newer: before.map(|_| query.without("before").at(&request.path)),
            older,
        },
    })
}
