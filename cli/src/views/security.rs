//! Who logs in and cannot, who asks for what they may not have, who attacks.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::{Context, services},
    failure::failure,
    lines::line,
    links::{self, Links},
    stream::{Item, Records, at_least, read, says},
    table::{Cell, Table},
    volume::{by_name, totals},
};
use crate::{
    page::{
        PageRequest, Shell, View,
        format::{count, seconds},
        markup::Markup,
        table::LogTable,
    },
    store::{Order, Reader, RecordFilter, StoreError, SubjectFilter, SubjectKind, Volume},
};

const STREAM: &str = "security";
const FAILED: &str = "auth.login.failed";

/// More failed logins than this within the window are told as many: the bound of the SDK's own
/// signal.
const MANY_FAILURES: usize = 5;
const WINDOW: u64 = 600_000_000_000;
/// One address that tries to be so many is guessing.
const MANY_USERS: usize = 3;
/// Rows of a table.
const ROWS: usize = 15;
const RECENT: usize = 25;

#[derive(Debug)]
struct Card {
    name: &'static str,
    value: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "security.html")]
struct Security {
    cards: Vec<Card>,
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
    let context = Context::of(&app, &request);
    let (view, links) = (context.clone(), Links::of(&request));
    let answer = app
        .readers
        .ask(move |reader| Ok((services(reader)?, answer(reader, &view, &links)?)))
        .await;
    match answer {
        Ok((services, security)) => Shell::new(&request, View::Security, "Security")
            .services(services)
            .range()
            .live("records", context.counters)
            .respond(&security),
        Err(error) => failure(&request, View::Security, &error),
    }
}

fn answer(reader: &Reader, context: &Context, links: &Links) -> Result<Security, StoreError> {
    let intervals = context.intervals(reader.first_volume()?);
    let width = i64::try_from(intervals.width / 1_000_000_000).unwrap_or(i64::MAX);
    let service = context.service.as_deref();
    let volumes = reader.volumes_in(context.since, width, service, Some(STREAM))?;
    let records = read(
        reader,
        &RecordFilter {
            service: context.service.clone(),
            stream: Some(STREAM.to_owned()),
            since: context.from(),
            ..RecordFilter::default()
        },
    )?;
    let logins = Logins::of(&records);
    let (addresses, users) = if records.more {
        let counted = |kind| Failures::counted(reader, context, kind);
        (
            counted(SubjectKind::LoginAddress)?,
            counted(SubjectKind::Login)?,
        )
    } else {
        (Failures::of(&logins.addresses), Failures::of(&logins.users))
    };
    let (addresses, users) = (
        logins.addresses(&addresses, links),
        logins.users(&users, links),
    );
    Ok(Security {
        cards: cards(&records),
        note: records.note(),
        chart: by_name("Security events", intervals, &volumes, |one| {
            Some(&one.event)
        })
        .render(),
        events: events(&volumes, links),
        addresses,
        users,
        attacks: attacks(&records, links),
        denials: denials(&records, links),
        limits: limits(&records, links),
        accounts: accounts(&records, links),
        recent: LogTable {
            caption: "Recent events".to_owned(),
            lines: records
                .items
                .iter()
                .take(RECENT)
                .map(|item| line(item, None))
                .collect(),
            empty: "No security events in this range.".to_owned(),
        },
        all: links.logs(&[("stream", STREAM)]),
    })
}

fn cards(records: &Records) -> Vec<Card> {
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

/// What one address, or one user, tried.
#[derive(Debug, Default)]
struct Tries {
    /// Nanoseconds since 1970, the newest first.
    failures: Vec<u64>,
    others: BTreeSet<String>,
    succeeded: Vec<u64>,
}

impl Tries {
    fn last(&self) -> u64 {
        self.failures.iter().copied().max().unwrap_or(0)
    }

    /// The most failures within one window.
    fn densest(&self) -> usize {
        let mut times = self.failures.clone();
        times.sort_unstable();
        let mut first = 0;
        let mut most = 0;
        for (index, time) in times.iter().enumerate() {
            while time - times[first] > WINDOW {
                first += 1;
            }
            most = most.max(index - first + 1);
        }
        most
    }

    /// Whether a login succeeded after as many failures as nobody makes by mistake.
    fn got_in(&self) -> bool {
        let failed = self.failures.iter().copied().min().unwrap_or(u64::MAX);
        self.densest() > MANY_FAILURES && self.succeeded.iter().any(|time| *time > failed)
    }
}

/// Logins by address and by user.
#[derive(Debug, Default)]
struct Logins {
    addresses: BTreeMap<String, Tries>,
    users: BTreeMap<String, Tries>,
}

impl Logins {
    fn of(records: &Records) -> Self {
        let mut logins = Self::default();
        for (row, record) in &records.items {
            let failed = match row.event.as_deref() {
                Some(FAILED) => true,
                Some("auth.login.succeeded") => false,
                _ => continue,
            };
            let attributes = &record.item.attributes;
            let address = says(attributes, "client.address");
            let user = ["user.name", "user.id", "user.email"]
                .into_iter()
                .map(|key| says(attributes, key))
                .find(|user| !user.is_empty())
                .unwrap_or_default();
            let add = |tries: &mut BTreeMap<String, Tries>, one: &str, other: &str| {
                if one.is_empty() {
                    return;
                }
                let tries = tries.entry(one.to_owned()).or_default();
                if failed {
                    tries.failures.push(row.time);
                    if !other.is_empty() {
                        tries.others.insert(other.to_owned());
                    }
                } else {
                    tries.succeeded.push(row.time);
                }
            };
            add(&mut logins.addresses, &address, &user);
            add(&mut logins.users, &user, &address);
        }
        logins
            .addresses
            .retain(|_, tries| !tries.failures.is_empty());
        logins.users.retain(|_, tries| !tries.failures.is_empty());
        logins
    }

    fn addresses(&self, failures: &Failures, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by address",
            &["Address", "#Failed", "#Users tried", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for one in &failures.most {
            let many = one.others >= MANY_USERS;
            let sign = match self.addresses.get(&one.name) {
                _ if many => Cell::badge("tries many users", "error"),
                Some(tries) if tries.got_in() => Cell::badge("got in after many tries", "error"),
                Some(tries) if tries.densest() > MANY_FAILURES => {
                    Cell::badge("tries many times", "warn")
                }
                _ => Cell::default(),
            };
            let row = table.row(one.name.as_str(), one.cells(links.address(&one.name), sign));
            if many {
                row.class = "error";
            }
        }
        failures.note(&mut table);
        table
    }

    fn users(&self, failures: &Failures, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by user",
            &["User", "#Failed", "#From addresses", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for one in &failures.most {
            let sign = match self.users.get(&one.name) {
                Some(tries) if tries.got_in() => Cell::badge("got in after many tries", "error"),
                Some(tries) if tries.densest() > MANY_FAILURES => Cell::badge("many times", "warn"),
                _ => Cell::default(),
            };
            table.row(one.name.as_str(), one.cells(links.user(&one.name), sign));
        }
        failures.note(&mut table);
        table
    }
}

/// Who failed to log in, those first who did so most often.
#[derive(Debug, Default)]
struct Failures {
    most: Vec<Failed>,
    all: u64,
    /// They were counted by the hour as they came; so many were left out.
    counted: Option<u64>,
}

#[derive(Debug)]
struct Failed {
    name: String,
    times: u64,
    others: usize,
    /// How many others, as it is shown.
    shown: String,
    last: u64,
}

impl Failed {
    fn cells(&self, href: String, sign: Cell) -> Vec<Cell> {
        vec![
            Cell::text(&self.name).to(href),
            Cell::number(self.times),
            Cell::text(&self.shown).class("number"),
            Cell::ago(self.last),
            sign,
        ]
    }
}

impl Failures {
    fn of(tries: &BTreeMap<String, Tries>) -> Self {
        let mut most: Vec<_> = tries.iter().collect();
        most.sort_by_key(|(_, tries)| std::cmp::Reverse((tries.failures.len(), tries.last())));
        most.truncate(ROWS);
        let most = most.into_iter().map(|(name, tries)| Failed {
            name: name.clone(),
            times: tries.failures.len() as u64,
            others: tries.others.len(),
            shown: count(tries.others.len() as u64),
            last: tries.last(),
        });
        Self {
            most: most.collect(),
            all: tries.len() as u64,
            counted: None,
        }
    }

    fn counted(reader: &Reader, context: &Context, kind: SubjectKind) -> Result<Self, StoreError> {
        let found = reader.subjects(
            &SubjectFilter {
                kind,
                since: context.since,
                service: context.service.as_deref(),
                event: Some(FAILED),
                part: "",
                order: Order::MostFrequent,
            },
            ROWS,
        )?;
        let most = found.items.into_iter().map(|one| Failed {
            times: one.records,
            others: one.others.count(),
            shown: at_least(&one.others),
            last: one.last,
            name: one.value,
        });
        Ok(Self {
            most: most.collect(),
            all: found.all,
            counted: Some(found.left_out),
        })
    }

    fn note(&self, table: &mut Table) {
        left_out(table, usize::try_from(self.all).unwrap_or(usize::MAX));
        let Some(lost) = self.counted else { return };
        if !table.note.is_empty() {
            table.note.push_str(", ");
        }
        table.note.push_str("of all records by full hours");
        if lost > 0 {
            table.note.push_str(&format!(
                "; {} who came once or rarely are left out",
                count(lost)
            ));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tries_are_those_within_ten_minutes() {
        let minute = 60_000_000_000;
        let slow = Tries {
            failures: (0..20).map(|time| time * 5 * minute).collect(),
            ..Tries::default()
        };
        assert_eq!(slow.densest(), 3);
        assert!(!slow.got_in());
        let quick = Tries {
            failures: (0..6).rev().map(|time| time * minute).collect(),
            succeeded: vec![7 * minute],
            ..Tries::default()
        };
        assert_eq!(quick.densest(), 6);
        assert!(quick.got_in());
        assert!(
            !Tries {
                succeeded: vec![0],
                ..quick
            }
            .got_in()
        );
    }
}
