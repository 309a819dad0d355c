//! What went wrong, each failure once: the issues, the last seen first.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{App, context::Context, context::services, failure::failure};
use crate::{
    page::{
        PageRequest, Shell, View,
        chart::{colour, sparkline},
        format::{ago, count},
        href,
        markup::Markup,
        table::Pager,
    },
    store::{Issue, IssueFilter, IssueState, Reader, StoreError, parse_query},
};

/// Issues on one page.
const PAGE: usize = 50;

/// The points of a sparkline.
const POINTS: usize = 30;

/// An issue is new for so long, in nanoseconds.
const NEW: u64 = 3_600_000_000_000;

/// The tabs: what `status=` says, and which issues those are.
const TABS: [(&str, &str, &[IssueState]); 4] = [
    ("", "Unresolved", &[IssueState::Open, IssueState::Regressed]),
    ("regressed", "Regressed", &[IssueState::Regressed]),
    ("resolved", "Resolved", &[IssueState::Resolved]),
    ("all", "All", &[]),
];

/// An issue in a list.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) issue: Issue,
    now: u64,
    /// Occurrences in equal parts of the range.
    counts: Vec<f64>,
}

impl Line {
    pub(super) fn new(issue: Issue, now: i64, counts: Vec<f64>) -> Self {
        Self {
            issue,
            now: now.unsigned_abs(),
            counts,
        }
    }

    fn href(&self) -> String {
        address(&self.issue)
    }

    /// The class and the word of how it stands; the word is empty where there is nothing to
    /// say.
    fn badge(&self) -> (&'static str, &'static str) {
        badge(&self.issue, self.now)
    }

    fn level(&self) -> (&'static str, &str) {
        (level_class(&self.issue.level), &self.issue.level)
    }

    fn service_class(&self) -> String {
        colour(&self.issue.service)
    }

    fn count(&self) -> String {
        count(self.issue.count)
    }

    fn users(&self) -> String {
        count(self.issue.users)
    }

    fn spark(&self) -> Markup {
        sparkline(&self.counts, "1", "occurrences", "error")
    }

    fn first(&self) -> Markup {
        ago(self.issue.first_seen)
    }

    fn last(&self) -> Markup {
        ago(self.issue.last_seen)
    }
}

pub(super) fn address(issue: &Issue) -> String {
    href(&["errors", &issue.fingerprint.to_string()], &[])
}

pub(super) fn badge(issue: &Issue, now: u64) -> (&'static str, &'static str) {
    match issue.state {
        IssueState::Regressed => ("error", "regressed"),
        IssueState::Resolved => ("ok", "resolved"),
        IssueState::Open if now.saturating_sub(issue.first_seen) < NEW => ("info", "new"),
        IssueState::Open => ("", ""),
    }
}

pub(super) fn level_class(level: &str) -> &'static str {
    match level {
        "fatal" => "fatal",
        "error" => "error",
        "warning" => "warn",
        _ => "info",
    }
}

/// Issues as a table.
#[derive(Debug, Template)]
#[template(path = "issues.html")]
pub(super) struct IssueTable {
    pub(super) caption: String,
    pub(super) lines: Vec<Line>,
    pub(super) empty: String,
}

impl askama::filters::HtmlSafe for IssueTable {}

#[derive(Template)]
#[template(path = "errors.html")]
struct Errors {
    tabs: Vec<(&'static str, String, bool)>,
    /// What stays in the address when one searches.
    kept: Vec<(String, String)>,
    query: String,
    table: IssueTable,
    /// The same for everything that is stored.
    wider: Option<String>,
    pager: Pager,
    dropped: Option<String>,
}

pub(super) async fn errors(State(app): State<App>, request: PageRequest) -> Response {
    let context = Context::of(&app, &request);
    let status = request.query.get("status").unwrap_or_default();
    // The word of the database for those that were not resolved yet.
    let status = if status == "open" { "" } else { status };
    let tab = TABS.iter().find(|(name, ..)| *name == status);
    let (_, _, states) = tab.unwrap_or(&TABS[0]);
    let line = request.query.get("q").unwrap_or_default().to_owned();
    let filter = IssueFilter {
        states: states.to_vec(),
        service: context.service.clone(),
        since: context.from(),
        query: parse_query(&line),
    };
    let page = request.query.get("page");
    let page = page.and_then(|page| page.parse::<i64>().ok());
    let page = page.unwrap_or(1).clamp(1, 1_000);
    let from = (page - 1) * i64::try_from(PAGE).unwrap_or(i64::MAX);

    let (now, since) = (context.now, context.since);
    let answer = app
        .readers
        .ask(move |reader| {
            let page = reader.issues(&filter, from, PAGE)?;
            let lines = lines(reader, page.items, since, now)?;
            let dropped = reader.issues_dropped()?;
            Ok((lines, page.next, services(reader)?, dropped))
        })
        .await;
    let (lines, next, services, dropped) = match answer {
        Ok(answer) => answer,
        Err(error) => return failure(&request, View::Errors, &error),
    };
    let to = |page: i64| request.with("page", &page.to_string());
    let filtered = !line.is_empty() || context.service.is_some() || !status.is_empty();
    let wider = request.wider().filter(|_| lines.is_empty());
    let template = Errors {
        tabs: TABS
            .iter()
            .map(|(name, label, _)| (*label, request.with("status", name), *name == status))
            .collect(),
        kept: request
            .query
            .without("q")
            .without("page")
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        query: line,
        table: IssueTable {
            caption: "Errors, the last seen first".to_owned(),
            lines,
            empty: if filtered {
                format!("No error fits {}.", request.since().within())
            } else if wider.is_some() {
                format!("No error was seen {}.", request.since().within())
            } else {
                "No error is open. Log at ERROR, fail a span, or send Sentry's events to this address."
                    .to_owned()
            },
        },
        wider,
        pager: Pager {
            newer: (page > 1).then(|| to(page - 1)),
            older: next.map(|_| to(page + 1)),
        },
        dropped: (dropped > 0).then(|| count(dropped)),
    };
    Shell::new(&request, View::Errors, "Errors")
        .services(services)
        .range()
        .live("errors", context.counters)
        .respond(&template)
}

/// Issues with how often each happened in the range.
pub(super) fn lines(
    reader: &Reader,
    issues: Vec<Issue>,
    since: i64,
    now: i64,
) -> Result<Vec<Line>, StoreError> {
    let first = issues.iter().map(|issue| issue.first_seen).min();
    let start = match since {
        // So that one minute is not all that there ever was.
        0 => first
            .unwrap_or_default()
            .min(now.unsigned_abs().saturating_sub(15 * 60_000_000_000)),
        since => since.unsigned_abs(),
    };
    issues
        .into_iter()
        .map(|issue| {
            let volume = reader.issue_volume(issue.id, since)?;
            let counts = spread(&volume, start, now.unsigned_abs());
            Ok(Line::new(issue, now, counts))
        })
        .collect()
}

/// Counts by minute as counts in equal parts of a time.
fn spread(volume: &[(u64, u64)], start: u64, end: u64) -> Vec<f64> {
    let minutes = usize::try_from(end.saturating_sub(start) / 60_000_000_000 + 1);
    let parts = minutes.unwrap_or(POINTS).clamp(2, POINTS);
    let length = (end.saturating_sub(start) / parts as u64 + 1).max(1);
    let mut counts = vec![0.0; parts];
    for (minute, count) in volume {
        let part = usize::try_from(minute.saturating_sub(start) / length).unwrap_or(parts);
        // Clocks differ: what happens in the future happens now.
        counts[part.min(parts - 1)] += *count as f64;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_of_the_range_is_in_one_part_of_it() {
        const MINUTE: u64 = 60_000_000_000;
        let volume = [(0, 1), (5 * MINUTE, 2), (10 * MINUTE, 4), (99 * MINUTE, 8)];
        let counts = spread(&volume, MINUTE / 2, 10 * MINUTE);
        assert_eq!(counts.iter().sum::<f64>(), 15.0);
        assert_eq!(counts.first(), Some(&1.0));
        assert_eq!(counts.last(), Some(&12.0));
        assert_eq!(spread(&[], 5, 5).len(), 2);
        let day = spread(&volume, 0, 1440 * MINUTE);
        assert_eq!(day.len(), POINTS);
    }
}
