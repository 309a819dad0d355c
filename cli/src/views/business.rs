//! What the business did: checkouts, payments, orders, subscriptions, invoices.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    links::{Links, term},
    money::Sums,
    ranged::Ranged,
    stream::{Item, Records, Stream, Tally, others, says},
    table::{Cell, Table},
};
use crate::{
    page::{
        PageRequest, View,
        format::{count, share},
        markup::{Markup, Percent},
        table::LogTable,
    },
    store::{Reader, StoreError},
};

const STREAM: &str = "business";
const ROWS: usize = 12;
const RECENT: usize = 20;

/// The events that have a place of their own; all others are told by their name.
const KNOWN: [&str; 7] = [
    "checkout.started",
    "checkout.completed",
    "checkout.failed",
    "payment.status_changed",
    "order.status_changed",
    "subscription.created",
    "invoice.created",
];

#[derive(Template)]
#[template(path = "business.html")]
struct Business {
    cards: Vec<(&'static str, String, String)>,
    wider: Option<String>,
    note: String,
    funnel: Markup,
    chart: Markup,
    failures: Table,
    payments: Table,
    gateways: Table,
    orders: Table,
    plans: Table,
    others: Table,
    recent: LogTable,
    all: String,
}

pub(super) async fn business(State(app): State<App>, request: PageRequest) -> Response {
    Ranged::new(View::Business, "Business", "records")
        .respond(&app, &request, answer)
        .await
}

fn answer(
    reader: &Reader,
    context: &Context,
    request: &PageRequest,
) -> Result<Business, StoreError> {
    let links = &Links::of(request);
    let stream = Stream::ask(reader, context, STREAM)?;
    let records = &stream.records;
    Ok(Business {
        cards: cards(&stream),
        wider: stream.wider(request),
        note: records.note(),
        funnel: funnel(&stream, links),
        chart: stream.chart("Business events"),
        failures: valued(
            records,
            links,
            Grouping {
                caption: "Why checkouts failed",
                column: "Reason",
                event: "checkout.failed",
                key: "error.type",
                empty: "No checkout failed.",
            },
        ),
        payments: valued(
            records,
            links,
            Grouping {
                caption: "Payments by status",
                column: "Status",
                event: "payment.status_changed",
                key: "payment.status",
                empty: "No payment changed.",
            },
        ),
        gateways: gateways(records, links),
        orders: valued(
            records,
            links,
            Grouping {
                caption: "Orders by status",
                column: "Status",
                event: "order.status_changed",
                key: "order.status",
                empty: "No order went a step further.",
            },
        ),
        plans: valued(
            records,
            links,
            Grouping {
                caption: "Subscriptions by plan",
                column: "Plan",
                event: "subscription.created",
                key: "plan.id",
                empty: "Nobody subscribed.",
            },
        ),
        others: others(STREAM, &KNOWN, &stream.volumes, links),
        recent: stream.recent(RECENT, "No business events in this range."),
        all: links.logs(&[("stream", STREAM)]),
    })
}

fn of<'a>(records: &'a Records, event: &'a str) -> impl Iterator<Item = &'a Item> {
    let fits = move |item: &&Item| item.0.event.as_deref() == Some(event);
    records.items.iter().filter(fits)
}

fn value<'a>(items: impl Iterator<Item = &'a Item>) -> Sums {
    let mut sums = Sums::default();
    for (_, record) in items {
        let attributes = &record.item.attributes;
        sums.add(
            &says(attributes, "payment.amount"),
            &says(attributes, "payment.currency"),
        );
    }
    sums
}

/// A sum of those that were read.
fn at_least(records: &Records, sums: Sums) -> String {
    if records.more && sums.iter().next().is_some() {
        format!("at least {sums}")
    } else {
        sums.to_string()
    }
}

fn cards(stream: &Stream) -> Vec<(&'static str, String, String)> {
    let records = &stream.records;
    let refunds = records
        .items
        .iter()
        .filter(|(_, record)| !says(&record.item.attributes, "refund.id").is_empty());
    let with_value = |name, event: &'static str| {
        let worth = at_least(records, value(of(records, event)));
        (name, count(stream.number_of(event)), worth)
    };
    vec![
        with_value("Sold", "checkout.completed"),
        with_value("Not sold", "checkout.failed"),
        (
            "Given back",
            count(refunds.clone().count() as u64),
            at_least(records, value(refunds)),
        ),
        with_value("Invoices", "invoice.created"),
        with_value("Subscriptions", "subscription.created"),
    ]
}

/// Of those who began to buy, who bought.
fn funnel(stream: &Stream, links: &Links) -> Markup {
    let steps = [
        ("checkout.started", "started", "c0"),
        ("checkout.completed", "completed", "ok"),
        ("checkout.failed", "failed", "error"),
    ]
    .map(|(event, name, class)| (event, name, class, stream.number_of(event)));
    let most = steps.iter().map(|step| step.3).max().unwrap_or(0);
    let started = steps[0].3;
    let mut markup = Markup::new();
    markup.open("dl", &[("class", &"funnel")]);
    for (event, name, class, number) in steps {
        let all = links.logs(&[("stream", STREAM), ("event", event)]);
        markup.open("div", &[]).open("dt", &[]);
        markup.element("a", &[("href", &all)], &name).close("dt");
        markup.open("dd", &[]).open(
            "svg",
            &[
                ("width", &"100%"),
                ("height", &"18"),
                ("aria-hidden", &"true"),
            ],
        );
        let width = if most == 0 {
            0.0
        } else {
            number as f64 / most as f64 * 100.0
        };
        let class = format!("bar {class}");
        markup.leaf(
            "rect",
            &[
                ("class", &class),
                ("width", &Percent(width)),
                ("height", &"18"),
                ("rx", &"3"),
            ],
        );
        markup.close("svg").close("dd");
        let of_started = if started == 0 || event == "checkout.started" {
            String::new()
        } else {
            format!(" · {}", share(number as f64 / started as f64))
        };
        markup.element(
            "dd",
            &[("class", &"number")],
            &format_args!("{}{of_started}", count(number)),
        );
        markup.close("div");
    }
    markup.close("dl");
    markup
}

/// One event by one of its attributes.
struct Grouping {
    caption: &'static str,
    column: &'static str,
    event: &'static str,
    key: &'static str,
    empty: &'static str,
}

fn valued(records: &Records, links: &Links, by: Grouping) -> Table {
    let mut groups: BTreeMap<String, Vec<&Item>> = BTreeMap::new();
    for item in of(records, by.event) {
        let name = says(&item.1.item.attributes, by.key);
        groups.entry(name).or_default().push(item);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, items)| std::cmp::Reverse(items.len()));
    let mut table = Table::new(
        by.caption,
        &[by.column, "#Times", "#Value", "Last"],
        by.empty,
    );
    for (name, items) in groups.iter().take(ROWS) {
        let search = term(by.key, name);
        let shown = if name.is_empty() { "not said" } else { name };
        table.row(
            name.as_str(),
            vec![
                Cell::text(shown).to(links.logs(&[
                    ("stream", STREAM),
                    ("event", by.event),
                    ("q", &search),
                ])),
                Cell::number(items.len() as u64),
                Cell::text(value(items.iter().copied())).class("number"),
                Cell::ago(items.first().map_or(0, |(row, _)| row.time)),
            ],
        );
    }
    table
}

fn gateways(records: &Records, links: &Links) -> Table {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for (_, record) in of(records, "payment.status_changed") {
        let attributes = &record.item.attributes;
        let gateway = says(attributes, "payment.gateway");
        if !gateway.is_empty() {
            let status = says(attributes, "payment.status");
            all.entry(gateway).or_default().add(status);
        }
    }
    let mut table = Table::new(
        "Payments by gateway",
        &["Gateway", "#Completed", "#Failed", "#Refused of all"],
        "No payment named its gateway.",
    );
    for (gateway, tally) in all.iter().take(ROWS) {
        let completed = tally.of("completed");
        let failed = tally.of("failed") + tally.of("refused") + tally.of("declined");
        let ended = completed + failed;
        let search = term("payment.gateway", gateway);
        table.row(
            gateway.as_str(),
            vec![
                Cell::text(gateway).to(links.logs(&[("stream", STREAM), ("q", &search)])),
                Cell::number(completed),
                Cell::number(failed).class(if failed > 0 {
                    "number error-text"
                } else {
                    "number"
                }),
                Cell::text(if ended == 0 {
                    "–".to_owned()
                } else {
                    share(failed as f64 / ended as f64)
                })
                .class("number"),
            ],
        );
    }
    table
}
