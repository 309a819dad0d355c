//! In place of the databases where the feature `sqlx` is not built.

use opentelemetry::metrics::Meter;

use crate::metrics::Registry;

pub(crate) fn describe(_: &Registry) {}

pub(crate) fn observe(_: &Meter) {}

/// The target of the spans that there are with the feature.
pub(crate) const TARGET: &str = "throughline::database";
