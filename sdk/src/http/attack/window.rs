//! How many of something there were in the last while, in twelve bytes.

/// Counts over a window that slides, from two that stand still: of the one before counts the
/// share that is still within. Exact while all happens within one; else right where what came
/// before was even, and never more than what came in two windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// The number of the window that `now` counts.
    at: u32,
    now: u32,
    before: u32,
}

impl Window {
    /// Counts one more at this time, and tells how many there were within `length`. Both in
    /// milliseconds.
    pub(super) fn add(&mut self, time: u64, length: u64) -> u32 {
        self.advance(time, length);
        self.now = self.now.saturating_add(1);
        self.estimate(time, length)
    }

    /// How many there were within `length` before this time.
    pub(super) fn count(&mut self, time: u64, length: u64) -> u32 {
        self.advance(time, length);
        self.estimate(time, length)
    }

    fn advance(&mut self, time: u64, length: u64) {
        let at = number(time, length);
        self.before = match at.wrapping_sub(self.at) {
            0 => return,
            1 => self.now,
            _ => 0,
        };
        self.at = at;
        self.now = 0;
    }

    fn estimate(&self, time: u64, length: u64) -> u32 {
        let length = length.max(1);
        let left = length - time % length;
        let before = u64::from(self.before) * left / length;
        self.now
            .saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }
}

fn number(time: u64, length: u64) -> u32 {
    (time / length.max(1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_long_ago_does_not_count() {
        let mut window = Window::default();
        assert_eq!(window.add(1_000, 1_000), 1);
        assert_eq!(window.add(1_999, 1_000), 2);
        assert_eq!(window.add(2_500, 1_000), 2, "half of two, and this one");
        assert_eq!(window.count(9_000, 1_000), 0);
        assert_eq!(window.add(9_000, 1_000), 1);
    }

    proptest! {
        #[test]
        fn it_is_exact_within_one_window_and_never_more_than_two_of_them_had(
            mut times in proptest::collection::vec(0_u64..50_000, 1..200),
        ) {
            const LENGTH: u64 = 10_000;
            times.sort_unstable();
            let mut window = Window::default();
            for (index, time) in times.iter().enumerate() {
                let estimate = window.add(*time, LENGTH) as usize;
                let so_far = &times[..=index];
                let this = so_far.iter().filter(|it| **it / LENGTH == time / LENGTH).count();
                let two = so_far.iter().filter(|it| time - **it < 2 * LENGTH).count();
                prop_assert!(estimate >= this);
                prop_assert!(estimate <= two.max(this));
            }
        }
    }
}
