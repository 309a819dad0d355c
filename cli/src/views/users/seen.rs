//! Who was seen lately: read from the spans and records of the range where time allows it, else
//! from what was counted by the hour as they came.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::ROWS;
use crate::{
    page::format::count,
    store::{
        Order, Reader, RecordFilter, SpanFilter, StoreError, SubjectFilter, SubjectKind, SubjectRow,
    },
    views::{
        context::Context,
        stream::{at_least, read, says},
    },
};

const PATIENCE: Duration = Duration::from_millis(40);
const AT_ONCE: usize = 250;
const MOST: usize = 3_000;

/// One user or address.
#[derive(Clone, Debug, Default)]
pub(super) struct Visitor {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) records: u64,
    pub(super) security: u64,
    /// The addresses of a user, or the users of an address.
    others: BTreeSet<String>,
    /// Nanoseconds since 1970.
    pub(super) last: u64,
}

/// One line of a list, as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) records: u64,
    pub(super) security: u64,
    pub(super) others: String,
    pub(super) last: u64,
}

/// The latest of those who fit, and how many fit.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    pub(super) all: u64,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) users: Lines,
    pub(super) addresses: Lines,
    /// How this was counted, where it is not exact.
    pub(super) note: String,
}

impl Seen {
    /// Those with `part` in their name.
    pub(super) fn read(reader: &Reader, context: &Context, part: &str) -> Result<Self, StoreError> {
        if let Some(all) = All::read(reader, context)? {
            return Ok(Self {
                users: All::lines(&all.users, part),
                addresses: All::lines(&all.addresses, part),
                note: String::new(),
            });
        }
        let list = |kind| {
            reader.subjects(
                &SubjectFilter {
                    kind,
                    since: context.since,
                    service: context.service.as_deref(),
                    event: None,
                    part,
                    order: Order::Newest,
                },
                ROWS,
            )
        };
        let (users, addresses) = (list(SubjectKind::User)?, list(SubjectKind::Address)?);
        let mut note = String::new();
        if context.since > 0 {
            note.push_str("Counted from the full hour on in which the range begins.");
        }
        let left_out = users.left_out + addresses.left_out;
        if left_out > 0 {
            note.push_str(&format!(
                " So many came at once that {} who came once or rarely are not listed; who they \
                 were is found by name.",
                count(left_out)
            ));
        }
        let lines = |items: Vec<SubjectRow>| items.into_iter().map(Line::from).collect();
        Ok(Self {
            users: Lines {
                all: users.all,
                lines: lines(users.items),
            },
            addresses: Lines {
                all: addresses.all,
                lines: lines(addresses.items),
            },
            note,
        })
    }
}

impl From<SubjectRow> for Line {
    fn from(row: SubjectRow) -> Self {
        Self {
            others: at_least(&row.others),
            id: row.value,
            requests: row.requests,
            failed: row.failed,
            records: row.records,
            security: row.security,
            last: row.last,
        }
    }
}

/// Everybody in the range.
#[derive(Debug, Default)]
struct All {
    users: BTreeMap<String, Visitor>,
    addresses: BTreeMap<String, Visitor>,
}

impl All {
    /// Nothing where there is more than a page has time for.
    fn read(reader: &Reader, context: &Context) -> Result<Option<Self>, StoreError> {
        let mut seen = Self::default();
        let filter = SpanFilter {
            service: context.service.clone(),
            since: context.from(),
            ..SpanFilter::default()
        };
        let began = Instant::now();
        let (mut before, mut spans) = (None, 0_usize);
        loop {
            let page = reader.spans(&filter, before, AT_ONCE)?;
            // Others are parts of a request.
            let entries: Vec<_> = page
                .items
                .into_iter()
                .filter(|span| span.kind == 2 || span.parent.is_none())
                .collect();
            spans += AT_ONCE;
            for (row, span) in entries.iter().zip(reader.decode_spans(&entries)?) {
                let failed = row.error || row.http_status.is_some_and(|status| status >= 500);
                seen.add(&span.item.attributes, row.start, |one| {
                    one.requests += 1;
                    one.failed += u64::from(failed);
                });
            }
            before = page.next;
            if before.is_none() {
                break;
            }
            if spans >= MOST || began.elapsed() > PATIENCE {
                return Ok(None);
            }
        }
        let records = read(
            reader,
            &RecordFilter {
                service: context.service.clone(),
                since: context.from(),
                ..RecordFilter::default()
            },
        )?;
        for (row, record) in &records.items {
            let security = row.stream.as_deref() == Some("security");
            seen.add(&record.item.attributes, row.time, |one| {
                one.records += 1;
                one.security += u64::from(security);
            });
        }
        Ok((!records.more).then_some(seen))
    }

    fn lines(all: &BTreeMap<String, Visitor>, part: &str) -> Lines {
        let part = part.to_lowercase();
        let mut found: Vec<_> = all
            .iter()
            .filter(|(id, _)| id.to_lowercase().contains(&part))
            .collect();
        found.sort_by_key(|(_, one)| std::cmp::Reverse(one.last));
        let shown = found.iter().take(ROWS).map(|(id, one)| Line {
            id: (*id).clone(),
            requests: one.requests,
            failed: one.failed,
            records: one.records,
            security: one.security,
            others: count(one.others.len() as u64),
            last: one.last,
        });
        Lines {
            lines: shown.collect(),
            all: found.len() as u64,
        }
    }

    fn add(&mut self, attributes: &[KeyValue], at: u64, count: impl Fn(&mut Visitor)) {
        let user = says(attributes, "user.id");
        let address = says(attributes, "client.address");
        for (all, one, other) in [
            (&mut self.users, &user, &address),
            (&mut self.addresses, &address, &user),
        ] {
            if one.is_empty() {
                continue;
            }
            let visitor = all.entry(one.clone()).or_default();
            visitor.last = visitor.last.max(at);
            if !other.is_empty() {
                visitor.others.insert(other.clone());
            }
            count(visitor);
        }
    }
}
