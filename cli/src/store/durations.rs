//! Durations counted by size, from which percentiles are read within three per cent.
//!
//! Each power of two of nanoseconds is cut into sixteen equal parts.

use super::varint::{unvarint, varint};

/// Parts of one power of two.
const PARTS: u64 = 16;

/// How many durations there were of each size; only sizes that occurred are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    /// Size and count, ascending by size.
    counts: Vec<(u16, u64)>,
}

impl Durations {
    pub(crate) fn add(&mut self, nanoseconds: u64) {
        self.add_many(bucket(nanoseconds), 1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for &(bucket, count) in &other.counts {
            self.add_many(bucket, count);
        }
    }

    fn add_many(&mut self, bucket: u16, count: u64) {
        match self.counts.binary_search_by_key(&bucket, |(size, _)| *size) {
            Ok(found) => self.counts[found].1 += count,
            Err(place) => self.counts.insert(place, (bucket, count)),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The duration in nanoseconds that `quantile` (0 to 1) of all do not exceed; `None` of
    /// nothing.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        let total = self.count();
        let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        self.counts.iter().find_map(|&(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| middle(bucket))
        })
    }

    /// The form that is stored: per size its distance from the last, and its count.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.counts.len() * 3);
        let mut last = 0;
        for &(bucket, count) in &self.counts {
            varint(&mut packed, u64::from(bucket - last));
            varint(&mut packed, count);
            last = bucket;
        }
        packed
    }

    /// Reads what [`pack`](Self::pack) wrote; what is not that is left out.
    pub(crate) fn unpack(mut packed: &[u8]) -> Self {
        let mut counts = Vec::new();
        let mut last = 0_u16;
        while let (Some(step), Some(count)) = (unvarint(&mut packed), unvarint(&mut packed)) {
            let Some(bucket) = u16::try_from(step)
                .ok()
                .and_then(|step| last.checked_add(step))
            else {
                break;
            };
            counts.push((bucket, count));
            last = bucket;
        }
        Self { counts }
    }
}

#[allow(clippy::cast_possible_truncation)]
fn bucket(nanoseconds: u64) -> u16 {
    if nanoseconds < PARTS {
        return nanoseconds as u16;
    }
    let exponent = u64::from(63 - nanoseconds.leading_zeros());
    let part = (nanoseconds >> (exponent - 4)) & (PARTS - 1);
    ((exponent - 3) * PARTS + part) as u16
}

fn lower(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PARTS {
        return bucket;
    }
    let exponent = bucket / PARTS + 3;
    (PARTS + bucket % PARTS) << (exponent - 4)
}

fn middle(bucket: u16) -> u64 {
    let low = lower(bucket);
    low + (lower(bucket.saturating_add(1)).saturating_sub(low)) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_within_a_sixteenth_of_the_exact_one(
            mut values in prop::collection::vec(0_u64..1 << 42, 1..200), quantile in 0.0..=1.0_f64,
        ) {
            let mut durations = Durations::default();
            for value in &values {
                durations.add(*value);
            }
            values.sort_unstable();
            let rank = (quantile * values.len() as f64).ceil() as usize;
            let exact = values[rank.clamp(1, values.len()) - 1];
            let read = durations.quantile(quantile).unwrap();
            prop_assert!(read.abs_diff(exact) <= exact / 16 + 1, "{read} for {exact}");
            prop_assert_eq!(Durations::unpack(&durations.pack()), durations);
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_the_longest_has_one() {
        assert_eq!(Durations::default().quantile(0.5), None);
        let mut durations = Durations::default();
        durations.add(u64::MAX);
        assert!(durations.quantile(1.0).unwrap() > u64::MAX / 16 * 15);
    }
}
