//! How the one client connects: in plain text, or with rustls on ring.

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::client::CONNECT_TIMEOUT;
use crate::settings::{Pem, TlsSettings, client_config};

pub(super) type Connector = HttpsConnector<HttpConnector>;

pub(super) fn connector(
    secure: bool,
    tls: &TlsSettings,
    http2_only: bool,
) -> Result<Connector, String> {
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
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Of several addresses one may swallow what it is sent; the next should have its turn.
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http();
    Ok(match http2_only {
        #[cfg(feature = "grpc")]
        true => connector.enable_http2().wrap_connector(tcp),
        _ => connector.enable_http1().wrap_connector(tcp),
    })
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
