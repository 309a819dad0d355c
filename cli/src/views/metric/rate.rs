//! How quickly a sum grows, from the totals or the increments that a service sends.

use super::super::context::Intervals;

/// Two points further apart are of a service that did not run meanwhile: as long as Prometheus
/// takes the last value for the present one.
const APART: u64 = 300_000_000_000;

/// What was added between two moments, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Increase {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) by: f64,
}

/// What a total grew by from point to point. One that is lower than that before it was counted
/// from zero again, as Prometheus' `rate` has it:
/// <https://prometheus.io/docs/prometheus/latest/querying/functions/#rate>
pub(super) fn of_totals(points: &[(u64, f64)]) -> Vec<Increase> {
    points
        .windows(2)
        .filter(|pair| pair[1].1.is_finite() && pair[0].1.is_finite())
        .map(|pair| Increase {
            from: pair[0].0,
            to: pair[1].0,
            by: if pair[1].1 < pair[0].1 {
                pair[1].1
            } else {
                pair[1].1 - pair[0].1
            },
        })
        .filter(|increase| increase.to - increase.from <= APART)
        .collect()
}

/// Increments as they came: each since the one before it, and the first for as long as the
/// second, since a point's own beginning is not kept with it.
pub(super) fn of_increments(points: &[(u64, f64)]) -> Vec<Increase> {
    let first = match points {
        [first, second, ..] => first.0.saturating_sub((second.0 - first.0).min(APART)),
        [only] => only.0.saturating_sub(10_000_000_000),
        [] => return Vec::new(),
    };
    let before = std::iter::once(first).chain(points.iter().map(|point| point.0));
    before
        .zip(points)
        .filter(|(_, point)| point.1.is_finite())
        .map(|(from, &(to, by))| Increase {
            // What came after a long silence came of its end.
            from: from.max(to.saturating_sub(APART)),
            to,
            by,
        })
        .collect()
}

/// Growth a second in each interval, as far as it is known: an increase belongs to all of the
/// time in which it came, in equal parts.
pub(super) fn per_second(increases: &[Increase], intervals: Intervals) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); intervals.len()];
    for increase in increases {
        let length = (increase.to - increase.from) as f64;
        if length <= 0.0 {
            continue;
        }
        let first = increase.from.max(intervals.start);
        let Some(mut index) = intervals.index(first) else {
            continue;
        };
        while index < sums.len() && intervals.at(index) < increase.to {
            let from = increase.from.max(intervals.at(index));
            let to = increase.to.min(intervals.at(index) + intervals.width);
            let part = to.saturating_sub(from) as f64;
            sums[index].0 += increase.by * part / length;
            sums[index].1 += part / 1e9;
            index += 1;
        }
    }
    sums.into_iter()
        .map(|(sum, seconds)| {
            if seconds > 0.0 {
                sum / seconds
            } else {
                f64::NAN
            }
        })
        .collect()
}

/// The last value in each interval, which stays until the next, for as long as Prometheus takes
/// it for the present one.
pub(super) fn levels(points: &[(u64, f64)], intervals: Intervals) -> Vec<f64> {
    let mut next = 0;
    let mut last: Option<(u64, f64)> = None;
    (0..intervals.len())
        .map(|index| {
            let end = intervals.at(index) + intervals.width;
            while next < points.len() && points[next].0 < end {
                last = Some(points[next]);
                next += 1;
            }
            match last {
                Some((time, value)) if time + APART > intervals.at(index) => value,
                _ => f64::NAN,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const INTERVALS: Intervals = Intervals {
        start: 100 * SECOND,
        end: 129 * SECOND,
        width: 10 * SECOND,
    };

    fn points(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
        points
            .iter()
            .map(|&(seconds, value)| (seconds * SECOND, value))
            .collect()
    }

    #[test]
    fn a_total_that_falls_was_counted_from_zero() {
        let increases = of_totals(&points(&[(100, 5.0), (110, 25.0), (120, 7.0), (130, 8.0)]));
        let by: Vec<f64> = increases.iter().map(|increase| increase.by).collect();
        assert_eq!(by, [20.0, 7.0, 1.0]);
        assert_eq!(per_second(&increases, INTERVALS), [2.0, 0.7, 0.1]);
    }

    #[test]
    fn an_increase_is_spread_over_the_time_in_which_it_came() {
        let increases = of_totals(&points(&[(105, 0.0), (125, 40.0)]));
        assert_eq!(per_second(&increases, INTERVALS), [2.0, 2.0, 2.0]);
        // Of what began before the range, the part within it.
        let increases = of_totals(&points(&[(90, 0.0), (110, 10.0)]));
        let rates = per_second(&increases, INTERVALS);
        assert_eq!(rates[0], 0.5);
        assert!(rates[1].is_nan());
    }

    #[test]
    fn increments_are_rates_over_the_time_since_the_last() {
        let increases = of_increments(&points(&[(110, 30.0), (120, 10.0), (130, 0.0)]));
        assert_eq!(per_second(&increases, INTERVALS), [3.0, 1.0, 0.0]);
        assert_eq!(of_increments(&points(&[(110, 5.0)]))[0].from, 100 * SECOND);
        assert!(of_increments(&[]).is_empty());
    }

    #[test]
    fn nothing_is_said_of_a_time_without_the_service() {
        assert!(of_totals(&points(&[(100, 1.0), (401, 9.0)])).is_empty());
        assert_eq!(of_totals(&points(&[(100, 1.0), (400, 9.0)])).len(), 1);
        let increases = of_increments(&points(&[(100, 1.0), (1000, 9.0)]));
        assert_eq!(increases[1].from, 700 * SECOND);
    }

    #[test]
    fn a_level_stays_until_the_next_one() {
        let levels = levels(&points(&[(95, 1.0), (112, 3.0), (118, 4.0)]), INTERVALS);
        assert_eq!(levels, [1.0, 4.0, 4.0]);
        assert!(super::levels(&[], INTERVALS)[0].is_nan());
    }
}
