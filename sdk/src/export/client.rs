//! The one HTTP client, for OTLP over HTTP and gRPC and for Sentry: hyper with rustls on
//! ring, so that a service links one TLS stack and one provider.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::destination::Destination;
use crate::settings::{OtlpSettings, Pem, Protocol, TlsSettings, client_config};

/// Answers are acknowledgements; anything larger is not from a telemetry receiver.
const MAX_ANSWER: usize = 4 << 20;

type Pool = HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The connections to one receiver.
pub(crate) struct Client {
    connector: HttpsConnector<HttpConnector>,
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
    pub(crate) trailers: HeaderMap,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the request may have arrived all the same.
    pub(crate) sent: bool,
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
        let roots = if secure {
            roots(tls)?
        } else {
            RootCertStore::empty()
        };
        let config = client_config()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match &tls.identity {
            Some((chain, key)) if secure => config
                .with_client_auth_cert(certificates(chain)?, private_key(key)?)
                .map_err(|error| error.to_string())?,
            _ => config.with_no_client_auth(),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http();
        let connector = if http2_only {
            connector.enable_http2().build()
        } else {
            connector.enable_all_versions().build()
        };
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
                .request(request.map(Full::new))
                .await
                .map_err(|error| Failure {
                    sent: !error.is_connect(),
                    why: root_cause(&error),
                })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER);
            let collected = body.collect().await.map_err(|error| Failure {
                sent: true,
                why: root_cause(error.as_ref()),
            })?;
            let trailers = collected.trailers().cloned().unwrap_or_default();
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body: collected.to_bytes(),
                trailers,
            })
        };
        let result = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => {
                // The connection may be dead without knowing it, and HTTP/2 would use it
                // for the next request too.
                *self.pool() = self::pool(self.connector.clone(), self.http2_only);
                Err(Failure {
                    sent: true,
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

fn pool(connector: HttpsConnector<HttpConnector>, http2_only: bool) -> Pool {
    HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http2_only)
        .build(connector)
}

fn roots(tls: &TlsSettings) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match &tls.authorities {
        Some(pem) => {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("the system has no certificates to check the receiver with".to_owned());
    }
    Ok(roots)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.bytes()).map_err(|error| error.to_string())
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
