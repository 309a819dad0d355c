//! What was slow, by what it was: the stream `performance` added up, above its lines in the log.

use std::collections::BTreeMap;

use super::{
    context::Context,
    links::{self, Links, term},
    stream::{Item, says, within},
    table::{Cell, Table},
};
use crate::{
    page::format::seconds,
    store::{Reader, StoreError},
};

pub(super) const STREAM: &str = "performance";
const ROWS: usize = 15;

/// Requests, queries and operations by name.
#[derive(Debug)]
struct Slow<'a> {
    times: Vec<f64>,
    worst: &'a Item,
    search: String,
}

/// What took long, the longest first; nothing where nothing did.
pub(super) fn slowest(
    reader: &Reader,
    context: &Context,
    links: &Links,
) -> Result<Option<Table>, StoreError> {
    let records = within(reader, context, STREAM)?;
    let mut all: BTreeMap<(String, String, String), Slow<'_>> = BTreeMap::new();
    for item in &records.items {
        let Some((name, key, time)) = measured(item) else {
            continue;
        };
        let kind = item.0.event.as_deref().unwrap_or_default().to_owned();
        let search = term(key, &says(&item.1.item.attributes, key));
        let slow = all
            .entry((kind, item.0.service.to_string(), name))
            .or_insert_with(|| Slow {
                times: Vec::new(),
                worst: item,
                search,
            });
        if slow.times.iter().all(|other| *other < time) {
            slow.worst = item;
        }
        slow.times.push(time);
    }
    let mut all: Vec<_> = all.into_iter().collect();
    for (_, slow) in &mut all {
        slow.times.sort_by(f64::total_cmp);
    }
    let longest = |slow: &Slow<'_>| slow.times.last().copied().unwrap_or(0.0);
    all.sort_by(|(_, left), (_, right)| longest(right).total_cmp(&longest(left)));
    if all.is_empty() {
        return Ok(None);
    }
    let mut table = Table::new(
        "What was slow, or was measured",
        &[
            "What", "Service", "Event", "#Times", "#Median", "#Longest", "",
        ],
        "",
    );
    table.note = records.note();
    if table.note.is_empty() && all.len() > ROWS {
        table.note = format!("{ROWS} of {}", all.len());
    }
    for ((event, service, name), slow) in all.iter().take(ROWS) {
        let lines = links.logs(&[("stream", STREAM), ("event", event), ("q", &slow.search)]);
        let trace = links::trace(&slow.worst.0);
        table.row(
            format!("{event} {service} {name}"),
            vec![
                Cell::text(name).to(lines),
                Cell::text(service).class("nowrap"),
                Cell::text(event).class("muted nowrap"),
                Cell::number(slow.times.len() as u64),
                Cell::text(seconds(slow.times[slow.times.len() / 2])).class("number"),
                Cell::text(seconds(longest(slow))).class("number"),
                Cell::text(if trace.is_empty() { "" } else { "trace of it" })
                    .to(trace)
                    .class("nowrap"),
            ],
        );
    }
    Ok(Some(table))
}

/// What it was, the attribute that says so, and how many seconds it took.
fn measured(item: &Item) -> Option<(String, &'static str, f64)> {
    let attributes = &item.1.item.attributes;
    let (key, duration) = match item.0.event.as_deref()? {
        "request.slow" => ("http.route", "http.server.request.duration"),
        "query.slow" => ("db.query.summary", "db.client.operation.duration"),
        "query.storm" => ("http.route", "db.query.time"),
        _ => ("operation.name", "operation.duration"),
    };
    let time: f64 = says(attributes, duration).parse().ok()?;
    let mut name = says(attributes, key);
    if key == "http.route" {
        let method = says(attributes, "http.request.method");
        if name.is_empty() {
            name = says(attributes, "db.query.summary");
        } else if !method.is_empty() {
            name = format!("{method} {name}");
        }
    }
    (time.is_finite() && !name.is_empty()).then_some((name, key, time))
}
