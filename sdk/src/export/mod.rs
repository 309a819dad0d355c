//! From the SDK's processors to the receivers: the runtime that sends, the exporters, and
//! the books that say what became of every item.

mod client;
#[cfg_attr(not(feature = "tls"), path = "connector/absent.rs")]
mod connector;
mod console;
mod destination;
#[cfg_attr(not(feature = "grpc"), path = "grpc/absent.rs")]
mod grpc;
mod ledger;
mod observed;
mod otlp;
mod prepared;
mod runtime;

#[cfg(feature = "sentry")]
pub(crate) use client::Client;
pub(crate) use console::{ConsoleMetrics, ConsoleProcessor, ConsoleSpans};
pub(crate) use destination::Destination;
pub use ledger::{Delivery, DropReason};
pub(crate) use ledger::{Ledger, Ledgers};
pub(crate) use observed::{CountedSpans, stamp};
pub(crate) use otlp::{log_exporter, metric_exporter, span_exporter};
pub(crate) use prepared::Prepared;
pub(crate) use runtime::ExportRuntime;
