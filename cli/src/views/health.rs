//! How the pipeline itself is: what came, what became of it, and what to do where something is
//! wrong.

mod exports;
mod trouble;

use std::{sync::atomic::Ordering, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    failure::failure,
    links::Links,
    table::{Cell, Table},
};
use crate::{
    dev::{Tally, Way},
    page::{
        PageRequest, Shell, View,
        format::{ago, bytes, count, seconds, share},
        markup::Markup,
        query::href,
    },
    store::{Lag, LastSeen, Reader, Sizes, StoreError},
};
use exports::Export;
use trouble::Trouble;

/// How far back a service's spans are looked for.
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Template)]
#[template(path = "health.html")]
struct Health {
    troubles: Vec<Trouble>,
    cards: Vec<(&'static str, Markup, String)>,
    services: Table,
    arrived: Table,
    exports: Table,
    queues: Table,
    database: Table,
    forward: Table,
    sentry: Table,
}

/// What is asked of the database.
struct Stored {
    sizes: Sizes,
    lag: Lag,
    seen: Vec<LastSeen>,
    exports: Vec<Export>,
    queues: Vec<exports::Queue>,
}

fn stored(reader: &Reader, now: i64) -> Result<Stored, StoreError> {
    let day = i64::try_from(DAY.as_nanos()).unwrap_or(i64::MAX);
    let (exports, queues) = exports::read(reader)?;
    Ok(Stored {
        sizes: reader.sizes()?,
        lag: reader.lag()?,
        seen: reader.last_seen(now.saturating_sub(day))?,
        exports,
        queues,
    })
}

pub(super) async fn health(State(app): State<App>, request: PageRequest) -> Response {
    let context = Context::of(&app, &request);
    let now = context.now;
    let answer = app.readers.ask(move |reader| stored(reader, now)).await;
    let stored = match answer {
        Ok(stored) => stored,
        Err(error) => return failure(&request, View::Health, &error),
    };
    let links = Links::everything();
    let tallies = app.counts.all();
    let forward = app.forward.as_ref().map(crate::dev::ForwardStatus::now);
    let given_up = app.outbox_dropped.load(Ordering::Relaxed);
    let wal = std::fs::metadata(with_suffix(&app.running.database, "-wal"));
    let wal = wal.map_or(0, |file| file.len());

    let troubles = trouble::all(&trouble::Facts {
        now: now.unsigned_abs(),
        tallies: &tallies,
        sizes: &stored.sizes,
        bound: app.bounds.bytes,
        seen: &stored.seen,
        exports: &stored.exports,
        forward: forward.as_ref(),
        given_up,
        addresses: &app.running,
    });
    let health = Health {
        troubles,
        cards: cards(&stored, &tallies, app.bounds.bytes),
        services: services(&stored.seen, now.unsigned_abs(), &links),
        arrived: arrived(&tallies),
        exports: exports::table(&stored.exports),
        queues: exports::queues(&stored.queues),
        database: database(&app, &stored, wal, context.counters.deleted),
        forward: forwarding(forward.as_ref(), stored.sizes.outbox, given_up),
        sentry: sentry(&app.counts.of_sentry()),
    };
    Shell::new(&request, View::Health, "Health of the pipeline")
        .live("spans records points errors", context.counters)
        .respond(&health)
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn text(text: String) -> Markup {
    let mut markup = Markup::new();
    markup.text(&text);
    markup
}

fn cards(
    stored: &Stored,
    tallies: &[(Way, &'static str, Tally)],
    bound: u64,
) -> Vec<(&'static str, Markup, String)> {
    let sum = |of: fn(&Tally) -> u64| -> u64 { tallies.iter().map(|(_, _, one)| of(one)).sum() };
    let newest = stored
        .lag
        .received
        .map_or_else(|| text("nothing yet".to_owned()), ago);
    let age = stored
        .lag
        .received
        .map_or(0, |received| received.saturating_sub(stored.lag.happened));
    vec![
        (
            "Last arrival",
            newest,
            format!("{} after it happened", seconds(age as f64 / 1e9)),
        ),
        (
            "Arrived since the start",
            text(count(sum(|one| one.items))),
            format!("in {} requests", count(sum(|one| one.requests))),
        ),
        (
            "Not taken",
            text(count(sum(|one| {
                one.malformed + one.refused_items + one.put_off
            }))),
            "malformed, refused or put off".to_owned(),
        ),
        (
            "Stored",
            text(bytes(stored.sizes.used as f64)),
            format!(
                "{} of at most {}",
                share(stored.sizes.used as f64 / bound.max(1) as f64),
                bytes(bound as f64)
            ),
        ),
    ]
}

fn services(seen: &[LastSeen], now: u64, links: &Links) -> Table {
    let mut table = Table::new(
        "Services",
        &["Service", "Traces", "Logs", "Metrics", ""],
        "No service has sent anything yet.",
    );
    let cell = |at: u64| match at {
        0 => Cell::text("–").class("muted"),
        at => Cell::ago(at),
    };
    for one in seen {
        let row = table.row(
            one.service.as_str(),
            vec![
                Cell::text(&one.service).to(href(&["logs"], &[("service", &one.service)])),
                cell(one.spans).to(href(
                    &["traces"],
                    &[("service", &one.service), ("since", "all")],
                )),
                cell(one.records).to(links.logs(&[("service", &one.service)])),
                cell(one.points).to(href(&["metrics"], &[("service", &one.service)])),
                if trouble::silent(one, now) {
                    Cell::badge("silent", "warn")
                } else {
                    Cell::badge("sending", "ok")
                },
            ],
        );
        if trouble::silent(one, now) {
            row.class = "warn";
        }
    }
    table
}

fn arrived(tallies: &[(Way, &'static str, Tally)]) -> Table {
    let mut table = Table::new(
        "What came since the start",
        &[
            "What",
            "By",
            "#Requests",
            "#Items",
            "#Bytes",
            "#Malformed",
            "#Refused items",
            "#Put off",
        ],
        "Nothing came yet.",
    );
    for (way, transport, tally) in tallies {
        let name = match way {
            Way::Traces => "traces",
            Way::Metrics => "metrics",
            Way::Logs => "logs",
            Way::Sentry => "Sentry's events",
        };
        let bad = |number: u64| {
            Cell::number(number).class(if number > 0 {
                "number error-text"
            } else {
                "number muted"
            })
        };
        table.row(
            format!("{name} {transport}"),
            vec![
                Cell::text(name),
                Cell::text(transport),
                Cell::number(tally.requests),
                Cell::number(tally.items),
                Cell::text(bytes(tally.bytes as f64)).class("number"),
                bad(tally.malformed),
                bad(tally.refused_items),
                bad(tally.put_off),
            ],
        );
    }
    table
}

fn database(app: &App, stored: &Stored, wal: u64, deleted: u64) -> Table {
    let Sizes {
        spans,
        records,
        series,
        issues,
        file,
        used,
        oldest,
        ..
    } = stored.sizes;
    let mut table = Table::new("The database", &["", ""], "");
    let mut fact = |name: &'static str, cell: Cell| {
        table.row(name, vec![Cell::text(name).class("muted"), cell]);
    };
    fact("file", Cell::text(app.running.database.display()));
    fact("spans", Cell::text(count(spans)));
    fact("log records", Cell::text(count(records)));
    fact("series of metrics", Cell::text(count(series)));
    fact("kinds of errors", Cell::text(count(issues)));
    fact(
        "size",
        Cell::text(format_args!(
            "{} in use of a file of {}, bound {}",
            bytes(used as f64),
            bytes(file as f64),
            bytes(app.bounds.bytes as f64)
        )),
    );
    fact(
        "oldest",
        match oldest {
            Some(at) => Cell::ago(at.unsigned_abs()),
            None => Cell::text("nothing is stored"),
        },
    );
    fact(
        "kept for",
        Cell::text(seconds(app.bounds.age.as_secs_f64())),
    );
    fact("deleted since the start", Cell::text(count(deleted)));
    fact(
        "not yet in the counts",
        Cell::text(format_args!(
            "{} (written about once a second)",
            count(stored.lag.uncounted)
        )),
    );
    fact("write-ahead log", Cell::text(bytes(wal as f64)));
    table
}

fn forwarding(going: Option<&crate::dev::ForwardGoing>, waiting: u64, given_up: u64) -> Table {
    let mut table = Table::new(
        "Passing on",
        &["", ""],
        "Nothing is passed on. `throughline dev --forward URL` sends all of this to a collector as well.",
    );
    let Some(going) = going else {
        return table;
    };
    let mut fact = |name: &'static str, cell: Cell| {
        table.row(name, vec![Cell::text(name).class("muted"), cell]);
    };
    fact("to", Cell::text(going.to.join(", ")));
    fact("delivered", Cell::text(count(going.delivered)));
    fact("requests that wait", Cell::text(count(waiting)));
    fact("refused for good", Cell::text(count(going.refused)));
    fact("given up, as too much waited", Cell::text(count(given_up)));
    if let Some(trouble) = &going.trouble {
        fact("trouble", Cell::text(trouble).class("error-text"));
    }
    table
}

fn sentry(all: &[(String, u64)]) -> Table {
    let mut table = Table::new(
        "From Sentry's SDKs, beside errors",
        &["What", "#Times"],
        "Nothing was dropped by an SDK or came that is not kept.",
    );
    for (what, number) in all {
        table.row(what.as_str(), vec![Cell::text(what), Cell::number(*number)]);
    }
    table
}
