//! Ours and the stock crates, behind the few things that a benchmark asks of either.

use std::time::Duration;

use throughline::Telemetry;

use super::stock::Stock;

/// Which of the two a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Ours,
    Stock,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Stock];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Stock => "stock",
        }
    }

    pub fn named(name: &str) -> Self {
        Self::BOTH.into_iter().find(|it| it.name() == name).unwrap()
    }
}

/// What is wired up. Both sides read the endpoint, the protocol and the sampler from the
/// standard variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    pub traces: bool,
    /// Records to OTLP, and as JSON lines to standard output.
    pub logs: bool,
    pub metrics: bool,
    /// The Sentry layer, without a DSN: what a service has in development, and wherever
    /// nobody asked for it.
    pub sentry: bool,
}

impl Wiring {
    pub const EVERYTHING: Self = Self {
        traces: true,
        logs: true,
        metrics: true,
        sentry: true,
    };

    /// The variables that make ours the same; what is the same for both comes first.
    pub fn variables(self, endpoint: &str) -> Vec<(&'static str, &str)> {
        let exporter = |on: bool| if on { "otlp" } else { "none" };
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            // One in five seconds would fall into some rounds and not into others. All is
            // sent between the rounds, and by full batches.
            ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "600000"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "600000"),
            ("OTEL_TRACES_EXPORTER", exporter(self.traces)),
            ("OTEL_LOGS_EXPORTER", exporter(self.logs)),
            ("OTEL_METRICS_EXPORTER", exporter(self.metrics)),
            (
                "THROUGHLINE_LOG_FORMAT",
                if self.logs { "json" } else { "off" },
            ),
        ]
    }
}

/// The default sampler, or one that keeps nothing.
pub fn sampler(sampled: bool) -> Vec<(&'static str, &'static str)> {
    if sampled {
        vec![("OTEL_TRACES_SAMPLER", "parentbased_always_on")]
    } else {
        vec![
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ]
    }
}

/// Telemetry that runs.
pub enum Running {
    Ours(Telemetry),
    Stock(Stock),
}

impl Running {
    /// Sets up the side for this process. Call it inside a Tokio runtime, which the stock
    /// exporters need.
    pub fn start(side: Side, wiring: Wiring, service: &str) -> Self {
        match side {
            Side::Ours => Self::Ours(
                throughline::builder(service)
                    // No timer of ours beside the measured thread; the stock side has none.
                    .process_metrics(false)
                    .tokio_metrics(false)
                    .init()
                    .unwrap(),
            ),
            Side::Stock => Self::Stock(Stock::start(wiring, service)),
        }
    }

    /// Sends what has been collected.
    pub fn flush(&self) {
        match self {
            Self::Ours(telemetry) => telemetry.flush(Duration::from_secs(30)).unwrap(),
            Self::Stock(stock) => stock.flush(),
        }
    }

    /// Ends, and says what became of spans and records. The stock side has no books.
    pub fn books(self) -> String {
        let Self::Ours(telemetry) = self else {
            panic!("the stock crates do not say what they dropped");
        };
        let report = telemetry.shutdown();
        let [spans, records] = [report.traces, report.logs]
            .map(|books| format!("{} of {}", books.delivered, books.emitted));
        format!("{spans} spans, {records} records")
    }
}
