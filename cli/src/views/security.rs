//! Who logs in and cannot, who asks for what they may not have, who attacks.

mod logins;

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    links::{self, Links, term},
    ranged::Ranged,
    stream::{Item, Records, Stream, says},
    table::{Cell, Table},
    volume::totals,
};
use crate::{
    page::{
        PageRequest, View,
        format::{count, seconds},
        markup::Markup,
        table::LogTable,
    },
    store::{Reader, StoreError, SubjectKind, Volume},
};

use logins::{Failures, Logins};

const STREAM: &str = "security";

/// Rows of a table.
const ROWS: usize = 15;
const RECENT: usize = 25;

#[derive(Debug)]
struct Card {
    name: &'static str,
    value: String,
    class: &'static str,
    /// All of it in the log.
    href: String,
}

#[derive(Template)]
#[template(path = "security.html")]
struct Security {
    cards: Vec<Card>,
    wider: Option<String>,
    note: String,
    chart: Markup,
    events: Table,
    addresses: Table,
    users: Table,
    attacks: Table,
    denials: Table,
    limits: Table,
    accounts: Table,
    recent: LogTable,
    all: String,
}

pub(super) async fn security(State(app): State<App>, request: PageRequest) -> Response {
    Ranged::new(View::Security, "Security", "records")
        .respond(&app, &request, answer)
        .await
}

fn answer(
    reader: &Reader,
    context: &Context,
    request: &PageRequest,
) -> Result<Security, StoreError> {
    let links = &Links::of(request);
    let stream = Stream::ask(reader, context, STREAM)?;
    let records = &stream.records;
    let logins = Logins::of(records);
    let (addresses, users) = if records.more {
        let counted = |kind| Failures::counted(reader, context, kind);
        (
            counted(SubjectKind::LoginAddress)?,
            counted(SubjectKind::Login)?,
        )
    } else {
        logins.failures()
    };
    let (addresses, users) = (
        logins.addresses(&addresses, links),
        logins.users(&users, links),
    );
    Ok(Security {
        cards: cards(records, links),
        wider: stream.wider(request),
        note: records.note(),
        chart: stream.chart("Security events"),
        events: events(&stream.volumes, links),
        addresses,
        users,
        attacks: attacks(records, links),
        denials: denials(records, links),
        limits: limits(records, links),
        accounts: accounts(records, links),
        recent: stream.recent(RECENT, "No security events in this range."),
        all: links.logs(&[("stream", STREAM)]),
    })
}

fn cards(records: &Records, links: &Links) -> Vec<Card> {
    let mut by_severity: BTreeMap<String, u64> = BTreeMap::new();
    for (_, record) in &records.items {
        let severity = says(&record.item.attributes, "event.severity");
        *by_severity.entry(severity).or_default() += 1;
    }
    let cards = [
        ("critical", "error-text"),
        ("high", "error-text"),
        ("medium", "warn-text"),
        ("low", ""),
    ];
    cards
        .into_iter()
        .map(|(name, class)| {
            let number = by_severity.get(name).copied().unwrap_or(0);
            Card {
                name,
                value: count(number),
                class: if number == 0 { "muted" } else { class },
                href: links.logs(&[("stream", STREAM), ("q", &term("event.severity", name))]),
            }
        })
        .collect()
}

fn severity(item: &Item) -> Cell {
    let severity = says(&item.1.item.attributes, "event.severity");
    let class = match severity.as_str() {
        "critical" | "high" => "error",
        "medium" => "warn",
        _ => "",
    };
    Cell::badge(
        if severity.is_empty() {
            "–"
        } else {
            &severity
        },
        class,
    )
}

fn events(volumes: &[Volume], links: &Links) -> Table {
    let mut table = Table::new(
        "By event",
        &["Event", "#Times"],
        "No security events in this range.",
    );
    for (event, number) in totals(volumes, |volume| Some(&volume.event)) {
        let all = links.logs(&[("stream", STREAM), ("event", event)]);
        table.row(event, vec![Cell::text(event).to(all), Cell::number(number)]);
    }
    table
}

fn left_out(table: &mut Table, all: usize) {
    if all > table.rows.len() {
        table.note = format!("{} of {all}", table.rows.len());
    }
}

/// The newest records of these events, and how many of them there are.
fn of<'a>(
    records: &'a Records,
    event: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = &'a Item> {
    records
        .items
        .iter()
        .filter(move |(row, _)| row.event.as_deref().is_some_and(&event))
}

/// The cells that all of these tables begin with: when, leading to the record itself.
fn when(item: &Item) -> Cell {
    Cell::time(item.0.time).to(links::record(&item.0))
}

fn trace(item: &Item) -> Cell {
    let href = links::trace(&item.0);
    Cell::text(if href.is_empty() { "" } else { "trace" }).to(href)
}

fn user(item: &Item, links: &Links) -> Cell {
    let user = says(&item.1.item.attributes, "user.id");
    let href = links.user(&user);
    Cell::text(user).to(href).class("id")
}

fn address(item: &Item, links: &Links) -> Cell {
    let address = says(&item.1.item.attributes, "client.address");
    let href = links.address(&address);
    Cell::text(address).to(href).class("nowrap")
}

fn attacks(records: &Records, links: &Links) -> Table {
    let mut table = Table::new(
        "Attacks",
        &[
            "When", "Severity", "Kind", "Address", "Where", "Evidence", "Rule", "Blocked", "",
        ],
        "No attacks in this range.",
    );
    let mut all = 0;
    // A bot is no attack: there are many, and they are in the table of events.
    for item in of(records, |event| {
        event.starts_with("attack.") && event != "attack.bot"
    }) {
        all += 1;
        if table.rows.len() == ROWS {
            continue;
        }
        let attributes = &item.1.item.attributes;
        let event = item.0.event.as_deref().unwrap_or_default();
        let path = says(attributes, "url.path");
        let location = says(attributes, "attack.location");
        let blocked = says(attributes, "attack.blocked");
        table.row(
            item.0.id.to_string(),
            vec![
                when(item),
                severity(item),
                Cell::text(event.trim_start_matches("attack.").replace('_', " "))
                    .to(links.logs(&[("stream", STREAM), ("event", event)]))
                    .class("nowrap"),
                address(item, links),
                Cell::text(format!("{location} of {path}")),
                Cell::text(says(attributes, "attack.evidence")).class("evidence"),
                Cell::text(says(attributes, "attack.rule")).class("muted"),
                match blocked.as_str() {
                    "true" => Cell::badge("blocked", "ok"),
                    "false" => Cell::badge("let pass", "warn"),
                    _ => Cell::default(),
                },
                trace(item),
            ],
        );
    }
    left_out(&mut table, all);
    table
}

fn denials(records: &Records, links: &Links) -> Table {
    let mut table = Table::new(
        "Permission denied",
        &["When", "User", "Roles", "Wanted", "Address", ""],
        "Nobody asked for what they may not have.",
    );
    let mut all = 0;
    for item in of(records, |event| event == "auth.permission.denied") {
        all += 1;
        if table.rows.len() == ROWS {
            continue;
        }
        let attributes = &item.1.item.attributes;
        let wanted = ["audit.action", "http.route", "url.path"]
            .into_iter()
            .map(|key| says(attributes, key))
            .find(|wanted| !wanted.is_empty())
            .unwrap_or_default();
        table.row(
            item.0.id.to_string(),
            vec![
                when(item),
                user(item, links),
                Cell::text(says(attributes, "user.roles")),
                Cell::text(wanted),
                address(item, links),
                trace(item),
            ],
        );
    }
    left_out(&mut table, all);
    table
}

fn limits(records: &Records, links: &Links) -> Table {
    let mut table = Table::new(
        "Limits exceeded",
        &[
            "When", "Severity", "Limit", "Address", "#Count", "#Allowed", "Within", "",
        ],
        "No address exceeded a limit.",
    );
    let mut all = 0;
    for item in of(records, |event| event == "rate_limit.exceeded") {
        all += 1;
        if table.rows.len() == ROWS {
            continue;
        }
        let attributes = &item.1.item.attributes;
        let window = says(attributes, "rate_limit.window").parse().map(seconds);
        table.row(
            item.0.id.to_string(),
            vec![
                when(item),
                severity(item),
                Cell::text(says(attributes, "rate_limit.name").replace('_', " ")),
                address(item, links),
                Cell::text(says(attributes, "rate_limit.count")).class("number"),
                Cell::text(says(attributes, "rate_limit.limit")).class("number"),
                Cell::text(window.unwrap_or_default()).class("nowrap"),
                trace(item),
            ],
        );
    }
    left_out(&mut table, all);
    table
}

fn accounts(records: &Records, links: &Links) -> Table {
    let mut table = Table::new(
        "Accounts and passwords",
        &["When", "What", "Of whom", "By", "Reason", ""],
        "No account and no password was changed.",
    );
    let mut all = 0;
    for item in of(records, |event| {
        event.starts_with("account.") || event == "auth.password.changed"
    }) {
        all += 1;
        if table.rows.len() == ROWS {
            continue;
        }
        let attributes = &item.1.item.attributes;
        let whose = says(attributes, "audit.resource.id");
        let href = links.user(&whose);
        let event = item.0.event.as_deref().unwrap_or_default();
        table.row(
            item.0.id.to_string(),
            vec![
                when(item),
                Cell::text(event.trim_start_matches("auth.").replace('.', " ")).class("nowrap"),
                Cell::text(whose).to(href).class("id"),
                user(item, links),
                Cell::text(says(attributes, "audit.reason")),
                trace(item),
            ],
        );
    }
    left_out(&mut table, all);
    table
}
