//! From the service's threads to the receivers: what is staged, encoded, sealed and sent,
//! and the books that say what became of every item.

mod answer;
mod backoff;
mod client;
#[cfg_attr(not(feature = "tls"), path = "connector/absent.rs")]
mod connector;
mod console;
mod destination;
mod encode;
mod ending;
mod inlet;
mod ledger;
mod metrics;
mod otlp;
mod packing;
mod pipeline;
mod prepared;
mod queue;
mod runtime;
mod sender;
mod spans;
mod stage;
mod transport;

#[cfg(feature = "sentry")]
pub(crate) use client::{Client, Reply};
pub(crate) use console::{ConsoleMetrics, ConsoleProcessor, ConsoleSpans};
#[cfg(feature = "sentry")]
pub(crate) use destination::Destination;
pub(crate) use encode::{LogWriter, Scalar};
pub(crate) use ending::Ending;
pub use ledger::{Delivery, DropReason};
pub(crate) use ledger::{Ledger, Ledgers};
pub(crate) use otlp::{Outlet, Waiting};
pub(crate) use pipeline::Pipeline;
pub(crate) use prepared::Prepared;
pub(crate) use runtime::ExportRuntime;
pub(crate) use spans::{Readiness, SpanStage, stamp};
pub(crate) use stage::Stage;
pub(crate) use transport::Signal;
