//! The `metrics` facade, fanned out to OpenTelemetry and to the Prometheus endpoint.

mod prometheus;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_opentelemetry::{OpenTelemetryMetrics, OpenTelemetryRecorder};
use metrics_util::layers::FanoutBuilder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream,
};

pub(crate) use prometheus::{bind, serve};

/// The instrumentation scope of all that comes through the facade.
const SCOPE: &str = "throughline.metrics";

/// Bounds of every histogram in seconds, from the HTTP conventions:
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
const DURATION_BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Bounds of every other histogram: the specification's default.
/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation>
const DEFAULT_BOUNDS: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// The conventions name what is measured in seconds `….duration`; both sides go by it, so
/// that they agree bucket by bucket whatever was described when.
const DURATION_SUFFIX: &str = ".duration";

/// The view that gives durations their bounds.
pub(crate) fn duration_view(instrument: &Instrument) -> Option<Stream> {
    let histogram = instrument.kind() == InstrumentKind::Histogram;
    if !histogram || !instrument.name().ends_with(DURATION_SUFFIX) {
        return None;
    }
    Stream::builder()
        .with_aggregation(Aggregation::ExplicitBucketHistogram {
            boundaries: DURATION_BOUNDS.to_vec(),
            record_min_max: true,
        })
        .build()
        .ok()
}

/// The recorder behind `counter!`, `gauge!` and `histogram!`, with the handle of the
/// Prometheus half where one was asked for.
pub(crate) fn recorder(
    provider: Option<&SdkMeterProvider>,
    prometheus: bool,
) -> (
    impl metrics::Recorder + Sync + 'static,
    Option<PrometheusHandle>,
) {
    let mut fanout = FanoutBuilder::default();
    if let Some(provider) = provider {
        let meter = provider.meter(SCOPE);
        fanout = fanout.add_recorder(OpenTelemetryRecorder::new(OpenTelemetryMetrics::new(meter)));
    }
    let mut handle = None;
    if prometheus {
        let recorder = prometheus_builder().build_recorder();
        handle = Some(recorder.handle());
        fanout = fanout.add_recorder(recorder);
    }
    (fanout.build(), handle)
}

fn prometheus_builder() -> PrometheusBuilder {
    let builder = PrometheusBuilder::new().with_recommended_naming(true);
    // Only an empty list of bounds is refused.
    builder
        .set_buckets(&DEFAULT_BOUNDS)
        .and_then(|builder| {
            let durations = Matcher::Suffix(DURATION_SUFFIX.to_owned());
            builder.set_buckets_for_metric(durations, &DURATION_BOUNDS)
        })
        .expect("the bounds are not empty")
}
