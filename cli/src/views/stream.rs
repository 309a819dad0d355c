//! Records of one stream, read so far as a page's time allows: what they say is in their
//! attributes, which nothing counts when they come.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{common::v1::KeyValue, logs::v1::LogRecord};

use super::{
    context::{Context, Intervals},
    lines::line,
    links::Links,
    table::{Cell, Table},
    volume::{by_name, totals},
};
use crate::{
    page::{PageRequest, format::count, markup::Markup, table::LogTable, value},
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
                count(self.items.len() as u64)
            )
        } else {
            String::new()
        }
    }
}

/// The newest records of a stream within a page's range.
pub(super) fn within(
    reader: &Reader,
    context: &Context,
    stream: &str,
) -> Result<Records, StoreError> {
    read(reader, &filter(context, stream))
}

/// What a page's range has of a stream.
pub(super) fn filter(context: &Context, stream: &str) -> RecordFilter {
    RecordFilter {
        service: context.service.clone(),
        stream: Some(stream.to_owned()),
        since: context.from(),
        ..RecordFilter::default()
    }
}

/// What the page of one stream is made from: all of it counted, and the newest of it read.
#[derive(Debug)]
pub(super) struct Stream {
    intervals: Intervals,
    pub(super) volumes: Vec<Volume>,
    pub(super) records: Records,
}

impl Stream {
    pub(super) fn ask(
        reader: &Reader,
        context: &Context,
        stream: &str,
    ) -> Result<Self, StoreError> {
        let intervals = context.intervals(reader.first_volume()?);
        let service = context.service.as_deref();
        Ok(Self {
            intervals,
            volumes: reader.volumes_in(
                context.since,
                intervals.seconds(),
                service,
                Some(stream),
            )?,
            records: within(reader, context, stream)?,
        })
    }

    /// Everything that is stored, where the range has nothing.
    pub(super) fn wider(&self, request: &PageRequest) -> Option<String> {
        request.wider().filter(|_| self.volumes.is_empty())
    }

    /// How often an event was there.
    pub(super) fn number_of(&self, event: &str) -> u64 {
        let fits = self.volumes.iter().filter(|volume| *volume.event == *event);
        fits.map(|volume| volume.count).sum()
    }

    /// Its events over time.
    pub(super) fn chart(&self, title: &str) -> Markup {
        by_name(title, self.intervals, &self.volumes, |one| Some(&one.event)).render()
    }

    /// The newest lines, so many.
    pub(super) fn recent(&self, most: usize, empty: &str) -> LogTable {
        let newest = self.records.items.iter().take(most);
        LogTable {
            caption: "Recent events".to_owned(),
            lines: newest.map(|item| line(item, None)).collect(),
            empty: empty.to_owned(),
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
