//! Records over time as bars, from what was counted when they came.

use std::collections::BTreeMap;

use super::context::Intervals;
use crate::{
    page::chart::{COUNT, Kind, Series, TimeChart, series_class},
    store::Volume,
};

/// More names than this are one: nobody tells more colours apart.
const NAMES: usize = 8;

/// Adds up what `value` says of each count, by the name that `group` gives it; what has no name is
/// left out.
pub(super) fn totals<'a>(
    volumes: &'a [Volume],
    group: impl Fn(&'a Volume) -> Option<&'a str>,
) -> Vec<(&'a str, u64)> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for volume in volumes {
        if let Some(name) = group(volume) {
            *totals.entry(name).or_default() += volume.count;
        }
    }
    let mut totals: Vec<_> = totals.into_iter().collect();
    totals.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    totals
}

/// Bars of records by level, the worst at the bottom, where one sees whether it grows.
pub(super) fn by_level(title: &str, intervals: Intervals, volumes: &[Volume]) -> TimeChart {
    const LEVELS: [(&str, &str, &[i64]); 4] = [
        ("error", "error", &[17, 21]),
        ("warn", "warn", &[13]),
        ("info", "c0", &[9]),
        ("debug and less", "c9", &[0, 1, 5]),
    ];
    let mut series = Vec::new();
    for (name, class, levels) in LEVELS {
        let some = volumes.iter().filter(|one| levels.contains(&one.level));
        let bars = bars(intervals, some);
        if bars.iter().any(|bar| bar.1 > 0.0) {
            series.push(Series {
                name: name.to_owned(),
                class: class.to_owned(),
                points: bars,
            });
        }
    }
    chart(title, COUNT, intervals, series)
}

/// Bars of records by event, the most frequent first.
pub(super) fn by_name<'a>(
    title: &str,
    intervals: Intervals,
    volumes: &'a [Volume],
    group: impl Fn(&'a Volume) -> Option<&'a str>,
) -> TimeChart {
    let names = totals(volumes, &group);
    let mut series: Vec<Series> = names
        .iter()
        .take(NAMES)
        .enumerate()
        .map(|(index, (name, _))| Series {
            name: (*name).to_owned(),
            class: series_class(index),
            points: bars(
                intervals,
                volumes.iter().filter(|one| group(one) == Some(name)),
            ),
        })
        .collect();
    if names.len() > NAMES {
        let shown: Vec<_> = names.iter().take(NAMES).map(|(name, _)| *name).collect();
        series.push(Series {
            name: "others".to_owned(),
            class: "c9".to_owned(),
            points: bars(
                intervals,
                volumes
                    .iter()
                    .filter(|one| group(one).is_some_and(|name| !shown.contains(&name))),
            ),
        });
    }
    chart(title, COUNT, intervals, series)
}

/// A chart of bars that were made elsewhere.
pub(super) fn chart(
    title: &str,
    unit: &str,
    intervals: Intervals,
    series: Vec<Series>,
) -> TimeChart {
    TimeChart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        kind: Kind::Bars,
        start: intervals.start,
        end: intervals.at(intervals.len()),
        series,
        exemplars: Vec::new(),
    }
}

fn bars<'a>(intervals: Intervals, volumes: impl Iterator<Item = &'a Volume>) -> Vec<(u64, f64)> {
    let mut bars: Vec<_> = (0..intervals.len())
        .map(|index| (intervals.at(index), 0.0))
        .collect();
    for volume in volumes {
        let at = volume.at.unsigned_abs() * 1_000_000_000;
        if let Some(index) = intervals.index(at.max(intervals.start)) {
            bars[index].1 += volume.count as f64;
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(at: i64, event: &str, level: i64, count: u64) -> Volume {
        Volume {
            at,
            stream: "security".into(),
            event: event.into(),
            level,
            count,
        }
    }

    const SECOND: u64 = 1_000_000_000;
    const INTERVALS: Intervals = Intervals {
        start: 1_000 * SECOND,
        end: 1_055 * SECOND,
        width: 30 * SECOND,
    };

    #[test]
    fn counts_are_added_up_by_interval_and_level() {
        let volumes = [
            volume(1_000, "a", 9, 3),
            volume(1_020, "a", 9, 4),
            volume(1_030, "b", 21, 1),
            volume(1_050, "b", 17, 1),
        ];
        let chart = by_level("t", INTERVALS, &volumes);
        let named: Vec<_> = chart
            .series
            .iter()
            .map(|series| (series.name.as_str(), series.points[0].1, series.points[1].1))
            .collect();
        assert_eq!(named, [("error", 0.0, 2.0), ("info", 7.0, 0.0)]);
    }

    #[test]
    fn counts_are_whole_and_their_unit_is_the_title() {
        let html = by_level("Records", INTERVALS, &[volume(1_000, "a", 9, 1)])
            .render()
            .to_string();
        assert!(html.contains("<figcaption>Records</figcaption>"), "{html}");
        assert!(html.contains(">1</text>"), "{html}");
        assert!(!html.contains(">0.5</text>"), "{html}");
    }

    #[test]
    fn the_most_frequent_names_come_first_and_the_rest_is_one() {
        let names: Vec<_> = (0..12).map(|index| format!("event {index:02}")).collect();
        let volumes: Vec<_> = names
            .iter()
            .zip(1..)
            .map(|(name, count)| volume(1_000, name, 9, count))
            .collect();
        let chart = by_name("t", INTERVALS, &volumes, |one| Some(&one.event));
        assert_eq!(chart.series.len(), 9);
        assert_eq!(chart.series[0].name, "event 11");
        assert_eq!(chart.series[8].name, "others");
        assert_eq!(chart.series[8].points[0].1, 1.0 + 2.0 + 3.0 + 4.0);
    }
}
