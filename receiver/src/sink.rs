//! Where decoded requests go.

use std::fmt;

use crate::request::ExportRequest;

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

/// Why a request was not taken, in the two kinds that OTLP tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The client should try again: gRPC `UNAVAILABLE`, HTTP 503.
    Unavailable(String),
    /// The client should give the data up: gRPC `INVALID_ARGUMENT`, HTTP 400.
    Invalid(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(message) | Self::Invalid(message) => f.write_str(message),
        }
    }
}

impl From<Rejection> for tonic::Status {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unavailable(message) => Self::unavailable(message),
            Rejection::Invalid(message) => Self::invalid_argument(message),
        }
    }
}
