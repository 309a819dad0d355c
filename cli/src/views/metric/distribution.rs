//! Distributions from the points of histograms: what was added in each interval, in buckets that
//! all points of a chart share.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, exponential_histogram_data_point::Buckets,
};

use crate::page::chart::Bucket;

/// Buckets that one can tell apart in a chart; finer ones are put together.
const BUCKETS: usize = 80;

/// Counts between bounds: one more count than there are bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::views) struct Distribution {
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
}

impl Distribution {
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds one of the same bounds; tells whether it was.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        if self.counts.is_empty() {
            *self = other.clone();
            return true;
        }
        if self.bounds != other.bounds {
            return false;
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
        true
    }

    pub(super) fn buckets(&self) -> Vec<Bucket> {
        self.counts
            .iter()
            .enumerate()
            .map(|(index, count)| Bucket {
                lower: match index {
                    0 => f64::NEG_INFINITY,
                    _ => self.bounds[index - 1],
                },
                upper: self.bounds.get(index).copied().unwrap_or(f64::INFINITY),
                count: *count,
            })
            .collect()
    }

    /// What was added since `before`; all of it, where it was counted from zero since, or in
    /// other buckets.
    fn since(&self, before: &Self) -> Self {
        let counted_on = self.bounds == before.bounds
            && self
                .counts
                .iter()
                .zip(&before.counts)
                .all(|(now, then)| now >= then);
        if !counted_on {
            return self.clone();
        }
        Self {
            bounds: self.bounds.clone(),
            counts: self
                .counts
                .iter()
                .zip(&before.counts)
                .map(|(now, then)| now - then)
                .collect(),
            sum: self.sum - before.sum,
        }
    }
}

/// What was added from point to point. `totals` are those of a cumulative histogram, whose first
/// point tells nothing of the time before.
pub(super) fn increments(
    points: Vec<(u64, Distribution)>,
    totals: bool,
) -> Vec<(u64, Distribution)> {
    if !totals {
        return points;
    }
    points
        .windows(2)
        .map(|pair| (pair[1].0, pair[1].1.since(&pair[0].1)))
        .collect()
}

/// A histogram's point. One without bounds has a single bucket.
pub(super) fn explicit(point: &HistogramDataPoint) -> Distribution {
    let mut counts = point.bucket_counts.clone();
    // The specification lets a point have no buckets, only a count.
    if counts.len() != point.explicit_bounds.len() + 1 {
        return Distribution {
            bounds: Vec::new(),
            counts: vec![point.count],
            sum: point.sum.unwrap_or(f64::NAN),
        };
    }
    counts.shrink_to_fit();
    Distribution {
        bounds: point.explicit_bounds.clone(),
        counts,
        sum: point.sum.unwrap_or(f64::NAN),
    }
}

/// Buckets that all these exponential points can be told in: the scale, and the range of indices
/// on either side of zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    scale: i32,
    positive: Option<(i32, i32)>,
    negative: Option<(i32, i32)>,
    /// Values as near to zero as that have no bucket of their own.
    zero: f64,
}

impl Layout {
    /// Of the coarsest scale among them, and coarser until a chart can show it.
    pub(super) fn of<'a>(
        points: impl Iterator<Item = &'a ExponentialHistogramDataPoint> + Clone,
    ) -> Option<Self> {
        let mut scale = points.clone().map(|point| point.scale).min()?;
        loop {
            let side = |buckets: fn(&ExponentialHistogramDataPoint) -> Option<&Buckets>| {
                points
                    .clone()
                    .filter_map(|point| {
                        let buckets = buckets(point)?;
                        let first = buckets.bucket_counts.iter().position(|count| *count > 0)?;
                        let last = buckets.bucket_counts.iter().rposition(|count| *count > 0)?;
                        let index = |at: usize| {
                            let at = i32::try_from(at).unwrap_or(i32::MAX);
                            coarser(buckets.offset.saturating_add(at), point.scale, scale)
                        };
                        Some((index(first), index(last)))
                    })
                    .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
            };
            let positive = side(|point| point.positive.as_ref());
            let negative = side(|point| point.negative.as_ref());
            let width = |range: Option<(i32, i32)>| {
                range.map_or(0, |(first, last)| i64::from(last) - i64::from(first) + 1)
            };
            if usize::try_from(width(positive) + width(negative)).unwrap_or(usize::MAX) <= BUCKETS
                || scale <= -10
            {
                let zero = points.map(|point| point.zero_threshold).fold(0.0, f64::max);
                return Some(Self {
                    scale,
                    positive,
                    negative,
                    zero,
                });
            }
            scale -= 1;
        }
    }

    /// The bucket of an index ends there.
    fn bound(&self, index: i32) -> f64 {
        // 2^(index / 2^scale), which cannot overflow on the way.
        (f64::from(index) * 2_f64.powi(-self.scale)).exp2()
    }

    fn bounds(&self) -> Vec<f64> {
        let mut bounds = Vec::new();
        if let Some((first, last)) = self.negative {
            bounds.extend(
                (first..=last.saturating_add(1))
                    .rev()
                    .map(|index| -self.bound(index)),
            );
        }
        if let Some((first, last)) = self.positive {
            let first_bound = self.bound(first);
            if self.negative.is_some() && self.zero < first_bound {
                bounds.push(self.zero);
            }
            bounds.extend((first..=last.saturating_add(1)).map(|index| self.bound(index)));
        } else {
            bounds.push(self.zero);
        }
        bounds
    }

    /// A point in these buckets.
    pub(super) fn told(&self, point: &ExponentialHistogramDataPoint) -> Distribution {
        let bounds = self.bounds();
        let mut by_end: BTreeMap<usize, u64> = BTreeMap::new();
        let mut put = |value: f64, count: u64| {
            // By a value within the bucket, where rounding is no matter.
            let at = bounds.partition_point(|bound| *bound < value);
            *by_end.entry(at).or_default() += count;
        };
        put(0.0, point.zero_count);
        for (buckets, sign) in [(&point.positive, 1.0), (&point.negative, -1.0)] {
            let Some(buckets) = buckets else { continue };
            for (at, count) in buckets.bucket_counts.iter().enumerate() {
                if *count > 0 {
                    let at = i32::try_from(at).unwrap_or(i32::MAX);
                    let index = coarser(buckets.offset.saturating_add(at), point.scale, self.scale);
                    let middle = (f64::from(index) + 0.5) * 2_f64.powi(-self.scale);
                    put(sign * middle.exp2(), *count);
                }
            }
        }
        let mut counts = vec![0; bounds.len() + 1];
        for (at, count) in by_end {
            counts[at] += count;
        }
        Distribution {
            bounds,
            counts,
            sum: point.sum.unwrap_or(f64::NAN),
        }
    }
}

/// The index of a bucket at a lower scale: each step of the scale puts two buckets together.
fn coarser(index: i32, from: i32, to: i32) -> i32 {
    let steps = u32::try_from(from.saturating_sub(to)).unwrap_or(0).min(31);
    index >> steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::chart::quantile;

    fn told(bounds: &[f64], counts: &[u64]) -> Distribution {
        Distribution {
            bounds: bounds.to_vec(),
            counts: counts.to_vec(),
            sum: 0.0,
        }
    }

    #[test]
    fn buckets_count_on_or_begin_anew() {
        let points = vec![
            (1, told(&[1.0], &[5, 5])),
            (2, told(&[1.0], &[6, 9])),
            (3, told(&[1.0], &[2, 0])),
            (4, told(&[1.0, 2.0], &[2, 0, 3])),
        ];
        let added = increments(points.clone(), true);
        let counts: Vec<_> = added.iter().map(|(_, one)| one.counts.clone()).collect();
        assert_eq!(counts, [vec![1, 4], vec![2, 0], vec![2, 0, 3]]);
        assert_eq!(increments(points, false).len(), 4, "increments as they are");
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        // histogram_quantile over le="0.1": 10, le="0.5": 70, le="1": 90, le="+Inf": 100.
        let one = told(&[0.1, 0.5, 1.0], &[10, 60, 20, 10]);
        let near = |share, wanted: f64| {
            let found = quantile(&one.buckets(), share).unwrap();
            assert!((found - wanted).abs() < 1e-9, "{share}: {found}");
        };
        near(0.05, 0.05);
        near(0.5, 0.1 + 0.4 * 40.0 / 60.0);
        near(0.9, 1.0);
        // The last bucket has no end: its lower bound.
        near(0.99, 1.0);
        assert_eq!(quantile(&told(&[1.0], &[0, 0]).buckets(), 0.5), None);
    }

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            scale,
            zero_count: 1,
            positive: Some(Buckets {
                offset,
                bucket_counts: counts.to_vec(),
            }),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    #[test]
    fn exponential_points_of_any_scale_share_their_buckets() {
        // Scale 1: the bounds are the powers of the square root of two. Scale 0: of two.
        let fine = exponential(1, 0, &[1, 2, 3, 4]);
        let coarse = exponential(0, 1, &[5]);
        let layout = Layout::of([&fine, &coarse].into_iter()).unwrap();
        let (fine, coarse) = (layout.told(&fine), layout.told(&coarse));
        assert_eq!(fine.bounds, [1.0, 2.0, 4.0]);
        // Zero is in what is up to 1; then (1, 2] has 1 + 2, and (2, 4] has 3 + 4.
        assert_eq!(fine.counts, [1, 3, 7, 0]);
        assert_eq!(coarse.counts, [1, 0, 5, 0]);
    }

    #[test]
    fn a_negative_index_is_below_one_and_negative_values_are_below_zero() {
        let mut point = exponential(0, -2, &[8]);
        point.negative = Some(Buckets {
            offset: 0,
            bucket_counts: vec![3],
        });
        let layout = Layout::of([&point].into_iter()).unwrap();
        let one = layout.told(&point);
        // -(1, 2] is from -2 to -1, and (1/4, 1/2] is of index -2.
        assert_eq!(one.bounds, [-2.0, -1.0, 0.0, 0.25, 0.5]);
        assert_eq!(one.counts, [0, 3, 1, 0, 8, 0]);
    }

    #[test]
    fn a_coarser_bucket_contains_both_finer_ones_below_one_as_above() {
        // At scale 1, indices -4 and -3 are from 1/4 to 1/2, which is index -2 at scale 0.
        let indices: Vec<i32> = (-4..4).map(|index| coarser(index, 1, 0)).collect();
        assert_eq!(indices, [-2, -2, -1, -1, 0, 0, 1, 1]);
        assert_eq!(coarser(-1, 40, 0), -1);
    }

    #[test]
    fn no_points_make_more_buckets_than_a_chart_can_show() {
        let all: Vec<u64> = vec![1; 160];
        let far = exponential(20, 1_000_000, &all);
        let near = exponential(20, -1_000_000, &all);
        let layout = Layout::of([&far, &near].into_iter()).unwrap();
        let told = layout.told(&far);
        assert!(told.bounds.len() <= BUCKETS + 2, "{}", told.bounds.len());
        assert_eq!(told.total(), 161);
    }
}
