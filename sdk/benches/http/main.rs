//! What telemetry costs a service that answers requests: CPU time a request of the whole
//! process, exporters included, against axum without any. `docs/performance.md` has the
//! figures.
//!
//! ```text
//! cargo bench -p throughline --features axum,grpc --bench http
//! ```
//!
//! With `hung` it takes the latency of requests instead, while the receiver answers and while
//! it hangs:
//!
//! ```text
//! cargo bench -p throughline --features axum,grpc --bench http -- hung                   # phases of 3 s
//! cargo bench -p throughline --features axum,grpc --bench http -- hung 30 steady check   # fails above the target
//! ```
//!
//! The servers stay on one core; the load and the receiver on another.

#![allow(missing_docs, clippy::unwrap_used)]

mod hung;
mod load;
mod receiver;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use hung::Pace;
use load::Load;
use support::affinity::stay_on;
use support::collector::{Arrived, Collector};
use support::process::Process;
use support::side::{Side, Wiring, sampler};
use support::statistics::{median, ratio};

const ROUNDS: usize = 61;

/// Fewer than the 2048 that a stock queue holds, so that nothing is dropped.
const REQUESTS: u64 = 1_500;

/// What stands between axum and the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Middleware {
    None,
    /// The same few lines on either side: span, metrics and a record.
    ByHand,
    /// `throughline::http::server()` as it comes.
    Ours,
    /// `axum-tracing-opentelemetry`: a span.
    AxumTracing,
    /// `tower-otel`: a span, and metrics.
    TowerOtel,
    /// `opentelemetry-instrumentation-tower`: a span, and metrics.
    Contrib,
}

/// A server to measure.
pub(crate) struct Variant {
    name: &'static str,
    what: &'static str,
    /// `None`: no telemetry runs.
    side: Option<Side>,
    middleware: Middleware,
    /// Every request is, or none.
    sampled: bool,
    /// Whether each request leaves a record.
    records: bool,
    /// The most CPU time of bare axum's that it may take.
    target: Option<f64>,
}

const BARE: Variant = Variant {
    name: "bare",
    what: "axum alone",
    side: None,
    middleware: Middleware::None,
    sampled: false,
    records: false,
    target: None,
};

/// Span, metrics and record of each request.
const OURS: Variant = Variant {
    name: "ours",
    what: "ours by hand, everything on",
    side: Some(Side::Ours),
    middleware: Middleware::ByHand,
    sampled: true,
    records: true,
    target: Some(3.0),
};

const STOCK: Variant = Variant {
    name: "stock",
    what: "stock by hand, everything on",
    side: Some(Side::Stock),
    target: None,
    ..OURS
};

const LAYER: Variant = Variant {
    name: "layer",
    what: "our layer, everything on",
    middleware: Middleware::Ours,
    ..OURS
};

/// Without request logs, which the published middlewares do not write.
const LAYER_SILENT: Variant = Variant {
    name: "layer-silent",
    what: "our layer, no request logs",
    records: false,
    target: None,
    ..LAYER
};

const PEER: Variant = Variant {
    side: Some(Side::Stock),
    target: None,
    ..LAYER_SILENT
};

const VARIANTS: [Variant; 14] = [
    BARE,
    Variant {
        name: "middleware",
        what: "by hand, no telemetry",
        middleware: Middleware::ByHand,
        ..BARE
    },
    OURS,
    STOCK,
    LAYER,
    LAYER_SILENT,
    Variant {
        name: "axum-tracing",
        what: "axum-tracing-opentelemetry",
        middleware: Middleware::AxumTracing,
        ..PEER
    },
    Variant {
        name: "tower-otel",
        what: "tower-otel",
        middleware: Middleware::TowerOtel,
        ..PEER
    },
    Variant {
        name: "contrib",
        what: "opentelemetry-instrumentation-tower",
        middleware: Middleware::Contrib,
        ..PEER
    },
    Variant {
        name: "ours-quiet",
        what: "ours by hand, ratio 0, no request logs",
        sampled: false,
        records: false,
        target: None,
        ..OURS
    },
    Variant {
        name: "stock-quiet",
        what: "stock by hand, ratio 0, no request logs",
        sampled: false,
        records: false,
        ..STOCK
    },
    Variant {
        name: "layer-quiet",
        what: "our layer, ratio 0, no request logs",
        sampled: false,
        target: Some(1.2),
        ..LAYER_SILENT
    },
    Variant {
        name: "tower-otel-quiet",
        what: "tower-otel, ratio 0",
        middleware: Middleware::TowerOtel,
        sampled: false,
        ..PEER
    },
    Variant {
        name: "contrib-quiet",
        what: "opentelemetry-instrumentation-tower, ratio 0",
        middleware: Middleware::Contrib,
        sampled: false,
        ..PEER
    },
];

impl Variant {
    fn named(name: &str) -> &'static Self {
        let variant = VARIANTS.iter().find(|variant| variant.name == name);
        variant.unwrap_or_else(|| panic!("no server {name:?}"))
    }

    /// What has to arrive after so many requests.
    fn emits(&self, requests: u64) -> Arrived {
        Arrived {
            spans: if self.sampled { requests } else { 0 },
            records: if self.records { requests } else { 0 },
        }
    }

    fn variables<'a>(&self, endpoint: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut variables = Wiring::EVERYTHING.variables(endpoint);
        variables.extend(sampler(self.sampled));
        variables
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", name] => server::be(Variant::named(name)),
        [] => compare(),
        ["hung", ref words @ ..] => return hung(words),
        _ => panic!("unknown arguments {arguments:?}"),
    }
    ExitCode::SUCCESS
}

/// A phase's length in seconds, one pace instead of both, and whether a missed target is a
/// failure; each may be left out.
fn hung(words: &[&str]) -> ExitCode {
    let mut phase = Duration::from_secs(3);
    let mut paces = &Pace::BOTH[..];
    let mut check = false;
    for word in words {
        match *word {
            "steady" => paces = &[Pace::Steady],
            "saturated" => paces = &[Pace::Saturated],
            "check" => check = true,
            seconds => phase = Duration::from_secs_f64(seconds.parse().unwrap()),
        }
    }
    let reached = hung::compare(phase, paces);
    if check && !reached {
        eprintln!("latency with a hung receiver is above the target");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Measured {
    variant: &'static Variant,
    process: Process,
    load: Load,
    /// CPU time a request, of each round.
    nanoseconds: Vec<f64>,
}

impl Measured {
    fn start(variant: &'static Variant, endpoint: &str) -> Self {
        let mut process = Process::start(&["server", variant.name], &variant.variables(endpoint));
        let address = process.ask("address");
        Self {
            variant,
            load: Load::on(address.parse().unwrap()),
            process,
            nanoseconds: Vec::new(),
        }
    }

    fn round(&mut self) -> f64 {
        let before: f64 = self.process.ask("time").parse().unwrap();
        self.load.send(REQUESTS);
        self.process.ask("flush");
        let after: f64 = self.process.ask("time").parse().unwrap();
        (after - before) / REQUESTS as f64
    }
}

fn compare() {
    stay_on(1);
    let collector = Collector::start();
    let mut all: Vec<Measured> = VARIANTS
        .iter()
        .map(|variant| Measured::start(variant, &collector.endpoint()))
        .collect();
    for measured in &mut all {
        // Connections are made, caches and pools are filled.
        measured.round();
    }
    for _ in 0..ROUNDS {
        for measured in &mut all {
            let took = measured.round();
            measured.nanoseconds.push(took);
        }
    }
    println!(
        "{:<46} {:>10} {:>8} {:>8}",
        "CPU a request, median of rounds", "µs", "to bare", "at most"
    );
    for measured in &all {
        let target = measured.variant.target;
        println!(
            "{:<46} {:>10.2} {:>8.2} {:>8}",
            measured.variant.what,
            median(measured.nanoseconds.iter().copied()) / 1e3,
            ratio(&measured.nanoseconds, &all[0].nanoseconds),
            target.map(|target| target.to_string()).unwrap_or_default(),
        );
    }
    let requests = (ROUNDS as u64 + 1) * REQUESTS;
    for measured in &all {
        let variant = measured.variant;
        let arrived = collector.arrived(variant.name);
        assert_eq!(
            arrived,
            variant.emits(requests),
            "what arrived of {}",
            variant.name
        );
    }
}
