//! OTLP in its binary form, written straight into the bytes that are sent.
//!
//! Held in memory as the SDK's own types, a minute's spans of a busy service take 69 MB; as
//! bytes they take less than half, and compressed a tenth. `tests` compares what is written
//! with what `opentelemetry-proto` makes of the same span.

mod attribute;
mod log;
mod request;
mod span;
#[cfg(test)]
mod tests;
mod wire;

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_sdk::trace::SpanData;

pub(crate) use attribute::Scalar;
pub(crate) use log::LogWriter;
pub(crate) use request::{Envelope, Items, halves};

pub(crate) fn encode_span(span: &SpanData, out: &mut Vec<u8>) {
    span::span(out, span);
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
