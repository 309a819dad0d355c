//! The `metrics` facade on OpenTelemetry's instruments, read by the OTLP exporter and by
//! the Prometheus endpoint.
//!
//! Both are readers of one provider, so that their counts, sums and buckets agree by
//! construction; the registry in front caps the series for both.

mod bounds;
mod catalogue;
mod events;
mod export;
mod options;
mod process;
mod prometheus;
mod reader;
mod registry;
mod series;
mod suppressed;
mod table;
mod tokio;
mod unit;
mod view;
mod work;

use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

#[cfg(any(feature = "health", feature = "http", feature = "sqlx"))]
pub(crate) use catalogue::Description;
pub(crate) use events::EventCounter;
pub(crate) use options::MetricOptions;
#[cfg(fuzzing)]
pub(crate) use prometheus::is_protobuf_preferred;
pub(crate) use prometheus::{bind, serve};
pub(crate) use reader::Scraper;
pub(crate) use registry::Registry;
pub(crate) use suppressed::SuppressedEvents;
pub(crate) use unit::ucum;

use crate::InitError;
use crate::database;
use crate::export::{Ledgers, Waiting};
use crate::redaction::Redactor;
use crate::settings::ReaderSettings;
use bounds::Bounds;

/// The instrumentation scope of all that comes through the facade, and of what is read of
/// the process and its runtime.
const SCOPE: &str = "throughline.metrics";

static IN_FORCE: OnceLock<Arc<Registry>> = OnceLock::new();

/// From now on [`in_force`] gives this one. Telemetry starts once in a process, so the first
/// is the only one.
pub(crate) fn put_in_force(registry: &Arc<Registry>) {
    let _ = IN_FORCE.set(Arc::clone(registry));
}

/// The running telemetry's registry, whose handles may be kept as long as the process runs.
/// Before it runs a handle would lead nowhere for good, and a test's would lead to the test
/// that made it.
#[cfg(any(feature = "http", feature = "sqlx"))]
pub(crate) fn in_force() -> Option<&'static Registry> {
    IN_FORCE.get().map(Arc::as_ref)
}

/// Metrics that run.
pub(crate) struct Metrics {
    /// `None` where nobody reads.
    pub(crate) provider: Option<SdkMeterProvider>,
    /// The recorder behind the macros.
    pub(crate) registry: Arc<Registry>,
    /// What the Prometheus endpoint reads, where one was asked for.
    pub(crate) scraper: Option<Scraper>,
}

impl Metrics {
    pub(crate) fn start<E: PushMetricExporter, C: PushMetricExporter>(
        options: MetricOptions,
        settings: ReaderSettings,
        resource: &Resource,
        exporter: Option<E>,
        console: Option<C>,
        prometheus: bool,
        redactor: &Arc<Redactor>,
    ) -> Result<Self, InitError> {
        let bounds = Bounds::new(options.buckets).map_err(|reason| InitError::InvalidSetting {
            setting: "histogram_buckets",
            reason,
            expected: "at least one bound, all finite and each above the one before, such as [0.1, 0.5, 1.0]",
        })?;
        let bounds = Arc::new(bounds);
        let scraper = prometheus.then(Scraper::default);
        let read = exporter.is_some() || console.is_some() || prometheus;
        let provider = read.then(|| {
            let view = view::view(
                Arc::clone(&bounds),
                settings.exponential_histograms,
                options.limits.per_metric,
            );
            let mut builder = SdkMeterProvider::builder()
                .with_resource(resource.clone())
                .with_view(view);
            if let Some(exporter) = exporter {
                let reader = PeriodicReader::builder(exporter)
                    .with_interval(settings.interval)
                    .build();
                builder = builder.with_reader(reader);
            }
            if let Some(console) = console {
                let reader = PeriodicReader::builder(console)
                    .with_interval(settings.interval)
                    .build();
                builder = builder.with_reader(reader);
            }
            if let Some(scraper) = &scraper {
                builder = builder.with_reader(scraper.clone());
            }
            builder.build()
        });
        let meter = provider.as_ref().map(|provider| provider.meter(SCOPE));
        if let Some(meter) = &meter {
            database::observe(meter);
            if options.process {
                process::observe(meter);
            }
            if options.tokio
                && let Some(runtime) = options.runtime.or_else(tokio::current)
            {
                tokio::observe(meter, tokio::MAIN, &runtime);
            }
        }
        let registry = Registry::new(
            meter,
            options.limits,
            bounds,
            options.units,
            Arc::clone(redactor),
        );
        database::describe(&registry);
        work::describe(&registry);
        Ok(Self {
            provider,
            registry: Arc::new(registry),
            scraper,
        })
    }

    /// The books of the export as metrics, beside the service's own.
    pub(crate) fn observe_export(&self, ledgers: &Ledgers, waiting: Waiting) {
        if let Some(provider) = &self.provider {
            export::observe(&provider.meter(SCOPE), ledgers, waiting);
        }
    }
}
