//! What the services say of their own exports: the metrics of the SDK about itself.

use std::collections::BTreeMap;

use crate::{
    page::{
        format::{bytes, count},
        query::href,
    },
    store::{Reader, Series, SeriesFilter, StoreError},
    views::{
        stream::says,
        table::{Cell, Table},
    },
};

pub(super) const ITEMS: &str = "throughline.export.items";
pub(super) const QUEUE: &str = "throughline.queue.bytes";

/// What became of the items of one signal of one service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Export {
    pub(super) service: String,
    pub(super) signal: String,
    pub(super) outcome: String,
    /// Of what was dropped.
    pub(super) reason: String,
    pub(super) items: f64,
}

/// How much waits in a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Queue {
    pub(super) service: String,
    pub(super) signal: String,
    pub(super) bytes: f64,
    pub(super) at: u64,
}

/// Of all processes of a service together.
pub(super) fn read(reader: &Reader) -> Result<(Vec<Export>, Vec<Queue>), StoreError> {
    let named = |name: &str| SeriesFilter {
        name: Some(name.to_owned()),
        ..SeriesFilter::default()
    };
    let mut exports: BTreeMap<(String, String, String, String), f64> = BTreeMap::new();
    for series in reader.series(&named(ITEMS))? {
        let key = (
            series.service.to_string(),
            says(&series.attributes, "signal"),
            says(&series.attributes, "outcome"),
            says(&series.attributes, "reason"),
        );
        *exports.entry(key).or_default() += counted(reader, &series)?;
    }
    let mut queues: BTreeMap<(String, String), (f64, u64)> = BTreeMap::new();
    for series in reader.series(&named(QUEUE))? {
        let Some((at, waiting)) = reader.last_number(series.id)? else {
            continue;
        };
        let key = (
            series.service.to_string(),
            says(&series.attributes, "signal"),
        );
        // A process that has ended holds nothing: the one that reported last counts.
        let queue = queues.entry(key).or_default();
        if at >= queue.1 {
            *queue = (waiting, at);
        }
    }
    let exports = exports
        .into_iter()
        .map(|((service, signal, outcome, reason), items)| Export {
            service,
            signal,
            outcome,
            reason,
            items,
        });
    let queues = queues
        .into_iter()
        .map(|((service, signal), (bytes, at))| Queue {
            service,
            signal,
            bytes,
            at,
        });
    Ok((exports.collect(), queues.collect()))
}

fn counted(reader: &Reader, series: &Series) -> Result<f64, StoreError> {
    // Differences are added up; a total is its last value.
    if series.temporality == 1 {
        return reader.sum_of(series.id);
    }
    Ok(reader
        .last_number(series.id)?
        .map_or(0.0, |(_, items)| items))
}

pub(super) fn table(exports: &[Export]) -> Table {
    let mut table = Table::new(
        "The services' own account of their exports",
        &["Service", "Signal", "Outcome", "Why", "#Items"],
        "No service tells of its exports: those with Throughline's SDK do, by the metric throughline.export.items.",
    );
    for export in exports {
        let dropped = export.outcome == "dropped";
        let whole = export.items.max(0.0).round() as u64;
        let row = table.row(
            format!(
                "{} {} {} {}",
                export.service, export.signal, export.outcome, export.reason
            ),
            vec![
                Cell::text(&export.service)
                    .to(href(&["metrics", ITEMS], &[("service", &export.service)])),
                Cell::text(&export.signal),
                Cell::badge(
                    &export.outcome,
                    match (dropped, whole) {
                        (true, 1..) => "error",
                        (true, 0) => "",
                        (false, _) => "ok",
                    },
                ),
                Cell::text(export.reason.replace('_', " ")),
                Cell::text(count(whole)).class("number"),
            ],
        );
        if dropped && whole > 0 {
            row.class = "error";
        }
    }
    table
}

pub(super) fn queues(queues: &[Queue]) -> Table {
    let mut table = Table::new(
        "What waits in the services",
        &["Service", "Signal", "#Waiting", "Told"],
        "No service tells of its queues.",
    );
    for queue in queues {
        table.row(
            format!("{} {}", queue.service, queue.signal),
            vec![
                Cell::text(&queue.service)
                    .to(href(&["metrics", QUEUE], &[("service", &queue.service)])),
                Cell::text(&queue.signal),
                Cell::text(bytes(queue.bytes)).class("number"),
                Cell::ago(queue.at),
            ],
        );
    }
    table
}
