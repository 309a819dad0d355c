//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// While somebody waits for the end, a receiver that comes back should be found at once.
const LONGEST_IN_A_HURRY: Duration = Duration::from_millis(250);

/// What a receiver may ask for. At once, or at a date that has passed, would be a flood of
/// tries at one that has just said that it cannot keep up; a year would be the end of all
/// telemetry, for what is mostly a clock or a unit that is wrong.
const LEAST_ASKED: Duration = Duration::from_millis(125);
const MOST_ASKED: Duration = Duration::from_secs(60 * 60);

/// Doubles from a quarter of a second to five, each between a half and the whole of it, so
/// that the services that lost one collector do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait where the receiver asked for so long, or for nothing.
    pub(super) fn pause(&mut self, asked: Option<Duration>, hurried: bool) -> Duration {
        match asked {
            Some(asked) => asked.clamp(LEAST_ASKED, MOST_ASKED),
            None => self.next(hurried),
        }
    }

    fn next(&mut self, hurried: bool) -> Duration {
        let whole = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures += 1;
        let whole = if hurried {
            whole.min(LONGEST_IN_A_HURRY)
        } else {
            whole
        };
        whole.mul_f64(0.5 + 0.5 * random())
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between 0 and 1. The standard library's random keys are random enough for this.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0u8) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_five_seconds_with_jitter_and_starts_again() {
        let mut backoff = Backoff::default();
        let wholes = [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0];
        for whole in wholes {
            let waited = backoff.next(false).as_secs_f64();
            assert!((whole / 2.0..=whole).contains(&waited), "{whole}: {waited}");
        }
        assert!(backoff.next(true) <= LONGEST_IN_A_HURRY);
        backoff.reset();
        assert!(backoff.next(false) <= FIRST);
        let several: Vec<f64> = (0..10).map(|_| random()).collect();
        assert!(several.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_a_receiver_asks_for_is_kept_to_within_reason() {
        for (asked, waited) in [
            (Duration::ZERO, LEAST_ASKED),
            (Duration::from_secs(90), Duration::from_secs(90)),
            (Duration::MAX, MOST_ASKED),
        ] {
            assert_eq!(Backoff::default().pause(Some(asked), true), waited);
        }
    }
}
