//! Who fails to log in, from where, and whether it looks like guessing.

use std::collections::{BTreeMap, BTreeSet};

use super::{ROWS, left_out};
use crate::{
    page::format::count,
    store::{Order, Reader, StoreError, SubjectFilter, SubjectKind},
    views::{
        context::Context,
        links::Links,
        stream::{Records, at_least, says},
        table::{Cell, Table},
    },
};

/// More failed logins than this within the window are told as many: the bound of the SDK's own
/// signal.
const MANY_FAILURES: usize = 5;
const WINDOW: u64 = 600_000_000_000;
/// One address that tries to be so many is guessing.
const MANY_USERS: usize = 3;
const FAILED: &str = "auth.login.failed";

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
pub(super) struct Logins {
    addresses: BTreeMap<String, Tries>,
    users: BTreeMap<String, Tries>,
}

impl Logins {
    pub(super) fn of(records: &Records) -> Self {
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

    /// Those of the records that were read.
    pub(super) fn failures(&self) -> (Failures, Failures) {
        (Failures::of(&self.addresses), Failures::of(&self.users))
    }

    pub(super) fn addresses(&self, failures: &Failures, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by address",
            &["Address", "#Failed", "#Users tried", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for one in &failures.most {
            let many = one.others >= MANY_USERS;
            let sign = match self.addresses.get(&one.name) {
                _ if many => Cell::badge("tries many users", "error"),
                Some(tries) if tries.got_in() => Cell::badge("then got in", "error"),
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

    pub(super) fn users(&self, failures: &Failures, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by user",
            &["User", "#Failed", "#Addresses", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for one in &failures.most {
            let sign = match self.users.get(&one.name) {
                Some(tries) if tries.got_in() => Cell::badge("then got in", "error"),
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
pub(super) struct Failures {
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

    pub(super) fn counted(
        reader: &Reader,
        context: &Context,
        kind: SubjectKind,
    ) -> Result<Self, StoreError> {
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
