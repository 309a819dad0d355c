//! The stock OTLP exporters, set up from our settings and on our runtime.

use std::sync::Arc;

use http::HeaderMap;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};

use opentelemetry_sdk::metrics::Temporality;

use super::client::Client;
use super::destination::Destination;
use super::ledger::Ledger;
use super::observed::Observed;
use super::runtime::ExportRuntime;
use crate::InitError;
use crate::settings::{Compression, OtlpSettings, Protocol, TlsSettings};

impl From<Compression> for opentelemetry_otlp::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Gzip => Self::Gzip,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// Applies the settings to a gRPC builder. Timeouts, headers and endpoint are all given, so
/// that the crate's own look at the environment decides nothing.
fn grpc<B: WithExportConfig + WithTonicConfig>(builder: B, settings: &OtlpSettings) -> B {
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

fn http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    settings: &OtlpSettings,
    client: Client,
) -> B {
    let headers = settings
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let builder = builder
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_headers(headers)
        .with_http_client(client);
    match settings.compression {
        Some(compression) => builder.with_compression(compression.into()),
        None => builder,
    }
}

macro_rules! exporter {
    ($name:ident, $exporter:ty, $builder:expr, $signal:literal $(, $argument:ident: $type:ty)?) => {
        pub(crate) fn $name(
            settings: &OtlpSettings,
            $($argument: $type,)?
            runtime: &ExportRuntime,
            destination: Arc<Destination>,
            ledger: Arc<Ledger>,
        ) -> Result<Observed<$exporter>, InitError> {
            let failed = |reason| InitError::Exporter {
                signal: $signal,
                reason,
            };
            // Tonic builds its channel on the runtime that is current, and panics without.
            let _entered = runtime.handle().enter();
            let built: Result<_, ExporterBuildError> = match settings.protocol {
                Protocol::Grpc => grpc($builder.with_tonic(), settings).build(),
                Protocol::HttpProtobuf => {
                    let secure = settings.endpoint.scheme() == "https";
                    let told = Arc::clone(&destination);
                    let client = Client::with_tls(secure, &settings.tls, settings.timeout, told)
                        .map_err(failed)?;
                    http($builder.with_http(), settings, client).build()
                }
            };
            Ok(Observed {
                inner: built.map_err(|error| failed(error.to_string()))?,
                runtime: runtime.handle().clone(),
                ledger,
                destination,
            })
        }
    };
}

exporter!(
    span_exporter,
    SpanExporter,
    SpanExporter::builder(),
    "traces"
);
exporter!(log_exporter, LogExporter, LogExporter::builder(), "logs");
exporter!(
    metric_exporter,
    MetricExporter,
    MetricExporter::builder().with_temporality(temporality),
    "metrics",
    temporality: Temporality
);
