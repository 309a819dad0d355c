//! OTLP over gRPC, by the stock exporters' transport.

use http::HeaderMap;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};

use crate::settings::{OtlpSettings, TlsSettings};

/// The builder's exporter.
macro_rules! build {
    ($builder:expr, $settings:expr) => {
        $crate::export::grpc::configured($builder.with_tonic(), $settings).build()
    };
}
pub(super) use build;

/// Applies the settings to a gRPC builder. Timeouts, headers and endpoint are all given, so
/// that the crate's own look at the environment decides nothing.
pub(super) fn configured<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    settings: &OtlpSettings,
) -> B {
    let headers: HeaderMap = settings.headers.iter().cloned().collect();
    let mut builder = builder
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout)
        .with_metadata(MetadataMap::from_headers(headers));
    if settings.endpoint.scheme() == "https" {
        builder = builder.with_tls_config(client_tls(&settings.tls));
    }
    match settings.compression {
        Some(compression) => builder.with_compression(compression.into()),
        None => builder,
    }
}

/// As the HTTP client has it: the authority that was named is the only one.
fn client_tls(tls: &TlsSettings) -> ClientTlsConfig {
    let config = match &tls.authorities {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem.bytes())),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match &tls.identity {
        Some((chain, key)) => config.identity(Identity::from_pem(chain.bytes(), key.bytes())),
        None => config,
    }
}
