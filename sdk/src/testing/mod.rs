//! What the code under test emitted: for the tests of services.
//!
//! It is there with the feature `testing`, which belongs in `[dev-dependencies]`:
//!
//! ```toml
//! throughline = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use throughline::testing::Capture;
//!
//! fn place_order(id: u64) {
//!     let span = tracing::info_span!("place order", order.id = id);
//!     let _entered = span.enter();
//!     tracing::info!(name: "order.placed", { order.id = id }, "placed");
//!     metrics::counter!("orders.placed").increment(1);
//! }
//!
//! let capture = Capture::start();
//! place_order(7);
//!
//! assert_eq!(capture.spans()[0].attribute("order.id"), Some("7"));
//! let log = &capture.logs()[0];
//! assert_eq!((log.event_name, log.message.as_str()), (Some("order.placed"), "placed"));
//! assert_eq!(log.trace_id, Some(capture.spans()[0].trace_id.clone()));
//! assert_eq!(capture.counter("orders.placed", &[]), Some(1));
//! assert!(capture.errors().is_empty());
//! ```
//!
//! # Tests in parallel
//! Each capture sees what its own test emitted, though all tests of a binary share one
//! process: the capture lies in the OpenTelemetry context, which a span carries into every
//! task that is given the span (`.instrument(..)`), on any runtime. Work on the test's own
//! thread needs no span. What runs elsewhere without one, such as a bare `tokio::spawn` on
//! a multi-thread runtime, cannot be told apart: it is in no capture, and counted in
//! [`Capture::unattributed`].
//!
//! A metric handle that the code keeps (in a `static`, say) belongs to the capture in which
//! it was made.
//!
//! # Beside `init`
//! There is one telemetry in a process: a binary whose tests use `Capture` must not call
//! [`init`](crate::init) as well, which then answers
//! [`InitError::AlreadyInitialized`](crate::InitError::AlreadyInitialized).

mod install;
mod metrics;
mod recorded;
mod snapshot;
mod store;

pub use recorded::{CapturedError, CapturedLog, CapturedSpan};

use std::marker::PhantomData;
use std::sync::Arc;

use opentelemetry::{Context, ContextGuard};
pub(crate) use store::CaptureSink;
use store::{Store, leave_thread, on_thread, unattributed};

/// Collects what is emitted from its start to its drop, by the thread that started it and
/// by every task that carries one of its spans.
#[must_use = "nothing is captured after the capture is dropped"]
pub struct Capture {
    store: Arc<Store>,
    _attached: ContextGuard,
    /// Attached to one thread, so it must end there.
    _not_send: PhantomData<*const ()>,
}

impl Capture {
    /// Starts to capture. The first call sets up the process's telemetry: all events that
    /// `RUST_LOG` keeps (default `trace`) and all spans; nothing is sent or printed.
    ///
    /// # Panics
    /// If the process already has telemetry by other means, such as
    /// [`init`](crate::init): nothing could be captured then.
    pub fn start() -> Self {
        install::once();
        let store = Arc::new(Store::default());
        on_thread(&store);
        let attached = Context::current_with_value(Arc::clone(&store)).attach();
        Self {
            store,
            _attached: attached,
            _not_send: PhantomData,
        }
    }

    /// The spans that have ended, in the order of their end.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.store.spans()
    }

    /// The log records, in order.
    pub fn logs(&self) -> Vec<CapturedLog> {
        self.store.logs()
    }

    /// What would have gone to Sentry: ERROR records and panics.
    pub fn errors(&self) -> Vec<CapturedError> {
        self.store
            .logs()
            .iter()
            .filter_map(CapturedError::of)
            .collect()
    }

    /// A counter's value, by its name and all of its labels in any order.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.store.metrics.counter(name, labels)
    }

    /// A gauge's value.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.store.metrics.gauge(name, labels)
    }

    /// The values that a histogram was given, in order.
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Vec<f64>> {
        self.store.metrics.histogram(name, labels)
    }

    /// Everything as text for a snapshot: traces as trees, with their records; then records
    /// outside of any trace; then metrics. Ids and times are left out, and what may come in
    /// any order is sorted.
    pub fn snapshot(&self) -> String {
        snapshot::text(&self.spans(), &self.logs(), &self.store.metrics)
    }

    /// Spans and records of the whole process that belonged to no capture.
    pub fn unattributed() -> u64 {
        unattributed()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        leave_thread(&self.store);
    }
}
