//! What Sentry's SDKs send, so that a service that reports there can be looked at here too.
//!
//! A body is an envelope (`POST /api/{project}/envelope/`, and Spotlight's `POST /stream`),
//! read by [`parse_envelope`], or one event (`POST /api/{project}/store/`), read by
//! [`parse_store`]. Both take the body as it is after `Content-Encoding` (gzip, deflate, br,
//! zstd) was undone, which the web layer does, and bounds. [`answer`] has what to say back.
//!
//! Whatever an SDK of any age or make says is taken: a field of an unexpected shape is left
//! out, never the event. What is kept is bounded by [`Limits`], whatever was sent.
//!
//! The formats are those of <https://develop.sentry.dev/sdk/foundations/envelopes/> and
//! <https://develop.sentry.dev/sdk/foundations/envelopes/event-payloads/>.

pub(crate) mod answer;
mod check_in;
mod client_report;
mod envelope;
mod event;
mod json;
mod time;

pub(crate) use check_in::CheckIn;
pub(crate) use client_report::ClientReport;
pub(crate) use envelope::{Envelope, EnvelopeError, SdkInfo, parse_envelope, parse_store};
pub(crate) use event::{Breadcrumb, Event, Exception, Frame, Level, User, keep_ends};
pub(crate) use json::start;

/// What is kept of what somebody sent.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes of a body. Sentry takes 200 MiB, for its attachments.
    pub(crate) body_bytes: usize,
    /// Items of an envelope.
    pub(crate) items: usize,
    /// Bytes of one text; what is longer ends with [`CUT`].
    pub(crate) text_bytes: usize,
    /// Nested lists and objects; what lies deeper is left out.
    pub(crate) depth: usize,
    /// Entries of a list or an object. Of a list that is longer the first and the last stay.
    pub(crate) entries: usize,
    /// Values of one payload, all together.
    pub(crate) values: usize,
    /// Of an event, the newest.
    pub(crate) breadcrumbs: usize,
    /// Of one stack, the outermost and the innermost.
    pub(crate) frames: usize,
    /// Exceptions of an event's chain, the outermost.
    pub(crate) exceptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * 1024 * 1024,
            items: 1_000,
            text_bytes: 16 * 1024,
            depth: 32,
            entries: 1_000,
            values: 200_000,
            breadcrumbs: 100,
            frames: 250,
            exceptions: 50,
        }
    }
}

/// Stands where a text was cut.
pub(crate) const CUT: &str = "… (cut)";

#[cfg(test)]
mod tests;
