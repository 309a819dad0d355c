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
mod logs;
mod metrics;
mod otlp;
mod packing;
mod pipeline;
mod prepared;
mod queue;
mod runtime;
mod sender;
mod spans;
mod transport;

#[cfg(feature = "sentry")]
pub(crate) use client::{Client, Reply};
pub(crate) use console::{ConsoleMetrics, ConsoleProcessor, ConsoleSpans};
pub(crate) use destination::Destination;
#[cfg(feature = "health")]
pub(crate) use destination::Reach;
pub(crate) use encode::{LogWriter, Scalar};
pub(crate) use ending::Ending;
pub use ledger::{Delivery, DropReason};
pub(crate) use ledger::{Ledger, Ledgers};
pub(crate) use logs::{LogPipeline, LogStage};
pub(crate) use otlp::{Outlet, Waiting};
pub(crate) use prepared::Prepared;
pub(crate) use runtime::ExportRuntime;
pub(crate) use spans::{SpanPipeline, SpanStage, stamp};
