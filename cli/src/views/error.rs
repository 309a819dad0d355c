//! One error in full: the newest time it happened, or another, with all that was told of it.

mod breadcrumbs;
mod facts;
mod found;
mod resolve;
mod spread;
mod stack;
mod surroundings;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    App,
    context::Context,
    errors::{IssueTable, badge, level_class},
    failure::failure,
};
use crate::{
    issue::Source,
    page::{
        PageRequest, Shell, View,
        format::{ago, count, time},
        href,
        markup::Markup,
        not_found,
        table::LogTable,
    },
    store::{Issue, OccurrenceRow},
};
use breadcrumbs::{Crumb, crumbs};
use facts::facts;
use found::{Answer, Found, find};
pub(super) use resolve::resolve;
use spread::{Share, chart, spread};
use stack::Thrown;
use surroundings::{around, trace_href, waterfall};

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
