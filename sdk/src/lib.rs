#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
pub mod context;
pub mod conventions;
mod correlation;
#[cfg(feature = "sqlx")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlx")))]
pub mod database;
#[cfg(not(feature = "sqlx"))]
#[path = "database/absent.rs"]
mod database;
mod diagnostics;
mod error;
mod event;
mod export;
mod filter;
mod filter_endpoint;
mod fork;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(feature = "grpc", feature = "http"))]
mod grpc_code;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod health;
#[cfg(not(feature = "health"))]
#[path = "health/absent.rs"]
mod health;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
mod http_server;
pub mod jobs;
mod limits;
mod metrics;
mod network;
mod panic;
pub mod performance;
mod propagation;
mod redaction;
mod resource;
pub mod sampling;
#[cfg_attr(not(feature = "sentry"), path = "sentry/absent.rs")]
mod sentry;
mod settings;
mod shutdown;
mod span_layer;
mod span_values;
mod start;
pub mod streams;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
#[cfg(not(feature = "testing"))]
#[path = "testing/absent.rs"]
mod testing;
mod trusted_parent;
mod typed_error;

pub use builder::Builder;
pub use error::{FilterError, FlushError, InitError};
pub use export::{Delivery, DropReason};
pub use redaction::{Redaction, Redactor};
#[cfg(feature = "sentry")]
#[cfg_attr(docsrs, doc(cfg(feature = "sentry")))]
pub use sentry::SentryIgnore;
pub use settings::{LogFormat, Setting, Source, Support, VARIABLES, Variable};
pub use shutdown::{ShutdownReport, shutdown_signal};
pub use telemetry::Telemetry;
pub use typed_error::{TypedError, error};

/// The crates whose types appear in this API, in the versions that it uses. Two versions of
/// one of them in a program compile, and lose data in silence.
pub mod reexport {
    pub use ::metrics;
    pub use opentelemetry;
    pub use opentelemetry_sdk;
    pub use tracing;
}

/// What the macros expand to.
#[doc(hidden)]
pub mod __macro_support {
    pub use std::option::Option::{None, Some};
    pub use std::{compile_error, stringify};

    pub use tracing;

    pub use crate::streams::level;
}

/// Starts telemetry with everything from the environment.
///
/// `service_name` is what the service calls itself; `OTEL_SERVICE_NAME`, or `service.name`
/// in `OTEL_RESOURCE_ATTRIBUTES`, renames it.
///
/// From then on `tracing` spans are traces, `tracing` events and `log` records are log
/// records with the ids of their trace, and the `metrics` macros are metrics, all sent by
/// OTLP to `OTEL_EXPORTER_OTLP_ENDPOINT` (`http://localhost:4318`); with `SENTRY_DSN` set,
/// ERROR events and panics also become Sentry events of the same trace. It can be called
/// anywhere: in a plain `main`, in or before a runtime of any flavour.
///
/// # Errors
/// [`InitError`] names the variable or setting at fault and what was expected. Nothing has
/// been started then, and the service may go on without.
///
/// ```no_run
/// #[tokio::main]
/// async fn main() -> Result<(), throughline::InitError> {
///     let telemetry = throughline::init("checkout")?;
///     tracing::info!(order.id = 7, "order placed");
///     metrics::counter!("orders.placed").increment(1);
///     telemetry.shutdown_async().await;
///     Ok(())
/// }
/// ```
pub fn init(service_name: impl Into<String>) -> Result<Telemetry, InitError> {
    builder(service_name).init()
}

/// [`init`] with settings in code.
///
/// ```no_run
/// # fn main() -> Result<(), throughline::InitError> {
/// let telemetry = throughline::builder("checkout")
///     .version(env!("CARGO_PKG_VERSION"))
///     .environment("staging")
///     .log_format(throughline::LogFormat::Json)
///     .filter("info,checkout=debug")
///     .redact(throughline::Redaction::default().key("iban"))
///     .init()?;
/// # Ok(())
/// # }
/// ```
pub fn builder(service_name: impl Into<String>) -> Builder {
    Builder::new(service_name.into())
}
