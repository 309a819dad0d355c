//! Where requests go: as bytes to a [`RawSink`], decoded to a [`Sink`].

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::request::{ExportRequest, RawRequest};

/// What [`RawSink::receive`] returns.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Takes every request as bytes. The client gets its answer when the future resolves, so a
/// sink that resolves it after its commit acknowledges only what it has kept.
///
/// The future is dropped if the client goes away before it resolves.
///
/// ```
/// use throughline_receiver::{
///     Accepted, Addresses, BoxFuture, Options, RawRequest, RawSink, Rejection, Server,
/// };
///
/// struct Count(std::sync::atomic::AtomicUsize);
///
/// impl RawSink for Count {
///     fn receive(&self, request: RawRequest) -> BoxFuture<Result<Accepted, Rejection>> {
///         self.0.fetch_add(request.body.len(), std::sync::atomic::Ordering::Relaxed);
///         Box::pin(async { Ok(Accepted::default()) })
///     }
/// }
///
/// let server = Server::start_raw(Addresses::default(), Count(0.into()), Options::default())?;
/// assert!(server.http_endpoint().starts_with("http://127.0.0.1:"));
/// # Ok::<_, throughline_receiver::StartError>(())
/// ```
pub trait RawSink: Send + Sync + 'static {
    /// Takes the request, or says what the client is to be told instead of success.
    fn receive(&self, request: RawRequest) -> BoxFuture<Result<Accepted, Rejection>>;
}

/// A request was taken, in whole by default: OTLP's partial success.
///
/// <https://opentelemetry.io/docs/specs/otlp/#partial-success>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The number of spans, data points or log records that were not taken.
    pub rejected: i64,
    /// Why they were not, or a warning where none was refused. Empty for neither.
    pub message: String,
}

/// Takes every decoded request. The client gets its answer after `receive` returns.
///
/// Called on the receiver's own thread: hand long work to another one.
///
/// ```
/// use std::sync::mpsc;
/// use throughline_receiver::{Addresses, ExportRequest, Server, Signal};
///
/// // A closure is a sink, and so is a channel's sender inside one.
/// let (sender, requests) = mpsc::channel::<Signal>();
/// let server = Server::start(Addresses::default(), move |request: ExportRequest| {
///     sender.send(request.info.signal).ok();
///     Ok(())
/// })?;
/// assert!(server.grpc_endpoint().starts_with("http://127.0.0.1:"));
/// # assert!(requests.try_recv().is_err());
/// # Ok::<_, throughline_receiver::StartError>(())
/// ```
pub trait Sink: Send + Sync + 'static {
    /// Takes the request, or says what the client is to be told instead of success.
    fn receive(&self, request: ExportRequest) -> Result<(), Rejection>;
}

impl<F> Sink for F
where
    F: Fn(ExportRequest) -> Result<(), Rejection> + Send + Sync + 'static,
{
    fn receive(&self, request: ExportRequest) -> Result<(), Rejection> {
        self(request)
    }
}

/// Decodes for a [`Sink`].
pub(crate) struct Decoding<S>(pub(crate) S);

impl<S: Sink> RawSink for Decoding<S> {
    fn receive(&self, request: RawRequest) -> BoxFuture<Result<Accepted, Rejection>> {
        let taken = request
            .decode()
            .map_err(|error| {
                Rejection::Invalid(format!(
                    "body is not the expected protobuf message: {error}"
                ))
            })
            .and_then(|request| self.0.receive(request))
            .map(|()| Accepted::default());
        Box::pin(std::future::ready(taken))
    }
}

/// Why a request was not taken, in the kinds that OTLP tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The client should try again: gRPC `UNAVAILABLE`, HTTP 503.
    Unavailable {
        message: String,
        /// How long it should wait first: gRPC's `RetryInfo`, HTTP's `Retry-After`, which
        /// counts whole seconds and is rounded up.
        retry_after: Option<Duration>,
    },
    /// The client should give the data up: gRPC `INVALID_ARGUMENT`, HTTP 400.
    Invalid(String),
    /// The client should give the data up, since there is too much of it in one request:
    /// gRPC `RESOURCE_EXHAUSTED` without a `RetryInfo`, HTTP 413.
    TooLarge(String),
}

impl Rejection {
    /// [`Unavailable`](Self::Unavailable) without a word on when to try again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            message: message.into(),
            retry_after: None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { message, .. }
            | Self::Invalid(message)
            | Self::TooLarge(message) => f.write_str(message),
        }
    }
}
