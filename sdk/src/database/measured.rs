//! The histograms of databases, by the conventions:
//! <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/>.
//!
//! A key is put together once, and the handle that belongs to it is kept from the moment that
//! telemetry runs: before, the facade gives handles that do nothing, and to tests one for
//! each capture.

use std::sync::OnceLock;

use metrics::{Histogram, Key, Label, Level, Metadata};

use super::failure::Failure;
use super::target::Target;
use crate::metrics as facade;

pub(super) const OPERATION_DURATION: &str = "db.client.operation.duration";
pub(super) const WAIT_TIME: &str = "db.client.connection.wait_time";
pub(super) const USE_TIME: &str = "db.client.connection.use_time";
pub(super) const TIMEOUTS: &str = "db.client.connection.timeouts";
pub(super) const POOL_NAME: &str = "db.client.connection.pool.name";

const METADATA: Metadata<'static> = Metadata::new(super::TARGET, Level::INFO, None);

/// One series of a histogram.
#[derive(Debug)]
pub(super) struct Series {
    key: Key,
    handle: OnceLock<Histogram>,
}

impl Series {
    fn new(name: &'static str, labels: Vec<Label>) -> Self {
        Self {
            key: Key::from_parts(name, labels),
            handle: OnceLock::new(),
        }
    }

    /// Of one pool.
    pub(super) fn of_pool(name: &'static str, pool: &str) -> Self {
        Self::new(name, vec![Label::new(POOL_NAME, pool.to_owned())])
    }

    pub(super) fn record(&self, value: std::time::Duration) {
        if let Some(handle) = self.handle.get() {
            handle.record(value);
            return;
        }
        // Asked for first: what was registered before telemetry ran must not be kept.
        let keep = facade::in_force().is_some();
        let handle = register(&self.key);
        handle.record(value);
        if keep {
            let _ = self.handle.set(handle);
        }
    }
}

fn register(key: &Key) -> Histogram {
    metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
}

/// How long a statement takes.
#[derive(Debug)]
pub(super) struct Duration(Series);

impl Duration {
    pub(super) fn new(target: &Target, summary: &str, operation: Option<&'static str>) -> Self {
        let mut labels = vec![Label::new("db.system.name", target.system.clone())];
        let mut add = |name: &'static str, value: Option<String>| {
            labels.extend(value.map(|value| Label::new(name, value)));
        };
        add("db.namespace", target.namespace.clone());
        add("server.address", target.address.clone());
        add("server.port", target.port.map(|port| port.to_string()));
        add("db.operation.name", operation.map(str::to_owned));
        add(
            "db.query.summary",
            (!summary.is_empty()).then(|| summary.to_owned()),
        );
        Self(Series::new(OPERATION_DURATION, labels))
    }

    pub(super) fn record(&self, value: std::time::Duration, failure: Option<&Failure>) {
        let Some(failure) = failure else {
            self.0.record(value);
            return;
        };
        let mut labels: Vec<Label> = self.0.key.labels().cloned().collect();
        labels.push(Label::new("error.type", failure.kind.clone()));
        if let Some(code) = &failure.status_code {
            labels.push(Label::new("db.response.status_code", code.clone()));
        }
        register(&Key::from_parts(OPERATION_DURATION, labels)).record(value);
    }
}

/// Counts a request for a connection that waited in vain.
pub(super) fn count_timeout(pool: &str) {
    metrics::counter!(TIMEOUTS, POOL_NAME => pool.to_owned()).increment(1);
}

/// Units and descriptions, which have to be known before the first use.
pub(crate) fn describe(registry: &facade::Registry) {
    for (name, unit, text) in [
        (
            OPERATION_DURATION,
            "s",
            "Duration of database client operations",
        ),
        (
            WAIT_TIME,
            "s",
            "The time it took to obtain an open connection from the pool",
        ),
        (
            USE_TIME,
            "s",
            "The time between borrowing a connection and returning it to the pool",
        ),
        (
            TIMEOUTS,
            "{timeout}",
            "The number of connection timeouts that have occurred trying to obtain a connection from the pool",
        ),
    ] {
        let description = facade::Description {
            unit: unit.into(),
            text: text.to_owned(),
        };
        registry.describe(name, description);
    }
}
