//! What counts as slow or as too much, and as long as telemetry runs, for layers and wrappers
//! that are made anywhere in a service.

use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use super::env::Env;

/// The limits that a piece of work is measured by. `None` is no limit: nothing is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkSettings {
    /// `THROUGHLINE_SLOW_REQUEST_MS`: from where on a request has a `request.slow` record.
    pub(crate) slow_request: Option<Duration>,
    /// `THROUGHLINE_SLOW_QUERY_MS`: from where on a query has a `query.slow` record.
    pub(crate) slow_query: Option<Duration>,
    /// `THROUGHLINE_SLOW_OPERATION_MS`: from where on an operation or a job has an
    /// `operation.slow` record.
    pub(crate) slow_operation: Option<Duration>,
    /// `THROUGHLINE_QUERY_COUNT_WARN`: more queries in one request are a `query.storm`.
    pub(crate) query_count: Option<u32>,
    /// `THROUGHLINE_QUERY_TIME_WARN_MS`: more time in one request's queries is a
    /// `query.storm`.
    pub(crate) query_time: Option<Duration>,
}

impl WorkSettings {
    pub(super) fn read(env: &Env<'_>) -> Self {
        let count = env.count(&["THROUGHLINE_QUERY_COUNT_WARN"], 50, 0);
        Self {
            slow_request: millis(env, "THROUGHLINE_SLOW_REQUEST_MS", 1_000),
            slow_query: millis(env, "THROUGHLINE_SLOW_QUERY_MS", 100),
            slow_operation: millis(env, "THROUGHLINE_SLOW_OPERATION_MS", 1_000),
            query_count: u32::try_from(count).ok().filter(|count| *count > 0),
            query_time: millis(env, "THROUGHLINE_QUERY_TIME_WARN_MS", 500),
        }
    }
}

/// `0` is no limit.
fn millis(env: &Env<'_>, variable: &str, default: u64) -> Option<Duration> {
    let limit = env.millis(variable, Duration::from_millis(default));
    (!limit.is_zero()).then_some(limit)
}

static IN_FORCE: OnceLock<WorkSettings> = OnceLock::new();

/// From now on [`in_force`] gives these. Telemetry starts once in a process, so the first
/// are the only ones.
pub(crate) fn put_in_force(settings: WorkSettings) {
    let _ = IN_FORCE.set(settings);
}

/// The running telemetry's limits; before it runs, the defaults.
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "for requests"))]
pub(crate) fn in_force() -> &'static WorkSettings {
    static DEFAULTS: LazyLock<WorkSettings> =
        LazyLock::new(|| WorkSettings::read(&Env::new(&|_| None)));
    IN_FORCE.get().unwrap_or(&DEFAULTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_none() {
        let lookup = |name: &str| match name {
            "THROUGHLINE_SLOW_QUERY_MS" | "THROUGHLINE_QUERY_COUNT_WARN" => Some("0".to_owned()),
            "THROUGHLINE_SLOW_REQUEST_MS" => Some("250".to_owned()),
            _ => None,
        };
        let settings = WorkSettings::read(&Env::new(&lookup));
        assert_eq!(settings.slow_query, None);
        assert_eq!(settings.query_count, None);
        assert_eq!(settings.slow_request, Some(Duration::from_millis(250)));
        assert_eq!(settings.query_time, Some(Duration::from_millis(500)));
    }
}
