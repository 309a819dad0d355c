//! What one use of a metric costs in the service's own threads, against the stock crates in
//! the same run: `docs/performance.md` has the figures and says how to repeat them.
//!
//! ```text
//! cargo bench -p throughline --bench metrics
//! ```

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use metrics::{Recorder, counter, histogram};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_opentelemetry::{OpenTelemetryMetrics, OpenTelemetryRecorder};
use metrics_util::layers::FanoutBuilder;
use throughline::reexport::opentelemetry::metrics::MeterProvider;
use throughline::reexport::opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

/// How often each case is timed; the rounds of all cases are interleaved, since on a shared
/// machine neighbouring measurements are the only ones that compare.
const ROUNDS: usize = 15;
const TIME: Duration = Duration::from_millis(40);

/// Nanoseconds a call, over as many calls as fit into the time.
fn time(mut call: impl FnMut()) -> f64 {
    let mut calls = 0_u32;
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        for _ in 0..1_000 {
            call();
        }
        calls += 1_000;
    }
    begun.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// A name, and what makes one timing of it under the recorder that is set.
type Case = (&'static str, fn() -> f64);

const CASES: [Case; 5] = [
    ("counter, cached handle", || {
        let handle = counter!("bench.cached", "a" => "1", "b" => "2", "c" => "3");
        time(|| handle.increment(black_box(1)))
    }),
    ("histogram, cached handle", || {
        let handle = histogram!("bench.duration", "a" => "1", "b" => "2", "c" => "3");
        time(|| handle.record(black_box(0.07)))
    }),
    ("counter!, 3 labels, literal", || {
        time(|| counter!("bench.literal", "a" => "1", "b" => "2", "c" => "3").increment(1))
    }),
    ("counter!, 3 labels, one made", || {
        let routes = ["/a", "/b", "/c", "/d"];
        let mut at = 0;
        time(|| {
            at = (at + 1) % routes.len();
            counter!("bench.made", "a" => "1", "b" => "2", "route" => routes[at]).increment(1);
        })
    }),
    ("histogram!, 3 labels, one made", || {
        let routes = ["/a", "/b", "/c", "/d"];
        let mut at = 0;
        time(|| {
            at = (at + 1) % routes.len();
            histogram!("bench.made.duration", "a" => "1", "b" => "2", "route" => routes[at])
                .record(black_box(0.07));
        })
    }),
];

fn bridge(provider: &SdkMeterProvider) -> impl Recorder + Sync + 'static {
    OpenTelemetryRecorder::new(OpenTelemetryMetrics::new(provider.meter("bench")))
}

fn prometheus() -> impl Recorder + Sync + 'static {
    PrometheusBuilder::new()
        .set_buckets(&[0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0])
        .unwrap()
        .build_recorder()
}

fn median(mut timings: Vec<f64>) -> f64 {
    timings.sort_by(f64::total_cmp);
    timings[timings.len() / 2]
}

fn main() {
    let telemetry = throughline::builder("bench")
        .process_metrics(false)
        .init()
        .unwrap();
    let provider = SdkMeterProvider::builder()
        .with_reader(ManualReader::builder().build())
        .build();
    let stock = bridge(&provider);
    let fanned = FanoutBuilder::default()
        .add_recorder(bridge(&provider))
        .add_recorder(prometheus())
        .build();
    println!(
        "{:<32} {:>9} {:>9} {:>9}   ns, median",
        "", "ours", "bridge", "fan-out"
    );
    for (name, case) in CASES {
        let (mut ours, mut bridged, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(case());
            bridged.push(metrics::with_local_recorder(&stock, case));
            both.push(metrics::with_local_recorder(&fanned, case));
        }
        let (ours, bridged, both) = (median(ours), median(bridged), median(both));
        println!(
            "{name:<32} {ours:>9.1} {bridged:>9.1} {both:>9.1}   {:.2} of the bridge, {:.2} of the fan-out",
            ours / bridged,
            ours / both
        );
    }
    // Nobody listens, and what was counted is of no interest.
    std::mem::forget(telemetry);
}
