//! Everything that one user or address did, in one list by time.

use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::{common::v1::KeyValue, trace::v1::Span};

use crate::{
    page::{format::duration, query::href, record::level},
    store::{RecordFilter, SpanFilter, SpanRow, StoreError, Stored, Term, UserIssue},
    views::{
        App,
        context::Context,
        lines::{line, span_id, trace_id},
        links::{self, Links},
        stream::{Item, says},
        table::{Cell, Table},
    },
};

/// Spans and records that are read, each.
const MOST: usize = 200;
/// Lines of the list.
const LINES: usize = 200;

/// Whom the page is about.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    User(String),
    Address(String),
}

#[derive(Debug, Default)]
pub(super) struct Timeline {
    requests: Vec<(SpanRow, Stored<Span>)>,
    records: Vec<Item>,
    pub(super) errors: Vec<UserIssue>,
    /// The addresses of a user or the users of an address, with how often and when last.
    pub(super) others: Vec<(String, (u64, u64))>,
    pub(super) sessions: Vec<(String, (u64, u64))>,
    /// There is more, further back.
    pub(super) cut: bool,
    /// Time ran out before all was looked through.
    pub(super) unfinished: bool,
}

impl Timeline {
    pub(super) async fn read(
        app: &App,
        subject: &Subject,
        context: &Context,
    ) -> Result<Self, StoreError> {
        let (keys, value): (&[&str], _) = match subject {
            // Who could not log in has no id yet, only the name that was tried.
            Subject::User(user) => (&["user.id", "user.name"], user),
            Subject::Address(address) => (&["client.address"], address),
        };
        let term = |key: &str| Term {
            key: key.to_owned(),
            value: value.clone(),
        };
        let mut filter = SpanFilter {
            since: context.from(),
            ..SpanFilter::default()
        };
        filter.query.terms.push(term(keys[0]));
        // Side by side, since each may take as long as a page has.
        let spans = app.readers.ask(move |reader| {
            let page = reader.spans(&filter, None, MOST)?;
            let entries: Vec<_> = page
                .items
                .into_iter()
                .filter(|span| matches!(span.kind, 2 | 5) || span.parent.is_none())
                .collect();
            let spans = reader.decode_spans(&entries)?;
            // What was deleted meanwhile has a row and no span.
            let found: Vec<_> = spans
                .into_iter()
                .filter_map(|span| {
                    let row = entries.iter().find(|row| row.id == span.id)?;
                    Some((row.clone(), span))
                })
                .collect();
            Ok((found, page.next.is_some(), page.unfinished))
        });
        let records = |key: &str| {
            let mut filter = RecordFilter {
                since: context.from(),
                ..RecordFilter::default()
            };
            filter.query.terms.push(term(key));
            app.readers
                .ask(move |reader| reader.records(&filter, None, MOST))
        };
        let (user, since) = (value.clone(), context.since);
        let of_user = matches!(subject, Subject::User(_));
        let errors = app.readers.ask(move |reader| {
            if of_user {
                reader.issues_of_user(&user, since)
            } else {
                Ok(Vec::new())
            }
        });
        let more = async {
            match keys.get(1) {
                Some(key) => records(key).await.map(Some),
                None => Ok(None),
            }
        };
        let ((requests, more_spans, out_of_time), found, more, errors) =
            tokio::try_join!(spans, records(keys[0]), more, errors)?;

        let mut cut = more_spans || found.next.is_some();
        let mut unfinished = out_of_time || found.unfinished;
        let mut records = found.items;
        if let Some(more) = more {
            unfinished |= more.unfinished;
            cut |= more.next.is_some();
            records.extend(more.items);
            records.sort_by_key(|(row, _)| std::cmp::Reverse(row.id));
            records.dedup_by_key(|(row, _)| row.id);
        }
        let mut timeline = Self {
            requests,
            records,
            errors,
            cut,
            unfinished,
            ..Self::default()
        };
        timeline.others = timeline.by(match subject {
            Subject::User(_) => "client.address",
            Subject::Address(_) => "user.id",
        });
        timeline.sessions = timeline.by("session.id");
        Ok(timeline)
    }

    /// The values of an attribute, the latest first.
    fn by(&self, key: &str) -> Vec<(String, (u64, u64))> {
        let mut values: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (attributes, at) in self.all() {
            let value = says(attributes, key);
            if !value.is_empty() {
                let value = values.entry(value).or_default();
                value.0 += 1;
                value.1 = value.1.max(at);
            }
        }
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by_key(|(_, (_, last))| std::cmp::Reverse(*last));
        values.truncate(20);
        values
    }

    fn all(&self) -> impl Iterator<Item = (&[KeyValue], u64)> {
        let spans = self
            .requests
            .iter()
            .map(|(row, span)| (span.item.attributes.as_slice(), row.start));
        let records = self
            .records
            .iter()
            .map(|(row, record)| (record.item.attributes.as_slice(), row.time));
        spans.chain(records)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn failed(&self) -> usize {
        self.requests
            .iter()
            .filter(|(row, _)| row.error || row.http_status.is_some_and(|status| status >= 500))
            .count()
    }

    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.all().map(|(_, at)| at).min()
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.all().map(|(_, at)| at).max()
    }

    pub(super) fn table(&self, links: &Links) -> Table {
        let mut table = Table::new(
            "What was done, the newest first",
            &["When", "Kind", "What", "Service", "Outcome", "#Took", ""],
            if self.unfinished {
                "Nothing so far."
            } else {
                "Nothing in this range."
            },
        );
        let mut rows: Vec<(u64, String, Vec<Cell>)> = Vec::new();
        let mut told = HashSet::new();
        for (row, span) in &self.requests {
            told.insert((row.trace, row.span));
            rows.push((row.start, format!("s{}", row.id), request(row, span)));
        }
        for item in &self.records {
            // A line of the access log says again what its span says.
            let again = item.0.stream.as_deref() == Some("request")
                && item
                    .0
                    .trace
                    .zip(item.0.span)
                    .is_some_and(|span| told.contains(&span));
            if !again {
                rows.push((item.0.time, format!("r{}", item.0.id), record(item, links)));
            }
        }
        rows.sort_by_key(|(at, _, _)| std::cmp::Reverse(*at));
        for (_, key, cells) in rows.into_iter().take(LINES) {
            table.row(key, cells);
        }
        table
    }
}

fn request(row: &SpanRow, span: &Span) -> Vec<Cell> {
    let trace = href(
        &["traces", &trace_id(row.trace)],
        &[("span", &span_id(row.span))],
    );
    let path = says(&span.attributes, "url.path");
    let what = if path.is_empty() || row.name.contains(&path) {
        row.name.to_string()
    } else {
        format!("{} ({path})", row.name)
    };
    let failed = row.error || row.http_status.is_some_and(|status| status >= 500);
    let outcome = match row.http_status {
        Some(status) => status.to_string(),
        None if row.error => "error".to_owned(),
        None => String::new(),
    };
    let class = match row.http_status {
        _ if failed => "error",
        Some(400..) => "warn",
        _ => "",
    };
    vec![
        Cell::time(row.start).to(trace.clone()),
        Cell::badge("request", "info"),
        Cell::text(what).class("evidence"),
        Cell::text(&row.service).class("nowrap"),
        Cell::badge(outcome, class),
        Cell::text(duration(row.duration)).class("number"),
        Cell::text("trace").to(trace),
    ]
}

fn record(item: &Item, links: &Links) -> Vec<Cell> {
    let (row, _) = item;
    let line = line(item, None);
    let stream = row.stream.as_deref().unwrap_or("log");
    let event = row.event.as_deref().unwrap_or_default();
    let (name, class) = level(row.severity);
    let mut what: String = line.message.chars().take(300).collect();
    if what.is_empty() {
        what = event.to_owned();
    } else if !event.is_empty() {
        what = format!("{what} · {event}");
    }
    vec![
        Cell::time(row.time).to(links::record(row)),
        Cell::badge(stream, "").to(if stream == "log" {
            links.logs(&[("stream", "app")])
        } else {
            links.logs(&[("stream", stream)])
        }),
        Cell::text(what),
        Cell::text(&row.service).class("nowrap"),
        if row.severity >= 13 {
            Cell::badge(name, class)
        } else {
            Cell::default()
        },
        Cell::default(),
        Cell::text(if row.trace.is_some() { "trace" } else { "" }).to(links::trace(row)),
    ]
}
