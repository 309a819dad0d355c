//! The errors that reach a caller. Each names the variable or the setting at fault and what
//! was expected, and none repeats a value that may hold a credential.

use std::net::SocketAddr;

/// Why [`init`](crate::init) did not start telemetry. The service decides what follows.
///
/// ```
/// let error = throughline::builder("checkout").filter("info,[").init().unwrap_err();
/// assert!(matches!(error, throughline::InitError::InvalidSetting { .. }));
/// assert!(error.to_string().contains("filter"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// An environment variable holds something that cannot be used and that no fallback
    /// could replace without sending data to the wrong place, or hiding it.
    #[error("{variable} is not usable: {reason}; expected {expected}")]
    InvalidVariable {
        /// The variable's name.
        variable: String,
        /// What is wrong with it. Never contains a header's value or a DSN's key.
        reason: String,
        /// What would have been accepted, with an example.
        expected: &'static str,
    },
    /// A value given in code cannot be used.
    #[error("the setting `{setting}` is not usable: {reason}; expected {expected}")]
    InvalidSetting {
        /// The builder method that took the value.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What would have been accepted, with an example.
        expected: &'static str,
    },
    /// Throughline already runs in this process; it is started once, in `main`.
    #[error("throughline is already running in this process; call init once, and keep its handle")]
    AlreadyInitialized,
    /// Another library owns a place that exists once in a process.
    #[error(
        "the process already has a global {what}; remove the other one, or add its layer with `builder(..).layer(..)`"
    )]
    GlobalTaken {
        /// What is taken: the tracing subscriber or the metrics recorder.
        what: &'static str,
    },
    /// The address of the Prometheus endpoint cannot be listened at.
    #[error(
        "cannot listen at {address} for the Prometheus endpoint (OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT): {source}"
    )]
    PrometheusBind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The address of the filter's endpoint cannot be listened at.
    #[error(
        "cannot listen at {address} for the filter's endpoint (THROUGHLINE_FILTER_ADDRESS): {source}"
    )]
    FilterBind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// An OTLP exporter refused its settings.
    #[error("cannot set up the OTLP exporter for {signal}: {reason}")]
    Exporter {
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// What the exporter said.
        reason: String,
    },
    /// The export runtime's thread could not be started.
    #[error("cannot start the export runtime: {0}")]
    Runtime(#[source] std::io::Error),
}

/// Why [`Telemetry::set_filter`](crate::Telemetry::set_filter) left the filter as it was.
#[derive(Debug, thiserror::Error)]
#[error(
    "the filter {directives:?} is not usable: {reason}; expected directives as in RUST_LOG, such as `info,my_crate=debug`"
)]
pub struct FilterError {
    pub(crate) directives: String,
    pub(crate) reason: String,
}

/// Why [`Telemetry::flush`](crate::Telemetry::flush) cannot say that all was delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The time was over before each signal had been flushed.
    #[error("flush did not end within {after:?}; still waiting for {}", .waiting.join(", "))]
    Timeout {
        /// The time that was given.
        after: std::time::Duration,
        /// The signals that had not answered.
        waiting: Vec<&'static str>,
    },
    /// A signal's flush failed.
    #[error("{}", .0.join("; "))]
    Failed(Vec<String>),
}
