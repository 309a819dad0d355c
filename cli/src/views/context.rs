//! What every view asks of the request and of the store: how far back, of which service, and
//! what was stored when it asked.

use std::time::Duration;

use super::App;
use crate::{
    page::{Counters, PageRequest},
    store::{self, Reader, StoreError},
};

/// How many intervals a chart over time has, about.
const BARS: u64 = 60;

/// The frame of one answer.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// Nanoseconds since 1970.
    pub(super) now: i64,
    /// The beginning of the range; 0 is everything.
    pub(super) since: i64,
    pub(super) service: Option<String>,
    /// From before the question, so that a page never misses what came while it was answered.
    pub(super) counters: Counters,
}

impl Context {
    pub(super) fn of(app: &App, request: &PageRequest) -> Self {
        let counters = *app.store.changes().borrow();
        let now = store::now();
        let back = |range: Duration| {
            now.saturating_sub(i64::try_from(range.as_nanos()).unwrap_or(i64::MAX))
        };
        Self {
            now,
            since: request.since().duration().map_or(0, back),
            service: request.service().map(str::to_owned),
            counters,
        }
    }

    /// The beginning of the range as a filter has it.
    pub(super) fn from(&self) -> Option<i64> {
        (self.since > 0).then_some(self.since)
    }

    /// Intervals for a chart, where the earliest that is shown happened then (in seconds since
    /// 1970), if anything did.
    pub(super) fn intervals(&self, earliest: Option<i64>) -> Intervals {
        let end = self.now.unsigned_abs();
        let first = earliest.unwrap_or_default().unsigned_abs() * 1_000_000_000;
        let start = match self.since {
            0 if first > 0 => first.min(end),
            0 => end.saturating_sub(900_000_000_000),
            since => since.unsigned_abs(),
        };
        let slice = store::SLICE_SECONDS.unsigned_abs() * 1_000_000_000;
        let wanted = (end - start) / BARS;
        // A few lengths that an eye knows, none shorter than what is counted.
        let width = [1, 3, 6, 30, 90, 360, 2160, 8640]
            .into_iter()
            .map(|slices| slices * slice)
            .find(|width| *width >= wanted)
            // Longer ones are whole days, as that is what counts of hours add up to.
            .unwrap_or_else(|| wanted.div_ceil(8640 * slice) * 8640 * slice);
        Intervals {
            start: start - start % width,
            end,
            width,
        }
    }
}

/// Equal parts of the range, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Intervals {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) width: u64,
}

impl Intervals {
    pub(super) fn len(&self) -> usize {
        usize::try_from((self.end - self.start) / self.width + 1).unwrap_or(1)
    }

    /// The width, in seconds.
    pub(super) fn seconds(&self) -> i64 {
        i64::try_from(self.width / 1_000_000_000).unwrap_or(i64::MAX)
    }

    /// Which interval a moment lies in, if it lies in the range.
    pub(super) fn index(&self, nanoseconds: u64) -> Option<usize> {
        let after = nanoseconds.checked_sub(self.start)?;
        let index = usize::try_from(after / self.width).ok()?;
        (index < self.len()).then_some(index)
    }

    /// Where the interval begins.
    pub(super) fn at(&self, index: usize) -> u64 {
        self.start + self.width * index as u64
    }
}

/// The services to choose from.
pub(super) fn services(reader: &Reader) -> Result<Vec<String>, StoreError> {
    Ok(reader.services()?.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn context(minutes: i64) -> Context {
        let now = 1_700_000_003 * SECOND;
        Context {
            now,
            since: if minutes == 0 {
                0
            } else {
                now - minutes * 60 * SECOND
            },
            service: None,
            counters: Counters::default(),
        }
    }

    #[test]
    fn a_range_has_some_dozen_intervals_of_whole_slices() {
        for minutes in [5, 15, 60, 360, 1440] {
            let intervals = context(minutes).intervals(None);
            assert!(
                (24..=62).contains(&intervals.len()),
                "{minutes}: {intervals:?}"
            );
            assert_eq!(intervals.width % 10_000_000_000, 0);
            assert_eq!(intervals.start % intervals.width, 0);
        }
    }

    #[test]
    fn everything_begins_with_the_first_that_there_is() {
        let all = context(0);
        let first = 1_700_000_000 - 7200;
        let intervals = all.intervals(Some(first));
        assert_eq!(
            intervals.index(first.unsigned_abs() * 1_000_000_000),
            Some(0)
        );
        assert_eq!(
            intervals.index(all.now.unsigned_abs()),
            Some(intervals.len() - 1)
        );
        assert_eq!(intervals.index(0), None);
        assert!(all.intervals(None).len() < 100);
        assert_eq!(all.from(), None);
    }
}
