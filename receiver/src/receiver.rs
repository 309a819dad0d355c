//! A server with a store behind it: what tests and viewers start.

use std::time::Duration;

use opentelemetry_proto::tonic::{logs::v1::LogRecord, metrics::v1::Metric, trace::v1::Span};

use crate::{
    contents::Contents,
    received::Received,
    server::{Addresses, Server, StartError},
    store::{Store, WaitTimeout},
};

/// An OTLP server that keeps what it receives. See the [crate's example](crate).
///
/// In a plain `#[test]`:
/// ```
/// use std::time::Duration;
/// use throughline_receiver::Receiver;
///
/// let receiver = Receiver::start()?;
/// let nothing = receiver.blocking_wait_until(Duration::from_millis(10), |received| {
///     received.spans.iter().any(|span| span.name == "checkout")
/// });
/// assert!(nothing.unwrap_err().to_string().contains("0 spans"));
/// # Ok::<_, throughline_receiver::StartError>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    server: Server,
    store: Store,
}

impl Receiver {
    /// Starts on 127.0.0.1, on two free ports. Not `async`, since nothing in it waits.
    ///
    /// # Errors
    /// If no socket or thread is to be had.
    pub fn start() -> Result<Self, StartError> {
        Self::start_on(Addresses::default())
    }

    /// Starts on given addresses.
    ///
    /// # Errors
    /// If one of them is taken.
    pub fn start_on(addresses: Addresses) -> Result<Self, StartError> {
        let store = Store::default();
        let server = Server::start(addresses, store.clone())?;
        Ok(Self { server, store })
    }

    /// See [`Server::grpc_endpoint`].
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        self.server.grpc_endpoint()
    }

    /// See [`Server::http_endpoint`].
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        self.server.http_endpoint()
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.server.addresses()
    }

    /// The store, which outlives the server: clone it before [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A copy of everything that has arrived so far.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.store.contents()
    }

    /// Every span that has arrived so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Received<Span>> {
        self.store.with(|contents| contents.spans.clone())
    }

    /// Every log record that has arrived so far.
    #[must_use]
    pub fn logs(&self) -> Vec<Received<LogRecord>> {
        self.store.with(|contents| contents.logs.clone())
    }

    /// Every metric of every export so far; see [`latest_metrics`](crate::latest_metrics).
    #[must_use]
    pub fn metrics(&self) -> Vec<Received<Metric>> {
        self.store.with(|contents| contents.metrics.clone())
    }

    /// See [`Store::wait_until`].
    ///
    /// # Errors
    /// [`WaitTimeout`] if `condition` is not met within `deadline`.
    pub async fn wait_until(
        &self,
        deadline: Duration,
        condition: impl FnMut(&Contents) -> bool,
    ) -> Result<(), WaitTimeout> {
        self.store.wait_until(deadline, condition).await
    }

    /// [`wait_until`](Self::wait_until) for code that is not async.
    ///
    /// # Errors
    /// [`WaitTimeout`] if `condition` is not met within `deadline`.
    ///
    /// # Panics
    /// Inside of an async runtime, as tokio's own blocking calls do.
    pub fn blocking_wait_until(
        &self,
        deadline: Duration,
        condition: impl FnMut(&Contents) -> bool,
    ) -> Result<(), WaitTimeout> {
        self.server
            .handle()
            .block_on(self.store.wait_until(deadline, condition))
    }

    /// Stops listening and lets requests that are under way finish. Dropping the receiver
    /// stops it as well, without waiting.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
