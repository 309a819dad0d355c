//! The durations of operations and jobs: their units, told before the first use.

use metrics::{Recorder, Unit};

use super::registry::Registry;
use crate::jobs::JOB_DURATION;
use crate::performance::OPERATION_DURATION;

pub(super) fn describe(registry: &Registry) {
    for (name, text) in [
        (OPERATION_DURATION, "How long operations took"),
        (JOB_DURATION, "How long jobs took"),
    ] {
        registry.describe_histogram(name.into(), Some(Unit::Seconds), text.into());
    }
}
