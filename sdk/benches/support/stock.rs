//! The stock crates, wired by hand as their documentation says, with their defaults.

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use throughline::reexport::opentelemetry::global;
use throughline::reexport::opentelemetry::trace::TracerProvider;
use throughline::reexport::opentelemetry_sdk::Resource;
use throughline::reexport::opentelemetry_sdk::logs::SdkLoggerProvider;
use throughline::reexport::opentelemetry_sdk::metrics::SdkMeterProvider;
use throughline::reexport::opentelemetry_sdk::propagation::TraceContextPropagator;
use throughline::reexport::opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::side::Wiring;

pub struct Stock {
    tracers: Option<SdkTracerProvider>,
    loggers: Option<SdkLoggerProvider>,
    meters: Option<SdkMeterProvider>,
}

impl Stock {
    pub fn start(wiring: Wiring, service: &str) -> Self {
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .build();
        let tracers = wiring.traces.then(|| tracers(&resource));
        let loggers = wiring.logs.then(|| loggers(&resource));
        let meters = wiring.metrics.then(|| meters(&resource));
        if wiring.sentry {
            bind_sentry();
        }
        if let Some(tracers) = &tracers {
            global::set_tracer_provider(tracers.clone());
        }
        global::set_text_map_propagator(TraceContextPropagator::new());
        tracing_subscriber::registry()
            // Without these the exporters' own records go round for ever.
            .with(EnvFilter::new(
                "info,h2=off,hyper=off,opentelemetry=off,tonic=off",
            ))
            .with(
                tracers
                    .as_ref()
                    .map(|it| tracing_opentelemetry::layer().with_tracer(it.tracer("stock"))),
            )
            .with(loggers.as_ref().map(OpenTelemetryTracingBridge::new))
            .with(wiring.logs.then(|| tracing_subscriber::fmt::layer().json()))
            .with(wiring.sentry.then(sentry_layer))
            .init();
        Self {
            tracers,
            loggers,
            meters,
        }
    }

    pub fn flush(&self) {
        if let Some(tracers) = &self.tracers {
            tracers.force_flush().unwrap();
        }
        if let Some(loggers) = &self.loggers {
            loggers.force_flush().unwrap();
        }
        if let Some(meters) = &self.meters {
            meters.force_flush().unwrap();
        }
    }
}

fn tracers(resource: &Resource) -> SdkTracerProvider {
    let exporter = SpanExporter::builder().with_tonic().build().unwrap();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(exporter)
        .build();
    global::set_tracer_provider(tracers.clone());
    tracers
}

fn loggers(resource: &Resource) -> SdkLoggerProvider {
    let exporter = LogExporter::builder().with_tonic().build().unwrap();
    SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(exporter)
        .build()
}

fn meters(resource: &Resource) -> SdkMeterProvider {
    let exporter = MetricExporter::builder().with_tonic().build().unwrap();
    let meters = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_periodic_exporter(exporter)
        .build();
    global::set_meter_provider(meters.clone());
    meters
}

fn bind_sentry() {
    let client = sentry_core::Client::with_options(sentry_core::ClientOptions::default());
    sentry_core::Hub::main().bind_client(Some(client.into()));
}

/// The combined layer: four layers with a filter each are what its deprecation asks for, and
/// would cost this side more.
#[allow(deprecated)]
fn sentry_layer<S>() -> sentry_tracing::SentryLayer<S>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    sentry_tracing::layer()
}
