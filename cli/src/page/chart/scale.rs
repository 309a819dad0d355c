//! Where the lines of an axis are, at values that a reader can count with.

use crate::page::format::quantity;

/// The vertical axis: from a bound below all values to one above them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// For these values, and for zero, without which a bar or an area would lie.
    pub(super) fn of(values: impl Iterator<Item = f64>, unit: &str, about: usize) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        // Nothing but zeros still has an axis; and the difference of the largest numbers has to
        // stay one.
        let high = if low == high {
            low + 1.0
        } else {
            high.min(1e300)
        };
        let low = low.max(-1e300);
        let step = step((high - low) / about as f64, unit);
        let (first, last) = ((low / step).floor(), (high / step - 1e-9).ceil());
        let ticks = (0..=((last - first) as usize).min(64))
            .map(|index| {
                let value = (first + index as f64) * step;
                (value, quantity(value, unit))
            })
            .collect();
        Self {
            low: first * step,
            high: last * step,
            ticks,
        }
    }

    /// From 0 at the bottom to 1 at the top.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// A step near `rough` that is round in its unit.
fn step(rough: f64, unit: &str) -> f64 {
    let (base, per) = match unit {
        "By" | "By/s" => (2, 1.0),
        "KiBy" | "MiBy" | "GiBy" => (2, 1.0),
        "s" => (60, 1.0),
        "ms" => (60, 1e3),
        "us" => (60, 1e6),
        "ns" => (60, 1e9),
        _ => (10, 1.0),
    };
    match base {
        2 if rough >= 1.0 => 2.0_f64.powf(rough.log2().ceil()),
        60 if rough / per > 5.0 => {
            const ROUND: [f64; 15] = [
                10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
                10_800.0, 21_600.0, 43_200.0, 86_400.0,
            ];
            let seconds = rough / per;
            let found = ROUND.into_iter().find(|step| *step >= seconds);
            found.unwrap_or_else(|| (seconds / 86_400.0).ceil() * 86_400.0) * per
        }
        _ => {
            // Things that are counted have no halves.
            let rough = if unit.starts_with('{') && !unit.contains("}/") {
                rough.max(1.0)
            } else {
                rough
            };
            let magnitude = 10.0_f64.powf(rough.log10().floor());
            let times = rough / magnitude;
            let round = [1.0, 2.0, 2.5, 5.0]
                .into_iter()
                .find(|round| *round >= times - 1e-9);
            // A quarter of one is no count.
            let round = match round {
                Some(2.5) if magnitude == 1.0 && unit.starts_with('{') => 5.0,
                Some(round) => round,
                None => 10.0,
            };
            round * magnitude
        }
    }
}

/// A moment on the horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeTick {
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    /// What the script shows of it: `day`, `minute` or `second`.
    pub(super) form: &'static str,
}

const SECOND: u64 = 1_000_000_000;

/// Moments that are round in UTC, and in most zones with it.
pub(super) fn time_ticks(start: u64, end: u64, about: u64) -> Vec<TimeTick> {
    const STEPS: [u64; 20] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
        86_400, 172_800, 604_800,
    ];
    let length = end.saturating_sub(start);
    if length < SECOND {
        return Vec::new();
    }
    let rough = length / about.max(1);
    let found = STEPS
        .into_iter()
        .map(|step| step * SECOND)
        .find(|step| *step >= rough);
    let step = found.unwrap_or_else(|| rough.div_ceil(86_400 * SECOND) * 86_400 * SECOND);
    let form = match step / SECOND {
        0..60 => "second",
        60..86_400 => "minute",
        _ => "day",
    };
    let first = start.div_ceil(step) * step;
    (0..=length / step)
        .filter_map(|index| first.checked_add(index * step))
        .filter(|time| *time <= end)
        .map(|time| TimeTick { time, form })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], unit: &str) -> Vec<String> {
        Scale::of(values.iter().copied(), unit, 4)
            .ticks
            .into_iter()
            .map(|tick| tick.1)
            .collect()
    }

    #[test]
    fn ticks_are_round_in_their_unit() {
        assert_eq!(
            labels(&[0.0, 0.183], "s"),
            ["0 s", "50 ms", "100 ms", "150 ms", "200 ms"]
        );
        assert_eq!(
            labels(&[95.0], "s"),
            ["0 s", "30 s", "60 s", "90 s", "2 min"]
        );
        assert_eq!(labels(&[3000.0], "By"), ["0 B", "1 KiB", "2 KiB", "3 KiB"]);
        assert_eq!(labels(&[3.0], "{request}"), ["0", "1", "2", "3"]);
        assert_eq!(labels(&[9.0], "{request}"), ["0", "5", "10"]);
        assert_eq!(labels(&[0.031], "1"), ["0", "0.01", "0.02", "0.03", "0.04"]);
        assert_eq!(labels(&[-4.0, 4.0], ""), ["-4", "-2", "0", "2", "4"]);
    }

    #[test]
    fn an_axis_exists_for_any_values() {
        for values in [
            vec![],
            vec![0.0],
            vec![f64::NAN, f64::INFINITY],
            vec![f64::MAX, -f64::MAX],
        ] {
            let scale = Scale::of(values.iter().copied(), "s", 4);
            assert!(scale.high > scale.low, "{values:?}: {scale:?}");
            assert!(
                (2..66).contains(&scale.ticks.len()),
                "{values:?}: {scale:?}"
            );
            assert!((0.0..=1.0).contains(&scale.share(1.0)), "{values:?}");
        }
    }

    #[test]
    fn moments_are_round_and_within_the_range() {
        let start = 1_700_000_000 * SECOND;
        let ticks = time_ticks(start, start + 900 * SECOND, 5);
        let seconds: Vec<_> = ticks
            .iter()
            .map(|tick| tick.time / SECOND - 1_700_000_000)
            .collect();
        assert_eq!(seconds, [100, 400, 700]);
        assert_eq!(ticks[0].form, "minute");
        assert_eq!(time_ticks(start, start + 10 * SECOND, 5)[0].form, "second");
        assert_eq!(
            time_ticks(start, start + 30 * 86_400 * SECOND, 5)[0].form,
            "day"
        );
        assert_eq!(time_ticks(start, start, 5), []);
        assert!(time_ticks(0, u64::MAX, 5).len() <= 6);
    }
}
