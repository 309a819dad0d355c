//! What people use: pages, features, sessions, and the way that one session took.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    failure::failure,
    lines::line,
    links::{Links, term},
    ranged::Ranged,
    stream::{Item, Records, Stream, Tally, others, says},
    table::{Cell, Table},
};
use crate::{
    page::{
        PageRequest, Shell, View,
        format::{count, seconds, share},
        markup::Markup,
        query::href,
        table::LogTable,
    },
    store::{Reader, RecordFilter, StoreError, Term},
};

const STREAM: &str = "analytics";
const ROWS: usize = 15;
const SESSIONS: usize = 20;
const KNOWN: [&str; 4] = [
    "page.viewed",
    "feature.used",
    "session.started",
    "session.ended",
];
/// Steps of one session that are shown.
const STEPS: usize = 300;

#[derive(Template)]
#[template(path = "analytics.html")]
struct Analytics {
    cards: Vec<(&'static str, String, String)>,
    wider: Option<String>,
    note: String,
    chart: Markup,
    pages: Table,
    features: Table,
    entries: Table,
    exits: Table,
    others: Table,
    sessions: Table,
    all: String,
}

#[derive(Template)]
#[template(path = "journey.html")]
struct Journey {
    path: Vec<String>,
    user: String,
    user_href: String,
    traces: String,
    lines: LogTable,
    cut: bool,
}

pub(super) async fn analytics(State(app): State<App>, request: PageRequest) -> Response {
    if let Some(session) = request.query.get("session") {
        let session = session.to_owned();
        return journey(&app, &request, session).await;
    }
    Ranged::new(View::Analytics, "Analytics", "records")
        .respond(&app, &request, answer)
        .await
}

/// Everything that one session did, in the order of time.
async fn journey(app: &App, request: &PageRequest, session: String) -> Response {
    let context = Context::of(app, request);
    let links = Links::everything();
    let title = format!("Journey of session {session}");
    let answer = app
        .readers
        .ask(move |reader| {
            let mut filter = RecordFilter::default();
            filter.query.terms.push(Term {
                key: "session.id".to_owned(),
                value: session.clone(),
            });
            let page = reader.records(&filter, None, STEPS)?;
            let cut = page.next.is_some();
            let mut items = page.items;
            items.sort_by_key(|(row, _)| (row.time, row.id));
            let path = items
                .iter()
                .filter(|(row, _)| row.event.as_deref() == Some("page.viewed"))
                .map(|(_, record)| page_name(&record.item.attributes))
                .collect();
            let user = items
                .iter()
                .map(|(_, record)| says(&record.item.attributes, "user.id"))
                .find(|user| !user.is_empty())
                .unwrap_or_default();
            let search = term("session.id", &session);
            Ok(Journey {
                path,
                user_href: links.user(&user),
                user,
                traces: href(&["traces"], &[("q", &search), ("since", "all")]),
                lines: LogTable {
                    caption: "What the session did, the first first".to_owned(),
                    lines: items.iter().map(|item| line(item, None)).collect(),
                    empty: "Nothing is stored of this session.".to_owned(),
                },
                cut,
            })
        })
        .await;
    match answer {
        Ok(journey) => Shell::new(request, View::Analytics, title)
            .live("records", context.counters)
            .respond(&journey),
        Err(error) => failure(request, View::Analytics, &error),
    }
}

fn answer(
    reader: &Reader,
    context: &Context,
    request: &PageRequest,
) -> Result<Analytics, StoreError> {
    let links = &Links::of(request);
    let stream = Stream::ask(reader, context, STREAM)?;
    let records = &stream.records;
    let sessions = sessions(records);
    let (entries, exits) = ends(&sessions);
    Ok(Analytics {
        cards: cards(&stream),
        wider: stream.wider(request),
        note: records.note(),
        chart: stream.chart("Use over time"),
        pages: used(
            records,
            links,
            Used {
                caption: "Pages viewed",
                column: "Page",
                event: "page.viewed",
                empty: "No page was viewed.",
            },
        ),
        features: used(
            records,
            links,
            Used {
                caption: "Features used",
                column: "Feature",
                event: "feature.used",
                empty: "No feature was used.",
            },
        ),
        entries: ranking("Where sessions enter", "First page", &entries),
        exits: ranking("Where sessions end", "Last page", &exits),
        others: others(STREAM, &KNOWN, &stream.volumes, links),
        sessions: session_table(&sessions, links),
        all: links.logs(&[("stream", STREAM)]),
    })
}

fn page_name(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> String {
    ["page.name", "http.route", "url.path"]
        .into_iter()
        .map(|key| says(attributes, key))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

fn cards(stream: &Stream) -> Vec<(&'static str, String, String)> {
    let mut users = BTreeSet::new();
    let (mut known, mut views) = (0_u64, 0_u64);
    let mut lengths = Vec::new();
    for (row, record) in &stream.records.items {
        let attributes = &record.item.attributes;
        let user = says(attributes, "user.id");
        match row.event.as_deref() {
            Some("page.viewed") => {
                views += 1;
                known += u64::from(!user.is_empty());
            }
            Some("session.ended") => lengths.extend(
                says(attributes, "session.duration")
                    .parse::<f64>()
                    .ok()
                    .filter(|length| length.is_finite()),
            ),
            _ => {}
        }
        if !user.is_empty() {
            users.insert(user);
        }
    }
    lengths.sort_by(f64::total_cmp);
    let median = lengths.get(lengths.len() / 2).copied();
    let signed_in = if views == 0 {
        "–".to_owned()
    } else {
        share(known as f64 / views as f64)
    };
    vec![
        (
            "Pages viewed",
            count(stream.number_of("page.viewed")),
            format!("{signed_in} by users who are known, the rest anonymous"),
        ),
        (
            "Features used",
            count(stream.number_of("feature.used")),
            String::new(),
        ),
        (
            "Sessions started",
            count(stream.number_of("session.started")),
            format!("{} ended", count(stream.number_of("session.ended"))),
        ),
        (
            "Length of a session",
            median.map_or_else(|| "–".to_owned(), seconds),
            "half of them are shorter".to_owned(),
        ),
        ("Known users", count(users.len() as u64), String::new()),
    ]
}

struct Used {
    caption: &'static str,
    column: &'static str,
    event: &'static str,
    empty: &'static str,
}

fn used(records: &Records, links: &Links, what: Used) -> Table {
    #[derive(Default)]
    struct Use {
        times: u64,
        known: u64,
        users: BTreeSet<String>,
        key: &'static str,
        last: u64,
    }
    let mut uses: BTreeMap<String, Use> = BTreeMap::new();
    for (row, record) in &records.items {
        if row.event.as_deref() != Some(what.event) {
            continue;
        }
        let attributes = &record.item.attributes;
        let found = ["page.name", "feature.name", "http.route", "url.path"]
            .into_iter()
            .map(|key| (key, says(attributes, key)))
            .find(|(_, name)| !name.is_empty());
        let Some((key, name)) = found else { continue };
        let one = uses.entry(name).or_default();
        one.key = key;
        one.times += 1;
        one.last = one.last.max(row.time);
        let user = says(attributes, "user.id");
        if !user.is_empty() {
            one.known += 1;
            one.users.insert(user);
        }
    }
    let mut uses: Vec<_> = uses.into_iter().collect();
    uses.sort_by_key(|(_, one)| std::cmp::Reverse(one.times));
    let mut table = Table::new(
        what.caption,
        &[what.column, "#Times", "#Known users", "#Anonymous", "Last"],
        what.empty,
    );
    if uses.len() > ROWS {
        table.note = format!("{ROWS} of {}", uses.len());
    }
    for (name, one) in uses.iter().take(ROWS) {
        let search = term(one.key, name);
        table.row(
            name.as_str(),
            vec![
                Cell::text(name).to(links.logs(&[
                    ("stream", STREAM),
                    ("event", what.event),
                    ("q", &search),
                ])),
                Cell::number(one.times),
                Cell::number(one.users.len() as u64),
                Cell::text(share((one.times - one.known) as f64 / one.times as f64))
                    .class("number"),
                Cell::ago(one.last),
            ],
        );
    }
    table
}

/// One session as far as its records were read.
#[derive(Debug, Default)]
struct Session {
    user: String,
    first: u64,
    last: u64,
    /// In the order of time.
    pages: Vec<String>,
    features: u64,
    ended: Option<f64>,
}

fn sessions(records: &Records) -> Vec<(String, Session)> {
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    // The oldest first, as their pages are in that order.
    let mut items: Vec<&Item> = records.items.iter().collect();
    items.sort_by_key(|(row, _)| (row.time, row.id));
    for (row, record) in items {
        let attributes = &record.item.attributes;
        let id = says(attributes, "session.id");
        if id.is_empty() {
            continue;
        }
        let session = sessions.entry(id).or_default();
        if session.first == 0 {
            session.first = row.time;
        }
        session.last = session.last.max(row.time);
        let user = says(attributes, "user.id");
        if !user.is_empty() {
            session.user = user;
        }
        match row.event.as_deref() {
            Some("page.viewed") => session.pages.push(page_name(attributes)),
            Some("feature.used") => session.features += 1,
            Some("session.ended") => {
                session.ended = says(attributes, "session.duration").parse().ok();
            }
            _ => {}
        }
    }
    let mut sessions: Vec<_> = sessions.into_iter().collect();
    sessions.sort_by_key(|(_, session)| std::cmp::Reverse(session.last));
    sessions
}

fn ends(sessions: &[(String, Session)]) -> (Tally, Tally) {
    let (mut entries, mut exits) = (Tally::default(), Tally::default());
    for (_, session) in sessions {
        if let Some(page) = session.pages.first() {
            entries.add(page.clone());
        }
        if let (Some(page), Some(_)) = (session.pages.last(), session.ended) {
            exits.add(page.clone());
        }
    }
    (entries, exits)
}

fn ranking(caption: &str, column: &'static str, tally: &Tally) -> Table {
    let mut table = Table::new(caption, &[column, "#Sessions"], "No session viewed a page.");
    for (name, number) in tally.most(8) {
        table.row(name, vec![Cell::text(name), Cell::number(number)]);
    }
    table
}

fn session_table(sessions: &[(String, Session)], links: &Links) -> Table {
    let mut table = Table::new(
        "Sessions",
        &[
            "Last seen",
            "Session",
            "User",
            "Way",
            "#Pages",
            "#Features",
            "Length",
        ],
        "No session in this range.",
    );
    if sessions.len() > SESSIONS {
        table.note = format!("the latest {SESSIONS} of {}", count(sessions.len() as u64));
    }
    for (id, session) in sessions.iter().take(SESSIONS) {
        let journey = href(&["analytics"], &[("session", id)]);
        let length = match session.ended {
            Some(length) => seconds(length),
            None => format!(
                "{} so far",
                seconds((session.last - session.first) as f64 / 1e9)
            ),
        };
        const STEPS: usize = 6;
        let mut way = session
            .pages
            .iter()
            .take(STEPS)
            .cloned()
            .collect::<Vec<_>>()
            .join(" → ");
        if session.pages.len() > STEPS {
            way.push_str(" → …");
        }
        let user = if session.user.is_empty() {
            Cell::text("anonymous").class("muted")
        } else {
            Cell::text(&session.user)
                .to(links.user(&session.user))
                .class("id")
        };
        table.row(
            id.as_str(),
            vec![
                Cell::ago(session.last),
                Cell::text(id).to(journey).class("id"),
                user,
                Cell::text(way),
                Cell::number(session.pages.len() as u64),
                Cell::number(session.features),
                Cell::text(length).class("nowrap"),
            ],
        );
    }
    table
}
