//! In place of the databases where the feature `sqlx` is not built.

use std::time::Duration;

use opentelemetry::metrics::Meter;

use crate::metrics::Registry;

pub(crate) fn describe(_: &Registry) {}

pub(crate) fn observe(_: &Meter) {}

/// Nobody asks anything.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "there is none")]
pub(crate) struct Asked {
    pub(crate) count: u64,
    pub(crate) total: Duration,
}

pub(crate) fn asked() -> Option<Asked> {
    None
}

/// The target of the spans that there are with the feature.
pub(crate) const TARGET: &str = "throughline::database";
