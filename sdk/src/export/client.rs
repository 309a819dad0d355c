//! The one HTTP client, for OTLP over HTTP and for Sentry: hyper with rustls on ring, as
//! gRPC has it, so that a service links one TLS stack and one provider.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};

use super::connector::{Connector, connector};
use super::destination::Destination;
use crate::settings::TlsSettings;

/// Answers are acknowledgements; anything larger is not from a telemetry receiver.
const MAX_ANSWER: usize = 4 << 20;

#[derive(Clone)]
pub(crate) struct Client {
    inner: HyperClient<Connector, Full<Bytes>>,
    timeout: Duration,
    destination: Arc<Destination>,
}

impl Client {
    /// A client that trusts the system's certificates and shows none.
    #[cfg(feature = "sentry")]
    pub(crate) fn new(
        secure: bool,
        timeout: Duration,
        destination: Arc<Destination>,
    ) -> Result<Self, String> {
        Self::with_tls(secure, &TlsSettings::default(), timeout, destination)
    }

    /// `secure` loads certificates, the system's where `tls` names none, which costs
    /// milliseconds at start; plain destinations leave it.
    pub(crate) fn with_tls(
        secure: bool,
        tls: &TlsSettings,
        timeout: Duration,
        destination: Arc<Destination>,
    ) -> Result<Self, String> {
        Ok(Self {
            inner: HyperClient::builder(TokioExecutor::new()).build(connector(secure, tls)?),
            timeout,
            destination,
        })
    }

    /// Sends and reads the whole answer within the timeout. Must run on the export runtime.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let response = self.inner.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        let result = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {:?}", self.timeout).into()),
        };
        if let Err(error) = &result {
            self.destination
                .transport_failed(root_cause(error.as_ref()));
        }
        result
    }
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

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.send(request).await
    }
}
