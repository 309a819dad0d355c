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
pub(crate) use destination::Destination;
#[cfg(feature = "health")]
pub(crate) use destination::Reach;
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

/// What receivers say, by either protocol, and a request of theirs in halves.
#[cfg(fuzzing)]
pub(crate) fn fuzz_answers(
    status: http::StatusCode,
    headers: &http::HeaderMap,
    code: u32,
    details: &[u8],
    body: &[u8],
) {
    let answers = [
        answer::http(status, headers, body),
        #[cfg(feature = "grpc")]
        answer::grpc::answer(code, &String::from_utf8_lossy(details), details, body),
    ];
    let _ = code;
    for answer in answers {
        // What an operator is told of is short, whatever a receiver sends.
        if let answer::Answer::Refused { why } = answer {
            assert!(why.len() < 100_000 + details.len() + body.len());
        }
    }
    for items in [1, 2, 7] {
        if let Some([(_, first), (_, second)]) = encode::halves(body, items) {
            assert_eq!(first + second, items);
        }
    }
}
