//! Certificates and keys of the OTLP exporter, read and checked before anything starts: a
//! typing error in a path is an error of `init`, not an outage an hour later.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::env::Env;
use super::otlp::Names;
use super::setting::Source;
use crate::InitError;

/// Whom to trust and who to be, for one signal.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    /// The only authorities that are trusted, as PEM; `None` means the system's.
    pub(crate) authorities: Option<Pem>,
    /// The certificate chain and the key that are shown to the receiver, as PEM.
    pub(crate) identity: Option<(Pem, Pem)>,
}

/// A file's text. Never printed, as it can be a key.
#[derive(Clone)]
pub(crate) struct Pem(Vec<u8>);

impl Pem {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

const CERTIFICATES: &str = "a file of certificates in PEM, -----BEGIN CERTIFICATE-----";
const KEY: &str = "a file with an unencrypted private key in PEM, -----BEGIN PRIVATE KEY-----";

/// A variable that names a file, with the file's text.
struct File {
    variable: String,
    path: PathBuf,
    text: Vec<u8>,
}

impl File {
    fn read(
        env: &Env<'_>,
        names: &Names,
        suffix: &str,
        expected: &'static str,
    ) -> Result<Option<Self>, InitError> {
        let variables = names.of(suffix);
        let Some((variable, path)) = variables.first_set(env) else {
            return Ok(None);
        };
        env.decide(&variables.own, &path, Source::Variable(variable.clone()));
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(Self {
                variable,
                path: path.into(),
                text,
            })),
            Err(error) => Err(InitError::InvalidVariable {
                variable,
                reason: format!("{path:?} cannot be read: {error}"),
                expected,
            }),
        }
    }

    fn invalid(&self, reason: impl fmt::Display, expected: &'static str) -> InitError {
        InitError::InvalidVariable {
            variable: self.variable.clone(),
            reason: format!("{:?} {reason}", self.path),
            expected,
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, InitError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|error| self.invalid(format!("is not PEM: {error}"), CERTIFICATES))?;
        if certificates.is_empty() {
            return Err(self.invalid("holds no certificate", CERTIFICATES));
        }
        Ok(certificates)
    }
}

impl TlsSettings {
    pub(super) fn read(env: &Env<'_>, names: &Names) -> Result<Self, InitError> {
        let authorities = File::read(env, names, "CERTIFICATE", CERTIFICATES)?;
        if let Some(file) = &authorities {
            let mut roots = RootCertStore::empty();
            for certificate in file.certificates()? {
                roots
                    .add(certificate)
                    .map_err(|error| file.invalid(error, CERTIFICATES))?;
            }
        }
        let certificate = File::read(env, names, "CLIENT_CERTIFICATE", CERTIFICATES)?;
        let key = File::read(env, names, "CLIENT_KEY", KEY)?;
        let identity = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                check_identity(&certificate, &key)?;
                Some((Pem(certificate.text), Pem(key.text)))
            }
            (Some(alone), None) => {
                return Err(alone.invalid("has no key beside it", "CLIENT_KEY to be set as well"));
            }
            (None, Some(alone)) => {
                return Err(alone.invalid(
                    "has no certificate beside it",
                    "CLIENT_CERTIFICATE to be set as well",
                ));
            }
        };
        Ok(Self {
            authorities: authorities.map(|file| Pem(file.text)),
            identity,
        })
    }

    pub(super) fn is_set(&self) -> bool {
        self.authorities.is_some() || self.identity.is_some()
    }
}

/// Finds what is no key, and a key that is another certificate's.
fn check_identity(certificate: &File, key: &File) -> Result<(), InitError> {
    let chain = certificate.certificates()?;
    let parsed = PrivateKeyDer::from_pem_slice(&key.text)
        .map_err(|error| key.invalid(format!("holds no usable key: {error}"), KEY))?;
    client_config()
        .map_err(|error| key.invalid(error, KEY))?
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, parsed)
        .map(drop)
        .map_err(|error| {
            let expected = "the key of the certificate in CLIENT_CERTIFICATE";
            key.invalid(format!("cannot be used: {error}"), expected)
        })
}

/// The provider is named: a process default belongs to the service, not to a library.
pub(crate) fn client_config() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}
