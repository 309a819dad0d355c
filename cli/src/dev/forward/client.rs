//! The client that passes on: plain, or by TLS with the system's authorities.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;
use url::Url;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Of an answer, so much is read: it says little, and a broken one may not end.
const ANSWER: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub(super) struct Client {
    inner: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// `secure` where some address is `https`.
    pub(super) fn new(secure: bool) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        if secure {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                bail!(
                    "the system has no certificates to check the other side with: install ca-certificates, or name a file by SSL_CERT_FILE"
                );
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set TLS up")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            inner: HyperClient::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// Sends a body, and gives the status and the beginning of the answer.
    pub(super) async fn post(
        &self,
        url: &Url,
        kind: &'static str,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::post(url.as_str())
            .header(CONTENT_TYPE, HeaderValue::from_static(kind))
            .body(Full::new(Bytes::from(body)))?;
        request.headers_mut().extend(
            headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let exchange = async {
            let answer = self.inner.request(request).await?;
            let status = answer.status();
            // What is longer is not looked at.
            let body = Limited::new(answer.into_body(), ANSWER).collect().await;
            Ok::<_, anyhow::Error>((status, body.map(Collected::to_bytes).unwrap_or_default()))
        };
        timeout(TIMEOUT, exchange)
            .await
            .with_context(|| format!("no answer within {TIMEOUT:?}"))?
    }
}
