//! Records of one stream, read so far as a page's time allows: what they say is in their
//! attributes, which nothing counts when they come.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{common::v1::KeyValue, logs::v1::LogRecord};

use super::{
    links::Links,
    table::{Cell, Table},
    volume::totals,
};
use crate::{
    page::value,
    store::{
        OTHERS, Others, Reader, RecordFilter, RecordRow, StoreError, Stored, SubjectRow, Volume,
        attribute,
    },
};

/// How long one view reads, and how many records at most.
const PATIENCE: Duration = Duration::from_millis(90);
const MOST: usize = 4_000;
const AT_ONCE: usize = 250;

/// What was read, the newest first.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) items: Vec<Item>,
    /// There are more, further back.
    pub(super) more: bool,
}

/// One record with where it is kept.
pub(super) type Item = (RecordRow, Stored<LogRecord>);

impl Records {
    /// Says of what the numbers of a page are, where that is not all.
    pub(super) fn note(&self) -> String {
        if self.more {
            format!(
                "of the newest {} records: choose a shorter range for all",
                crate::page::format::count(self.items.len() as u64)
            )
        } else {
            String::new()
        }
    }
}

/// Counts things by their name, and gives those that there are most of.
#[derive(Debug, Default)]
pub(super) struct Tally(std::collections::BTreeMap<String, u64>);

impl Tally {
    /// What has no name is not counted.
    pub(super) fn add(&mut self, name: String) {
        if !name.is_empty() {
            *self.0.entry(name).or_default() += 1;
        }
    }

    /// Takes what was counted elsewhere.
    pub(super) fn counted(rows: Vec<SubjectRow>) -> Self {
        Self(
            rows.into_iter()
                .map(|row| (row.value, row.records))
                .collect(),
        )
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(super) fn most(&self, limit: usize) -> Vec<(&str, u64)> {
        let mut most: Vec<_> = self
            .0
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        most.truncate(limit);
        most
    }
}

/// Reads the newest records that fit.
pub(super) fn read(reader: &Reader, filter: &RecordFilter) -> Result<Records, StoreError> {
    let began = Instant::now();
    let mut records = Records::default();
    let mut before = None;
    loop {
        let page = reader.records(filter, before, AT_ONCE)?;
        records.items.extend(page.items);
        before = page.next;
        if before.is_none() {
            return Ok(records);
        }
        if page.unfinished || records.items.len() >= MOST || began.elapsed() > PATIENCE {
            records.more = true;
            return Ok(records);
        }
    }
}

/// An attribute as text, empty where there is none.
pub(super) fn says(attributes: &[KeyValue], key: &str) -> String {
    value::plain(attribute(attributes, key), 200)
}

/// How many others there were; beyond a bound they are not told apart.
pub(super) fn at_least(others: &Others) -> String {
    let more = if others.count() >= OTHERS { "+" } else { "" };
    format!("{}{more}", others.count())
}

/// The events of a stream that are not among the `known` ones.
pub(super) fn others(stream: &str, known: &[&str], volumes: &[Volume], links: &Links) -> Table {
    let mut table = Table::new(
        "Events of the services' own",
        &["Event", "#Times"],
        "None beside those above.",
    );
    let own = totals(volumes, |volume| {
        (!known.contains(&&*volume.event)).then_some(&*volume.event)
    });
    for (event, number) in own.into_iter().take(30) {
        table.row(
            event,
            vec![
                Cell::text(if event.is_empty() {
                    "without a name"
                } else {
                    event
                })
                .to(links.logs(&[("stream", stream), ("event", event)])),
                Cell::number(number),
            ],
        );
    }
    table
}
