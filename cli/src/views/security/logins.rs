//! Who fails to log in, from where, and whether it looks like guessing.

use std::collections::{BTreeMap, BTreeSet};

use super::{ROWS, left_out};
use crate::views::{
    links::Links,
    stream::{Records, says},
    table::{Cell, Table},
};

/// More failed logins than this within the window are told as many: the bound of the SDK's own
/// signal.
const MANY_FAILURES: usize = 5;
const WINDOW: u64 = 600_000_000_000;
/// One address that tries to be so many is guessing.
const MANY_USERS: usize = 3;
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
                Some("auth.login.failed") => true,
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

    pub(super) fn addresses(&self, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by address",
            &["Address", "#Failed", "#Users tried", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for (address, tries) in most(&self.addresses) {
            let sign = if tries.others.len() >= MANY_USERS {
                Cell::badge("tries many users", "error")
            } else if tries.got_in() {
                Cell::badge("then got in", "error")
            } else if tries.densest() > MANY_FAILURES {
                Cell::badge("tries many times", "warn")
            } else {
                Cell::default()
            };
            let row = table.row(
                address,
                vec![
                    Cell::text(address).to(links.address(address)),
                    Cell::number(tries.failures.len() as u64),
                    Cell::number(tries.others.len() as u64),
                    Cell::ago(tries.last()),
                    sign,
                ],
            );
            if tries.others.len() >= MANY_USERS {
                row.class = "error";
            }
        }
        left_out(&mut table, self.addresses.len());
        table
    }

    pub(super) fn users(&self, links: &Links) -> Table {
        let mut table = Table::new(
            "Failed logins by user",
            &["User", "#Failed", "#Addresses", "Last", ""],
            "Nobody failed to log in in this range.",
        );
        for (user, tries) in most(&self.users) {
            let sign = if tries.got_in() {
                Cell::badge("then got in", "error")
            } else if tries.densest() > MANY_FAILURES {
                Cell::badge("many times", "warn")
            } else {
                Cell::default()
            };
            table.row(
                user,
                vec![
                    Cell::text(user).to(links.user(user)),
                    Cell::number(tries.failures.len() as u64),
                    Cell::number(tries.others.len() as u64),
                    Cell::ago(tries.last()),
                    sign,
                ],
            );
        }
        left_out(&mut table, self.users.len());
        table
    }
}

fn most(tries: &BTreeMap<String, Tries>) -> Vec<(&str, &Tries)> {
    let mut most: Vec<_> = tries
        .iter()
        .map(|(name, tries)| (name.as_str(), tries))
        .collect();
    most.sort_by_key(|(_, tries)| std::cmp::Reverse((tries.failures.len(), tries.last())));
    most.truncate(ROWS);
    most
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
