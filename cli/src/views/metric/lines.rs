//! The series of a metric as the lines of a chart: chosen and grouped by attributes, each with a
//! value for every interval.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    super::context::Intervals,
    distribution::{Distribution, Layout, explicit, increments},
    rate::{levels, of_increments, of_totals, per_second},
};
use crate::{
    page::{chart::quantile, value},
    store::{Point, Reader, Series, StoreError},
};

/// How long the points of one metric are read.
const PATIENCE: Duration = Duration::from_millis(120);
/// A total needs the point before the range to tell its first increase.
const BEFORE: i64 = 300_000_000_000;
/// The share of all values that a line of a grouped histogram shows.
pub(super) const SHOWN: f64 = 0.95;

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views) enum Shape {
    /// The value of a gauge, whose series are averaged.
    Level,
    /// The value of an up-and-down counter, whose series are added up.
    Amount,
    /// What a counter grows by in a second.
    Rate,
    Distribution,
    Summary,
}

impl Shape {
    pub(in crate::views) fn of(series: &Series) -> Self {
        match (series.kind, series.temporality, series.monotonic) {
            (3 | 4, ..) => Self::Distribution,
            (5, ..) => Self::Summary,
            (2, _, true) | (2, 1, false) => Self::Rate,
            (2, ..) => Self::Amount,
            _ => Self::Level,
        }
    }

    /// The unit of what is shown, of that of what was measured.
    pub(in crate::views) fn unit(self, unit: &str) -> String {
        match self {
            Self::Rate => format!("{}/s", if unit.is_empty() { "1" } else { unit }),
            _ => unit.to_owned(),
        }
    }
}

/// One line.
#[derive(Clone, Debug, Default)]
pub(in crate::views) struct Line {
    /// The values of the attributes that tell it from the others; empty for all together.
    pub(in crate::views) name: String,
    pub(in crate::views) series: usize,
    /// One an interval; no number where nothing is known.
    pub(in crate::views) values: Vec<f64>,
    /// Of a histogram, what was added in each interval.
    pub(in crate::views) distributions: Vec<Distribution>,
}

impl Line {
    pub(in crate::views) fn last(&self) -> f64 {
        let finite = self.values.iter().rev().find(|value| value.is_finite());
        finite.copied().unwrap_or(f64::NAN)
    }

    pub(in crate::views) fn whole(&self) -> Distribution {
        let mut whole = Distribution::default();
        for one in &self.distributions {
            whole.add(one);
        }
        whole
    }
}

/// The lines of a metric, and what is to be known of them.
#[derive(Clone, Debug, Default)]
pub(in crate::views) struct Lines {
    pub(in crate::views) lines: Vec<Line>,
    /// Series that were not read, as time ran out.
    pub(in crate::views) unread: usize,
    /// Points of other buckets than those shown.
    pub(in crate::views) other_buckets: usize,
}

/// An attribute of a series as text; `service` and what tells one instance from another are of
/// its resource.
pub(in crate::views) fn attribute(series: &Series, key: &str) -> String {
    let find = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
        attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|found| value::plain(found.value.as_ref(), 100))
    };
    match key {
        "service" => series.service.to_string(),
        "service.instance.id" => find(&series.resource.attributes).unwrap_or_default(),
        _ => find(&series.attributes).unwrap_or_default(),
    }
}

/// The attributes by which these series differ, with their values.
pub(in crate::views) fn differing(series: &[Series]) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeSet<&str> = BTreeSet::from(["service", "service.instance.id"]);
    for one in series {
        keys.extend(
            one.attributes
                .iter()
                .map(|attribute| attribute.key.as_str()),
        );
    }
    keys.into_iter()
        .map(|key| {
            let values = series.iter().map(|one| attribute(one, key)).collect();
            (key.to_owned(), values)
        })
        .filter(|(_, values): &(String, BTreeSet<String>)| values.len() > 1)
        .collect()
}

/// The name of a series by these attributes.
pub(in crate::views) fn name(series: &Series, by: &[String]) -> String {
    let values: Vec<String> = by
        .iter()
        .map(|key| match attribute(series, key) {
            value if value.is_empty() => format!("no {key}"),
            value => value,
        })
        .collect();
    values.join(", ")
}

/// Reads the points of these series, which are of one kind, and groups them. Intervals become as
/// long as the points are apart, so that each has one.
pub(in crate::views) fn read(
    reader: &Reader,
    series: &[Series],
    by: &[String],
    since: i64,
    intervals: &mut Intervals,
) -> Result<Lines, StoreError> {
    let began = Instant::now();
    let mut points = Vec::new();
    for one in series {
        if began.elapsed() > PATIENCE {
            break;
        }
        points.push((one, reader.points(one, since.saturating_sub(BEFORE))?));
    }
    let mut lines = Lines {
        unread: series.len() - points.len(),
        ..Lines::default()
    };
    let apart = points.iter().filter_map(|(_, points)| gap(points)).max();
    if let Some(apart) = apart.filter(|apart| *apart > intervals.width) {
        const STEP: u64 = 10_000_000_000;
        intervals.width = apart.div_ceil(STEP) * STEP;
        intervals.start -= intervals.start % intervals.width;
    }
    let layout = {
        let all = points.iter().flat_map(|(_, points)| points);
        Layout::of(all.filter_map(|(_, point)| match point {
            Point::Exponential(point) => Some(point),
            _ => None,
        }))
    };
    let mut groups: BTreeMap<String, Vec<Values>> = BTreeMap::new();
    for (one, points) in points {
        let key = name(one, by);
        for (suffix, values) in values(one, points, layout.as_ref(), *intervals) {
            let name = match (key.is_empty(), suffix.is_empty()) {
                (_, true) => key.clone(),
                (true, false) => suffix,
                (false, false) => format!("{key} {suffix}"),
            };
            groups.entry(name).or_default().push(values);
        }
    }
    let shape = series.first().map_or(Shape::Level, Shape::of);
    for (name, values) in groups {
        let (line, other) = together(name, shape, values, *intervals);
        lines.other_buckets += other;
        lines.lines.push(line);
    }
    Ok(lines)
}

/// The usual distance of points.
fn gap(points: &[(i64, Point)]) -> Option<u64> {
    let mut gaps: Vec<u64> = points
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).unsigned_abs())
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

/// What one series has in each interval.
enum Values {
    Numbers(Vec<f64>),
    Distributions(Vec<(u64, Distribution)>),
}

fn values(
    series: &Series,
    points: Vec<(i64, Point)>,
    layout: Option<&Layout>,
    intervals: Intervals,
) -> Vec<(String, Values)> {
    let totals = series.temporality == 2;
    let mut numbers = Vec::new();
    let mut distributions = Vec::new();
    let mut quantiles: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    for (time, point) in points {
        let time = time.unsigned_abs();
        match point {
            Point::Number(value) => numbers.push((time, value)),
            Point::Histogram(point) => distributions.push((time, explicit(&point))),
            Point::Exponential(point) => {
                if let Some(layout) = layout {
                    distributions.push((time, layout.told(&point)));
                }
            }
            Point::Summary(point) => {
                for one in point.quantile_values {
                    let name = match one.quantile {
                        0.0 => "least".to_owned(),
                        1.0 => "most".to_owned(),
                        quantile => {
                            format!("p{}", crate::page::format::digits(quantile * 100.0))
                        }
                    };
                    quantiles.entry(name).or_default().push((time, one.value));
                }
            }
        }
    }
    let whole = |values| vec![(String::new(), values)];
    match Shape::of(series) {
        Shape::Level | Shape::Amount => whole(Values::Numbers(levels(&numbers, intervals))),
        Shape::Rate => {
            let increases = if totals {
                of_totals(&numbers)
            } else {
                of_increments(&numbers)
            };
            whole(Values::Numbers(per_second(&increases, intervals)))
        }
        Shape::Distribution => whole(Values::Distributions(increments(distributions, totals))),
        Shape::Summary => quantiles
            .into_iter()
            .map(|(name, points)| (name, Values::Numbers(levels(&points, intervals))))
            .collect(),
    }
}

/// One line of several series; and how many points have other buckets than the newest.
fn together(name: String, shape: Shape, all: Vec<Values>, intervals: Intervals) -> (Line, usize) {
    let mut line = Line {
        name,
        series: all.len(),
        values: vec![f64::NAN; intervals.len()],
        distributions: Vec::new(),
    };
    let mut counts = vec![0_u32; intervals.len()];
    let mut points = Vec::new();
    for values in all {
        match values {
            Values::Numbers(values) => {
                for ((sum, count), value) in line.values.iter_mut().zip(&mut counts).zip(values) {
                    if value.is_finite() {
                        *sum = if *count == 0 { value } else { *sum + value };
                        *count += 1;
                    }
                }
            }
            Values::Distributions(one) => points.extend(one),
        }
    }
    if matches!(shape, Shape::Level | Shape::Summary) {
        for (sum, count) in line.values.iter_mut().zip(&counts) {
            *sum /= f64::from((*count).max(1));
        }
    }
    if shape != Shape::Distribution {
        return (line, 0);
    }
    let mut other = 0;
    let newest = points.iter().max_by_key(|(time, _)| *time);
    let bounds = newest.map(|(_, one)| one.bounds.clone());
    line.distributions = vec![Distribution::default(); intervals.len()];
    for (time, one) in points {
        let Some(index) = intervals.index(time) else {
            continue;
        };
        if Some(&one.bounds) == bounds.as_ref() {
            line.distributions[index].add(&one);
        } else {
            other += 1;
        }
    }
    for (value, one) in line.values.iter_mut().zip(&line.distributions) {
        *value = quantile(&one.buckets(), SHOWN).unwrap_or(f64::NAN);
    }
    (line, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const INTERVALS: Intervals = Intervals {
        start: 100 * SECOND,
        end: 119 * SECOND,
        width: 10 * SECOND,
    };

    fn numbers(values: [f64; 2]) -> Values {
        Values::Numbers(values.to_vec())
    }

    #[test]
    fn gauges_are_averaged_and_all_else_is_added_up() {
        let all = || vec![numbers([1.0, f64::NAN]), numbers([3.0, f64::NAN])];
        let (line, _) = together(String::new(), Shape::Level, all(), INTERVALS);
        assert_eq!(line.values[0], 2.0);
        assert!(line.values[1].is_nan());
        for shape in [Shape::Amount, Shape::Rate] {
            let (line, _) = together(String::new(), shape, all(), INTERVALS);
            assert_eq!(line.values[0], 4.0);
            assert_eq!(line.last(), 4.0);
        }
    }

    #[test]
    fn distributions_of_an_interval_are_one_unless_their_buckets_differ() {
        let one = |time, bounds: &[f64], counts: &[u64]| {
            let distribution = Distribution {
                bounds: bounds.to_vec(),
                counts: counts.to_vec(),
                sum: 1.0,
            };
            (time * SECOND, distribution)
        };
        let first = vec![one(101, &[9.0], &[7, 7]), one(111, &[1.0], &[2, 0])];
        let second = vec![one(112, &[1.0], &[2, 4]), one(99, &[1.0], &[50, 50])];
        let all = vec![Values::Distributions(first), Values::Distributions(second)];
        let (line, other) = together(String::new(), Shape::Distribution, all, INTERVALS);
        assert_eq!(other, 1);
        assert_eq!(line.distributions[1].counts, [4, 4]);
        assert_eq!(line.whole().total(), 8, "none of before the range");
        assert_eq!(line.values[1], 1.0);
        assert!(line.values[0].is_nan());
    }
}
