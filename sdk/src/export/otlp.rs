//! The stock OTLP exporters, set up from our settings and on our runtime.

use std::sync::Arc;

use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};

use opentelemetry_sdk::metrics::Temporality;

use super::client::Client;
use super::destination::Destination;
use super::grpc;
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
                Protocol::Grpc => grpc::build!($builder, settings),
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
