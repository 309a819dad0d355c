//! What each address did lately, in a table that does not grow.
//!
//! The table has 512 rows of eight places. An address belongs to one row, by a hash whose key
//! is drawn at start, so that nobody can choose who shares a row with them. In a full row the
//! address that was silent longest gives way, and begins anew when it comes back: with more
//! than some thousands of active addresses counts err downwards. Of IPv6 the first 64 bits
//! count, as whoever has one address of a network has all of them.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::window::Window;

const ROWS: usize = 512;
const PLACES: usize = 8;

/// So many records of one address are made in a minute; more are only counted.
const RECORDS: u32 = 10;
const RECORDS_WINDOW: u64 = 60_000;

/// How many of something within how long are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) most: u32,
    pub(super) within: Duration,
}

impl Limit {
    fn millis(self) -> u64 {
        u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX)
    }
}

/// How much there was, against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Within,
    /// One more than is allowed, with their number: the moment to tell of it.
    Crossed(u32),
    Over(u32),
}

#[derive(Clone, Copy, Debug, Default)]
struct Visitor {
    /// 0 is nobody.
    key: u64,
    seen: u64,
    requests: Window,
    failures: Window,
    records: Window,
    /// Signals without a record since the last that had one.
    untold: u32,
    over_requests: bool,
    over_failures: bool,
}

pub(super) struct Visitors {
    rows: Box<[Mutex<[Visitor; PLACES]>]>,
    hasher: RandomState,
    start: Instant,
}

impl Visitors {
    pub(super) fn new() -> Self {
        Self {
            rows: (0..ROWS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            start: Instant::now(),
        }
    }

    /// Counts a request.
    pub(super) fn request(&self, address: IpAddr, limit: Limit) -> Pace {
        self.with(Some(address), |visitor, now| {
            let count = visitor.requests.add(now, limit.millis());
            pace(count, limit, &mut visitor.over_requests)
        })
    }

    /// Counts a failed login.
    pub(super) fn failed_login(&self, address: IpAddr, limit: Limit) -> Pace {
        self.with(Some(address), |visitor, now| {
            let count = visitor.failures.add(now, limit.millis());
            pace(count, limit, &mut visitor.over_failures)
        })
    }

    /// How many failed logins there were, where they are more than is allowed.
    pub(super) fn too_many_failures(&self, address: IpAddr, limit: Limit) -> Option<u32> {
        self.with(Some(address), |visitor, now| {
            let count = visitor.failures.count(now, limit.millis());
            (count > limit.most).then_some(count)
        })
    }

    /// Whether a signal may have a record, and how many before it had none. All unknown
    /// addresses are one.
    pub(super) fn record(&self, address: Option<IpAddr>) -> Option<u32> {
        self.with(address, |visitor, now| {
            if visitor.records.count(now, RECORDS_WINDOW) >= RECORDS {
                visitor.untold = visitor.untold.saturating_add(1);
                return None;
            }
            visitor.records.add(now, RECORDS_WINDOW);
            Some(std::mem::take(&mut visitor.untold))
        })
    }

    fn with<T>(&self, address: Option<IpAddr>, act: impl FnOnce(&mut Visitor, u64) -> T) -> T {
        let key = self.hasher.hash_one(address.map(network)) | 1;
        // The lowest bit is always set, so the row is chosen by others.
        let row = (key >> 32) as usize % ROWS;
        let elapsed = self.start.elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        // Finer than the windows' clock: in a flood a whole row is seen within a millisecond.
        let seen = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let mut row = self.rows[row]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = row.iter().position(|visitor| visitor.key == key);
        let place = found.unwrap_or_else(|| {
            let silent = row.iter().enumerate().min_by_key(|(_, it)| it.seen);
            let place = silent.map_or(0, |(place, _)| place);
            row[place] = Visitor {
                key,
                ..Visitor::default()
            };
            place
        });
        let visitor = &mut row[place];
        // Nobody's place is the first to be taken, so a visitor was seen after the start.
        visitor.seen = seen.saturating_add(1);
        act(visitor, now)
    }
}

fn pace(count: u32, limit: Limit, over: &mut bool) -> Pace {
    if count <= limit.most {
        *over = false;
        return Pace::Within;
    }
    if std::mem::replace(over, true) {
        Pace::Over(count)
    } else {
        Pace::Crossed(count)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const LIMIT: Limit = Limit {
        most: 2,
        within: Duration::from_secs(3_600),
    };

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn the_limit_is_crossed_once_and_each_address_has_its_own() {
        let visitors = Visitors::new();
        let ask = |number| visitors.request(address(number), LIMIT);
        assert_eq!([ask(1), ask(1)], [Pace::Within; 2]);
        assert_eq!(ask(2), Pace::Within);
        assert_eq!(ask(1), Pace::Crossed(3));
        assert_eq!(ask(1), Pace::Over(4));
        assert_eq!(ask(2), Pace::Within);
        assert_eq!(visitors.too_many_failures(address(1), LIMIT), None);
    }

    #[test]
    fn records_are_few_and_the_next_tells_how_many_were_left_out() {
        let visitors = Visitors::new();
        let one = Some(address(1));
        for _ in 0..RECORDS {
            assert_eq!(visitors.record(one), Some(0));
        }
        assert_eq!([visitors.record(one), visitors.record(one)], [None; 2]);
        assert_eq!(visitors.record(None), Some(0), "the unknown are another");
    }

    #[test]
    fn one_network_of_version_six_is_one_visitor() {
        let visitors = Visitors::new();
        let ask = |address: &str| {
            let address: Ipv6Addr = address.parse().unwrap();
            visitors.request(address.into(), LIMIT)
        };
        for _ in 0..2 {
            ask("2001:db8::1");
        }
        assert_eq!(ask("2001:db8::ffff:1"), Pace::Crossed(3));
        assert_eq!(ask("2001:db8:0:1::1"), Pace::Within);
        visitors.request(address(7), LIMIT);
        visitors.request(address(7), LIMIT);
        assert_eq!(
            ask("::ffff:0.0.0.7"),
            Pace::Crossed(3),
            "the same in version four"
        );
    }

    #[test]
    fn addresses_without_end_take_no_more_room_and_a_busy_one_stays() {
        let visitors = Visitors::new();
        let busy = address(u32::MAX);
        let mut last = Pace::Within;
        // Fewer than a slow machine gets through within the limit's window.
        for number in 0..200_000 {
            visitors.request(address(number), LIMIT);
            // More often than its row has places for others.
            if number % 64 == 0 {
                last = visitors.request(busy, LIMIT);
            }
        }
        assert!(
            matches!(last, Pace::Over(count) if count > 1_000),
            "{last:?}"
        );
        assert_eq!(visitors.rows.len(), ROWS);
    }
}
