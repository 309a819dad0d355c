//! One error in full: the newest time it happened, or another, with all that was told of it.

mod stack;

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value},
    logs::v1::LogRecord,
};

use super::{
    App,
    context::Context,
    errors::{IssueTable, Line, address, badge, level_class, lines},
    failure::failure,
};
use crate::{
    issue::{Fingerprint, Source},
    page::{
        PageRequest, Query, Shell, View,
        chart::{Kind, Series, TimeChart},
        format::{ago, count, share, time},
        href,
        markup::Markup,
        not_found,
        record::happened,
        table::{LogLine, LogTable},
        trace::{Folding, TraceError, TraceRecord, TraceSpan, Tree, Waterfall, hex},
        value,
    },
    sentry::{Breadcrumb, Event},
    store::{
        Issue, OccurrenceBody, OccurrenceRow, Reader, Shares, StoreError, Stored, Trace,
        TraceIssue, attribute_text,
    },
};
use stack::Thrown;

/// Occurrences that are listed below.
const OTHERS: usize = 20;

/// Records of the trace that are shown before the error, and after it.
const BEFORE: usize = 12;
const AFTER: usize = 6;

/// A trace with more spans is drawn on its own page only.
const DRAWN: usize = 300;

/// An issue that looks like this one is listed; so many are.
const SIMILAR: usize = 5;

/// What the page needs of the store.
struct Found {
    issue: Issue,
    row: Option<OccurrenceRow>,
    body: OccurrenceBody,
    older: Option<i64>,
    newer: Option<i64>,
    others: Vec<OccurrenceRow>,
    shares: Shares,
    volume: Vec<(u64, u64)>,
    similar: Vec<Line>,
    trace: Trace,
    of_trace: Vec<TraceIssue>,
}

enum Answer {
    Found(Box<Found>),
    /// The address was that of Sentry's event.
    Elsewhere(String),
    Nothing,
}

pub(super) async fn error(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Response {
    let context = Context::of(&app, &request);
    let occurrence = request.query.get("occurrence");
    let occurrence = occurrence.and_then(|id| id.parse().ok());
    let now = context.now;
    let answer = app
        .readers
        .ask(move |reader| find(reader, &id, occurrence, now))
        .await;
    match answer {
        Ok(Answer::Found(found)) => page(&request, &context, *found),
        Ok(Answer::Elsewhere(address)) => Redirect::to(&address).into_response(),
        Ok(Answer::Nothing) => not_found(
            &request,
            View::Errors,
            "such error",
            "It may have been deleted as too old, or be grouped with another now that more is known of it.",
        ),
        Err(error) => failure(&request, View::Errors, &error),
    }
}

/// What a form says of an issue.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Resolve {
    resolved: bool,
}

/// Marks an issue as resolved or as open again, and shows it. That no other site's page asks is
/// looked at before.
pub(super) async fn resolve(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
    Form(form): Form<Resolve>,
) -> Response {
    let found = app
        .readers
        .ask(move |reader| match id.parse::<Fingerprint>() {
            Ok(fingerprint) => reader.issue(fingerprint),
            Err(_) => Ok(None),
        })
        .await;
    let issue = match found {
        Ok(Some(issue)) => issue,
        Ok(None) => {
            return not_found(&request, View::Errors, "such error", "It was deleted.");
        }
        Err(error) => return failure(&request, View::Errors, &error),
    };
    match app.store.resolve(issue.id, form.resolved).await {
        Ok(()) => Redirect::to(&address(&issue)).into_response(),
        Err(error) => failure(&request, View::Errors, &error),
    }
}

fn find(
    reader: &Reader,
    id: &str,
    occurrence: Option<i64>,
    now: i64,
) -> Result<Answer, StoreError> {
    let event: String = id.chars().filter(|letter| *letter != '-').collect();
    if event.len() == 32 {
        let of_event = reader.issue_of_event(&event.to_ascii_lowercase())?;
        return Ok(of_event.map_or(Answer::Nothing, |found| {
            Answer::Elsewhere(href(
                &["errors", &found.issue.to_string()],
                &[("occurrence", &found.occurrence.to_string())],
            ))
        }));
    }
    let Some(issue) = id
        .parse::<Fingerprint>()
        .ok()
        .map(|fingerprint| reader.issue(fingerprint))
        .transpose()?
        .flatten()
    else {
        return Ok(Answer::Nothing);
    };
    let others = reader.occurrences(issue.id, OTHERS)?;
    let row = match occurrence {
        // One that moved to another issue is shown there.
        Some(id) => reader.occurrence(id)?.filter(|row| row.issue == issue.id),
        None => None,
    };
    let row = row.or_else(|| others.first().cloned());
    let mut body = OccurrenceBody::default();
    let (mut older, mut newer) = (None, None);
    let (mut trace, mut of_trace) = (Trace::default(), Vec::new());
    if let Some(row) = &row {
        body = reader.occurrence_body(row)?;
        (older, newer) = reader.occurrences_beside(row)?;
        if let Some(id) = row.trace {
            trace = reader.trace(id)?;
            of_trace = reader.issues_of_trace(id)?;
        }
    }
    let day = now.saturating_sub(86_400_000_000_000);
    let similar = reader.similar_issues(&issue, SIMILAR)?;
    Ok(Answer::Found(Box::new(Found {
        shares: reader.shares(issue.id)?,
        volume: reader.issue_volume(issue.id, day)?,
        similar: lines(reader, similar, day, now)?,
        issue,
        row,
        body,
        older,
        newer,
        others,
        trace,
        of_trace,
    })))
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    now: u64,
    issue: Issue,
    row: Option<OccurrenceRow>,
    told: String,
    older: Option<String>,
    newer: Option<String>,
    chart: Markup,
    thrown: Vec<Thrown>,
    /// A stack trace of a form that is not known.
    raw_stack: Option<String>,
    breadcrumbs: Vec<Crumb>,
    facts: Vec<(&'static str, Markup)>,
    trace_href: Option<String>,
    waterfall: Option<Markup>,
    logs: LogTable,
    shares: Vec<(&'static str, Vec<Share>)>,
    shares_of: u64,
    others: Vec<Other>,
    similar: IssueTable,
}

impl ErrorPage {
    fn badge(&self) -> (&'static str, &'static str) {
        badge(&self.issue, self.now)
    }

    fn level_class(&self) -> &'static str {
        level_class(&self.issue.level)
    }

    fn resolve_href(&self) -> String {
        href(
            &["errors", &self.issue.fingerprint.to_string(), "resolve"],
            &[],
        )
    }

    fn occurrences(&self) -> String {
        count(self.issue.count)
    }

    fn users(&self) -> String {
        count(self.issue.users)
    }

    fn ago(&self, at: &u64) -> Markup {
        ago(*at)
    }

    fn first_seen(&self) -> Markup {
        ago(self.issue.first_seen)
    }

    fn last_seen(&self) -> Markup {
        ago(self.issue.last_seen)
    }

    fn happened(&self, row: &OccurrenceRow) -> Markup {
        time(row.time)
    }

    fn is_resolved(&self) -> bool {
        self.badge().1 == "resolved"
    }
}

struct Crumb {
    time: Option<Markup>,
    category: String,
    level: &'static str,
    level_class: &'static str,
    message: String,
    data: Option<Markup>,
}

struct Share {
    name: String,
    href: Option<String>,
    count: String,
    share: String,
}

struct Other {
    href: String,
    time: Markup,
    message: String,
    release: String,
    user: String,
    source: Source,
    current: bool,
}

fn page(request: &PageRequest, context: &Context, found: Found) -> Response {
    let title = found.issue.title.clone();
    let template = fill(context, found);
    Shell::new(request, View::Errors, title)
        .live("errors", context.counters)
        .respond(&template)
}

fn fill(context: &Context, found: Found) -> ErrorPage {
    let Found {
        issue,
        row,
        body,
        older,
        newer,
        others,
        shares,
        volume,
        similar,
        trace,
        of_trace,
    } = found;
    let now = context.now.unsigned_abs();
    let at = |id: i64| {
        href(
            &["errors", &issue.fingerprint.to_string()],
            &[("occurrence", &id.to_string())],
        )
    };
    let (exceptions, raw_stack) = body.exceptions(row.as_ref());
    ErrorPage {
        now,
        told: row.as_ref().map(told).unwrap_or_default(),
        older: older.map(at),
        newer: newer.map(at),
        chart: chart(&volume, &issue, now),
        // The one that was seen first, and then what caused it.
        thrown: exceptions.into_iter().rev().map(Thrown::of).collect(),
        raw_stack,
        breadcrumbs: body.event.as_deref().map(crumbs).unwrap_or_default(),
        facts: facts(row.as_ref(), &body),
        trace_href: row.as_ref().and_then(trace_href),
        waterfall: row
            .as_ref()
            .and_then(|row| waterfall(row, &trace, &of_trace)),
        logs: LogTable {
            caption: "What was logged around it".to_owned(),
            lines: row
                .as_ref()
                .map(|row| around(row, &trace.records))
                .unwrap_or_default(),
            empty: match row.as_ref().and_then(|row| row.trace) {
                Some(_) => "Nothing was logged in this trace.",
                None => "It happened outside of a trace, so nothing tells which logs belong to it.",
            }
            .to_owned(),
        },
        shares_of: shares.of,
        shares: spread(shares),
        others: others
            .into_iter()
            .map(|other| Other {
                href: at(other.id),
                time: time(other.time),
                release: other.release.unwrap_or_default(),
                user: other.user.unwrap_or_default(),
                source: other.source,
                current: row.as_ref().is_some_and(|row| row.id == other.id),
                message: other.message,
            })
            .collect(),
        similar: IssueTable {
            caption: "Errors of the same type or at the same place".to_owned(),
            lines: similar,
            empty: String::new(),
        },
        issue,
        row,
    }
}

/// Who told of it, in words.
fn told(row: &OccurrenceRow) -> String {
    let sources: Vec<String> = [Source::Sentry, Source::LogRecord, Source::Span]
        .into_iter()
        .filter(|source| row.sources.contains(*source))
        .map(|source| format!("a {source}"))
        .collect();
    sources.join(" and ")
}

fn crumbs(event: &Event) -> Vec<Crumb> {
    let crumb = |crumb: &Breadcrumb| {
        let level = crumb.level.map_or("", |level| level.as_str());
        Crumb {
            time: crumb.timestamp.map(time),
            category: crumb
                .category
                .clone()
                .or_else(|| crumb.kind.clone())
                .unwrap_or_default(),
            level_class: if level.is_empty() {
                ""
            } else {
                level_class(level)
            },
            level,
            message: crumb.message.clone().unwrap_or_default(),
            data: (!crumb.data.is_empty()).then(|| value::attributes(&key_values(&crumb.data))),
        }
    };
    event.breadcrumbs.iter().map(crumb).collect()
}

/// Everything else that was told, by what it is of.
fn facts(row: Option<&OccurrenceRow>, body: &OccurrenceBody) -> Vec<(&'static str, Markup)> {
    let mut facts = Vec::new();
    let mut add = |name, attributes: Vec<KeyValue>| {
        if !attributes.is_empty() {
            facts.push((name, value::attributes(&attributes)));
        }
    };
    if let Some(row) = row {
        let mut pairs = vec![("service.name", Some(row.service.to_string()))];
        pairs.extend([
            ("release", row.release.clone()),
            ("environment", row.environment.clone()),
            ("user.id", row.user.clone()),
            ("culprit", row.culprit.clone()),
            ("Sentry event", row.event.clone()),
            (
                "handled",
                row.handled
                    .map(|handled| if handled { "yes" } else { "no" }.to_owned()),
            ),
        ]);
        if let Some(event) = &body.event {
            pairs.extend([
                ("transaction", event.transaction.clone()),
                ("server", event.server_name.clone()),
                ("logger", event.logger.clone()),
                ("platform", event.platform.clone()),
                (
                    "SDK",
                    event.sdk.as_ref().map(|sdk| {
                        let version = sdk.version.as_deref().unwrap_or_default();
                        format!("{} {version}", sdk.name)
                    }),
                ),
            ]);
        }
        add("Where and what", named(pairs));
    }
    if let Some(event) = &body.event {
        add(
            "Tags",
            named(
                event
                    .tags
                    .iter()
                    .map(|(key, value)| (key.as_str(), Some(value.clone()))),
            ),
        );
        if let Some(user) = &event.user {
            add(
                "User",
                named([
                    ("user.id", user.id.clone()),
                    ("user.name", user.username.clone()),
                    ("user.email", user.email.clone()),
                    ("client.address", user.ip_address.clone()),
                ]),
            );
        }
        if let Some(request) = &event.request {
            let mut pairs = vec![
                ("method", request.method.clone()),
                ("url", request.url.clone()),
                ("query", request.query.clone()),
                ("client.address", request.remote_addr.clone()),
            ];
            pairs.extend(
                request
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), Some(value.clone()))),
            );
            add("Request", named(pairs));
        }
        add("Contexts", key_values(&event.contexts));
        add("Extra", key_values(&event.extra));
    }
    if let Some(record) = &body.record {
        add("The record", without_stack(&record.attributes));
    }
    if let Some(span) = &body.span {
        add("The span", without_stack(&span.attributes));
    }
    let resource = body
        .record
        .as_ref()
        .map(|record| &record.resource)
        .or_else(|| body.span.as_ref().map(|span| &span.resource));
    if let Some(resource) = resource {
        add("The process", resource.attributes.clone());
    }
    facts
}

/// The stack is shown by itself.
fn without_stack(attributes: &[KeyValue]) -> Vec<KeyValue> {
    let mut attributes = attributes.to_vec();
    attributes.retain(|attribute| attribute.key != "exception.stacktrace");
    attributes
}

fn named<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Vec<KeyValue> {
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(key_value(key, Some(Value::StringValue(value))))
    });
    known.collect()
}

fn key_value(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
        ..KeyValue::default()
    }
}

fn key_values(fields: &serde_json::Map<String, serde_json::Value>) -> Vec<KeyValue> {
    fields
        .iter()
        .map(|(key, value)| key_value(key, of_json(value)))
        .collect()
}

/// JSON as the values that the page shows; its depth was bounded when it was read.
fn of_json(value: &serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => Value::BoolValue(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::IntValue(number),
            None => Value::DoubleValue(number.as_f64()?),
        },
        Json::String(text) => Value::StringValue(text.clone()),
        Json::Array(items) => Value::ArrayValue(ArrayValue {
            values: items
                .iter()
                .map(|item| AnyValue {
                    value: of_json(item),
                })
                .collect(),
        }),
        Json::Object(fields) => Value::KvlistValue(KeyValueList {
            values: key_values(fields),
        }),
    })
}

fn trace_href(row: &OccurrenceRow) -> Option<String> {
    let trace = format!("{:032x}", row.trace?);
    let span = row.span.map(|span| format!("{span:016x}"));
    Some(href(
        &["traces", &trace],
        &[("span", span.as_deref().unwrap_or_default())],
    ))
}

/// The error's place in its trace. Its links lead to the trace's own page.
fn waterfall(row: &OccurrenceRow, trace: &Trace, errors: &[TraceIssue]) -> Option<Markup> {
    if trace.spans.is_empty() || trace.spans.len() > DRAWN {
        return None;
    }
    let spans: Vec<TraceSpan> = trace
        .spans
        .iter()
        .map(|span| TraceSpan::new(span.resource.clone(), span.scope.clone(), span.item.clone()))
        .collect();
    let records: Vec<TraceRecord> = trace
        .records
        .iter()
        .map(|record| TraceRecord {
            id: record.id,
            record: record.item.clone(),
        })
        .collect();
    let errors: Vec<TraceError> = errors
        .iter()
        .map(|error| TraceError {
            href: href(&["errors", &error.issue.to_string()], &[]),
            title: error.title.clone(),
            time: error.time,
            span_id: error
                .span
                .map(|span| span.to_be_bytes().to_vec())
                .unwrap_or_default(),
        })
        .collect();
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
fn around(row: &OccurrenceRow, records: &[Stored<LogRecord>]) -> Vec<LogLine> {
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

fn spread(shares: Shares) -> Vec<(&'static str, Vec<Share>)> {
    let of = shares.of.max(1);
    let rows = |values: Vec<(String, u64)>, to: fn(&str) -> Option<String>| {
        let row = |(name, number): (String, u64)| Share {
            href: to(&name),
            count: count(number),
            share: share(number as f64 / of as f64),
            name,
        };
        values.into_iter().map(row).collect::<Vec<_>>()
    };
    [
        ("Release", rows(shares.releases, |_| None)),
        ("Environment", rows(shares.environments, |_| None)),
        ("Service", rows(shares.services, |_| None)),
        (
            "User",
            rows(shares.users, |user| {
                Some(href(&["users"], &[("user", user)]))
            }),
        ),
        (
            "Route",
            rows(shares.routes, |route| {
                Some(href(&["traces"], &[("route", route), ("status", "error")]))
            }),
        ),
    ]
    .into_iter()
    .filter(|(_, rows)| !rows.is_empty())
    .collect()
}

/// How often it happened, in bars over at most a day.
fn chart(volume: &[(u64, u64)], issue: &Issue, now: u64) -> Markup {
    const MINUTE: u64 = 60_000_000_000;
    let first = volume
        .first()
        .map_or(issue.last_seen, |(minute, _)| *minute);
    let end = now.max(issue.last_seen);
    let start = first.min(end.saturating_sub(15 * MINUTE));
    // A few lengths that an eye knows.
    let width = [1, 2, 5, 10, 30]
        .into_iter()
        .map(|minutes| minutes * MINUTE)
        .find(|width| (end - start) / width <= 48)
        .unwrap_or(30 * MINUTE);
    let start = start - start % width;
    let bars = usize::try_from((end - start) / width + 1).unwrap_or(1);
    let mut points: Vec<(u64, f64)> = (0..bars as u64)
        .map(|bar| (start + bar * width, 0.0))
        .collect();
    for (minute, count) in volume {
        let bar = usize::try_from(minute.saturating_sub(start) / width).unwrap_or(bars);
        if let Some((_, value)) = points.get_mut(bar) {
            *value += *count as f64;
        }
    }
    TimeChart {
        title: "Occurrences".to_owned(),
        unit: "1".to_owned(),
        kind: Kind::Bars,
        start,
        end: start + bars as u64 * width,
        series: vec![Series {
            name: "occurrences".to_owned(),
            class: "error".to_owned(),
            points,
        }],
        exemplars: Vec::new(),
    }
    .render()
}
