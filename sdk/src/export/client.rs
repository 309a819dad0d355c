//! The one HTTP client, for OTLP over HTTP and gRPC and for Sentry: hyper with rustls on
//! ring, so that a service links one TLS stack and one provider.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::rt::Executor;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinSet;

use super::connector::{Connector, connector};
use super::destination::Destination;
use crate::settings::{OtlpSettings, Protocol, TlsSettings};

/// Answers are acknowledgements; anything larger is not from a telemetry receiver.
const MAX_ANSWER: usize = 4 << 20;

/// For all addresses of a name together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Pool {
    client: HyperClient<Connector, Full<Bytes>>,
    tasks: Tasks,
}

/// The tasks that drive the connections. One whose peer reads nothing is never done with
/// what it has to write, and would hold the socket and the whole request for as long as the
/// peer likes.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn running(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut running = self.running();
        while running.try_join_next().is_some() {}
        running.spawn(task);
    }
}

/// The connections to one receiver.
pub(crate) struct Client {
    connector: Connector,
    /// Whether the receiver speaks HTTP/2 from the first byte, as gRPC does.
    http2_only: bool,
    pool: Mutex<Pool>,
    timeout: Duration,
    destination: Arc<Destination>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What gRPC says at the end.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code))]
    pub(crate) trailers: HeaderMap,
    /// There was more than [`MAX_ANSWER`]; body and trailers are left out.
    pub(crate) too_long: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the request may have arrived all the same.
    pub(crate) sent: bool,
    /// Whether the connection ended first, as one does that the receiver has just left.
    #[cfg_attr(not(feature = "sentry"), expect(dead_code))]
    pub(crate) cut: bool,
    pub(crate) why: String,
}

impl Client {
    /// The client of an OTLP exporter.
    pub(crate) fn new(
        settings: &OtlpSettings,
        destination: Arc<Destination>,
    ) -> Result<Self, String> {
        let secure = settings.endpoint.scheme() == "https";
        let http2_only = settings.protocol == Protocol::Grpc;
        Self::build(
            secure,
            &settings.tls,
            http2_only,
            settings.timeout,
            destination,
        )
    }

    /// A client that trusts the system's certificates and shows none.
    #[cfg(feature = "sentry")]
    pub(crate) fn plain(
        secure: bool,
        timeout: Duration,
        destination: Arc<Destination>,
    ) -> Result<Self, String> {
        Self::build(secure, &TlsSettings::default(), false, timeout, destination)
    }

    /// `secure` loads certificates, the system's where `tls` names none, which costs
    /// milliseconds at start; plain destinations leave it.
    fn build(
        secure: bool,
        tls: &TlsSettings,
        http2_only: bool,
        timeout: Duration,
        destination: Arc<Destination>,
    ) -> Result<Self, String> {
        let connector = connector(secure, tls, http2_only)?;
        Ok(Self {
            pool: Mutex::new(pool(connector.clone(), http2_only)),
            connector,
            http2_only,
            timeout,
            destination,
        })
    }

    /// Sends and reads the whole answer within the timeout. Must run on the export runtime.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Reply, Failure> {
        let pool = self.pool().clone();
        let exchange = async {
            let response = pool
                .client
                .request(request.map(Full::new))
                .await
                .map_err(|error| Failure {
                    sent: !error.is_connect(),
                    cut: !error.is_connect(),
                    why: root_cause(&error),
                })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER);
            let (body, trailers, too_long) = match body.collect().await {
                Ok(collected) => {
                    let trailers = collected.trailers().cloned().unwrap_or_default();
                    (collected.to_bytes(), trailers, false)
                }
                Err(error) if error.is::<LengthLimitError>() => {
                    (Bytes::new(), HeaderMap::new(), true)
                }
                Err(error) => {
                    return Err(Failure {
                        sent: true,
                        cut: true,
                        why: root_cause(error.as_ref()),
                    });
                }
            };
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body,
                trailers,
                too_long,
            })
        };
        let result = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => {
                // The connection may be dead without knowing it, and HTTP/2 would use it
                // for the next request too.
                let fresh = self::pool(self.connector.clone(), self.http2_only);
                let dead = std::mem::replace(&mut *self.pool(), fresh);
                dead.tasks.running().abort_all();
                Err(Failure {
                    sent: true,
                    cut: false,
                    why: format!("no answer within {:?}", self.timeout),
                })
            }
        };
        if let Err(failure) = &result {
            self.destination.transport_failed(failure.why.clone());
        }
        result
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "grpc")]
fn pool(connector: Connector, http2_only: bool) -> Pool {
    let tasks = Tasks::default();
    let client = HyperClient::builder(tasks.clone())
        .pool_timer(TokioTimer::new())
        .http2_only(http2_only)
        .build(connector);
    Pool { client, tasks }
}

#[cfg(not(feature = "grpc"))]
fn pool(connector: Connector, _http2_only: bool) -> Pool {
    let tasks = Tasks::default();
    let client = HyperClient::builder(tasks.clone())
        .pool_timer(TokioTimer::new())
        .build(connector);
    Pool { client, tasks }
}

/// The innermost error: "connection refused" says more than "client error".
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
