//! What one user or one address did, and who was seen lately.

mod seen;
mod timeline;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    failure::failure,
    links::{Links, term},
    ranged::Ranged,
    table::{Cell, Table},
};
use crate::page::{
    PageRequest, Shell, View,
    format::{ago, count},
    markup::Markup,
    query::href,
};
use seen::Seen;
use timeline::{Subject, Timeline};

/// Rows of each of the two lists.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "users.html")]
struct Users {
    q: String,
    /// Everything that is stored, where the range has nobody that fits.
    wider: Option<String>,
    kept: Vec<(String, String)>,
    /// Where to look in all that is stored for exactly what was asked for.
    exactly: Vec<(String, String)>,
    note: String,
    users: Table,
    addresses: Table,
}

#[derive(Template)]
#[template(path = "user.html")]
struct One {
    cards: Vec<(&'static str, Markup)>,
    /// The log and the traces with nothing else in them.
    logs: String,
    traces: String,
    wider: Option<String>,
    others: Table,
    sessions: Table,
    errors: Table,
    timeline: Table,
    cut: bool,
    unfinished: bool,
}

pub(super) async fn users(State(app): State<App>, request: PageRequest) -> Response {
    let query = &request.query;
    if let Some(user) = query.get("user") {
        return one(&app, &request, Subject::User(user.to_owned())).await;
    }
    if let Some(address) = query.get("address") {
        return one(&app, &request, Subject::Address(address.to_owned())).await;
    }
    Ranged::new(View::Users, "Users", "records spans")
        .respond(&app, &request, |reader, context, request| {
            let part = request.query.get("q").unwrap_or_default();
            Ok(list(request, &Seen::read(reader, context, part)?))
        })
        .await
}

fn list(request: &PageRequest, seen: &Seen) -> Users {
    let links = Links::of(request);
    let q = request.query.get("q").unwrap_or_default();
    let exactly = if q.is_empty() {
        Vec::new()
    } else {
        vec![
            (
                format!("user {q}"),
                href(&["users"], &[("user", q), ("since", "all")]),
            ),
            (
                format!("address {q}"),
                href(&["users"], &[("address", q), ("since", "all")]),
            ),
        ]
    };
    let mut users = Table::new(
        "Users seen lately",
        &[
            "User",
            "#Requests",
            "#Failed",
            "#Lines",
            "#Addresses",
            "Last seen",
        ],
        "Nobody who is known was seen in this range. A service says who it serves by user.id.",
    );
    let mut addresses = Table::new(
        "Addresses seen lately",
        &[
            "Address",
            "#Requests",
            "#Failed",
            "#Security",
            "#Users",
            "Last seen",
        ],
        "No client.address was seen in this range.",
    );
    for (table, all, address) in [
        (&mut users, &seen.users, false),
        (&mut addresses, &seen.addresses, true),
    ] {
        if all.all > all.lines.len() as u64 {
            table.note = format!("the latest {ROWS} of {}", count(all.all));
        }
        for one in &all.lines {
            let failed = Cell::number(one.failed);
            let (href, third) = if address {
                (links.address(&one.id), one.security)
            } else {
                (links.user(&one.id), one.records)
            };
            table.row(
                one.id.as_str(),
                vec![
                    Cell::text(&one.id).to(href).class("id"),
                    Cell::number(one.requests),
                    if one.failed > 0 {
                        failed.class("number error-text")
                    } else {
                        failed
                    },
                    Cell::number(third),
                    Cell::text(&one.others).class("number"),
                    Cell::ago(one.last),
                ],
            );
        }
    }
    Users {
        q: q.to_owned(),
        wider: request
            .wider()
            .filter(|_| users.rows.is_empty() && addresses.rows.is_empty()),
        kept: request
            .query
            .only(&["since", "service"])
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        exactly,
        note: seen.note.clone(),
        users,
        addresses,
    }
}

async fn one(app: &App, request: &PageRequest, subject: Subject) -> Response {
    let context = Context::of(app, request);
    let timeline = match Timeline::read(app, &subject, &context).await {
        Ok(timeline) => timeline,
        Err(error) => return failure(request, View::Users, &error),
    };
    let links = Links::of(request);
    let (title, search) = match &subject {
        Subject::User(user) => (format!("User {user}"), term("user.id", user)),
        Subject::Address(address) => (
            format!("Address {address}"),
            term("client.address", address),
        ),
    };
    let since = request.query.get("since").unwrap_or_default();
    let page = One {
        cards: cards(&timeline),
        logs: links.logs(&[("q", &search)]),
        traces: match &subject {
            Subject::User(user) => href(&["traces"], &[("user", user), ("since", since)]),
            Subject::Address(_) => href(&["traces"], &[("q", &search), ("since", since)]),
        },
        wider: request.wider(),
        others: others(&timeline, &subject, &links),
        sessions: sessions(&timeline),
        errors: errors(&timeline),
        timeline: timeline.table(&links),
        cut: timeline.cut,
        unfinished: timeline.unfinished,
    };
    Shell::new(request, View::Users, title)
        .range()
        .live("records spans", context.counters)
        .respond(&page)
}

fn cards(timeline: &Timeline) -> Vec<(&'static str, Markup)> {
    let more = if timeline.cut { "+" } else { "" };
    let text = |text: &str| {
        let mut markup = Markup::new();
        markup.text(&text);
        markup
    };
    let seen = |at: Option<u64>| at.map_or_else(|| text("–"), ago);
    let number = |number: usize| text(&format!("{}{more}", count(number as u64)));
    vec![
        ("Requests", number(timeline.requests())),
        ("Failed", number(timeline.failed())),
        ("Log lines", number(timeline.records())),
        ("First seen in this range", seen(timeline.first())),
        ("Last seen", seen(timeline.last())),
    ]
}

fn others(timeline: &Timeline, subject: &Subject, links: &Links) -> Table {
    let mut table = match subject {
        Subject::User(_) => Table::new(
            "Addresses used",
            &["Address", "#Times", "Last"],
            "No address is known.",
        ),
        Subject::Address(_) => Table::new(
            "Users of this address",
            &["User", "#Times", "Last"],
            "No user is known.",
        ),
    };
    for (other, (times, last)) in &timeline.others {
        let href = match subject {
            Subject::User(_) => links.address(other),
            Subject::Address(_) => links.user(other),
        };
        table.row(
            other.as_str(),
            vec![
                Cell::text(other).to(href).class("id"),
                Cell::number(*times),
                Cell::ago(*last),
            ],
        );
    }
    table
}

fn sessions(timeline: &Timeline) -> Table {
    let mut table = Table::new(
        "Sessions",
        &["Session", "#Events", "Last"],
        "No session is known.",
    );
    for (session, (times, last)) in &timeline.sessions {
        table.row(
            session.as_str(),
            vec![
                Cell::text(session)
                    .to(href(&["analytics"], &[("session", session)]))
                    .class("id"),
                Cell::number(*times),
                Cell::ago(*last),
            ],
        );
    }
    table
}

fn errors(timeline: &Timeline) -> Table {
    let mut table = Table::new(
        "Errors",
        &["Error", "#Times", "Last"],
        "No error in this range.",
    );
    for error in &timeline.errors {
        table.row(
            error.issue.to_string(),
            vec![
                Cell::text(&error.title).to(href(&["errors", &error.issue.to_string()], &[])),
                Cell::number(error.count),
                Cell::ago(error.last),
            ],
        );
    }
    table
}
