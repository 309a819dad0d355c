//! The stock OTLP exporters, set up from our settings and on our runtime.

use std::sync::Arc;

use http::HeaderMap;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};

use super::client::Client;
use super::destination::Destination;
use super::ledger::Ledger;
use super::observed::Observed;
use super::runtime::ExportRuntime;
use crate::InitError;
use crate::settings::{Compression, OtlpSettings, Protocol};

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
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    match settings.compression {
        Some(compression) => builder.with_compression(compression.into()),
        None => builder,
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
    ($name:ident, $exporter:ty, $builder:expr, $signal:literal) => {
        pub(crate) fn $name(
            settings: &OtlpSettings,
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
                    let client = Client::new(secure, settings.timeout, Arc::clone(&destination))
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
// Without a temporality in code the crate honours
// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, cumulative by default.
exporter!(
    metric_exporter,
    MetricExporter,
    MetricExporter::builder(),
    "metrics"
);
