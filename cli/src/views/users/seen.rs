//! Who was seen lately: read from the newest spans and records, as there is no list of users.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::{
    page::format::count,
    store::{Reader, RecordFilter, SpanFilter, StoreError},
    views::{
        context::Context,
        stream::{read, says},
    },
};

const PATIENCE: Duration = Duration::from_millis(60);
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
    pub(super) others: BTreeSet<String>,
    /// Nanoseconds since 1970.
    pub(super) last: u64,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) users: BTreeMap<String, Visitor>,
    pub(super) addresses: BTreeMap<String, Visitor>,
    /// Of what this is, where it is not all.
    pub(super) note: String,
}

impl Seen {
    pub(super) fn read(reader: &Reader, context: &Context) -> Result<Self, StoreError> {
        let mut seen = Self::default();
        let filter = SpanFilter {
            service: context.service.clone(),
            since: context.from(),
            ..SpanFilter::default()
        };
        let began = Instant::now();
        let (mut before, mut spans, mut more) = (None, 0_usize, false);
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
                more = true;
                break;
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
        if more || records.more {
            seen.note = format!(
                "Read from the newest {} log lines and as many spans: who was here before them is found by name.",
                count(records.items.len() as u64)
            );
        }
        Ok(seen)
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
