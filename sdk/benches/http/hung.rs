//! What a receiver that hangs costs those who wait for the service: the latency of requests
//! while it answers nothing, beside that of the same process while it answers.
//!
//! The phases are interleaved, so that both have the same neighbours on the machine. Each
//! begins with nothing left to send; what has waited is delivered between them, and in the
//! end all must have been.

use std::time::Duration;

use super::load::Load;
use super::receiver::Receiver;
use super::support::affinity::stay_on;
use super::support::process::Process;
use super::support::statistics::{median, share};
use crate::Variant;

/// How often each phase is repeated.
const ROUNDS: usize = 5;

/// Requests a second, of the load that has its own pace: some way below what one core
/// serves, as a service is run.
const RATE: u32 = 1_000;

/// The most that latency with the fault may be of that without.
const TARGET: f64 = 1.1;

/// More than any phase fills: a full queue drops, and is quick.
const BUDGET: &str = "2147483648";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Steady,
    ClosedLoop,
}

/// Of the requests of one phase.
struct Latency {
    p50: f64,
    p99: f64,
}

/// Prints the comparison. False where the target was missed.
pub(crate) fn compare(phase: Duration) -> bool {
    stay_on(1);
    let receiver = Receiver::start();
    let mut service = Service::start(&receiver);
    // Connections are made, caches and pools are filled.
    service.phase(Pace::ClosedLoop, phase.min(Duration::from_secs(2)));
    println!(
        "{ROUNDS} rounds, each {} s with the receiver answering and {0} s with it hung",
        phase.as_secs_f64()
    );
    println!(
        "{:<36} {:>10} {:>10} {:>8} {:>8}",
        "latency, median of rounds, µs", "answering", "hung", "ratio", "at most"
    );
    let mut reached = true;
    for pace in [Pace::Steady, Pace::ClosedLoop] {
        let mut answering = Vec::new();
        let mut hung = Vec::new();
        for _ in 0..ROUNDS {
            answering.push(service.phase(pace, phase));
            let before = receiver.requests();
            receiver.hang();
            hung.push(service.phase(pace, phase));
            assert!(
                receiver.requests() > before,
                "nothing was sent into the hung receiver; the phase is too short"
            );
            receiver.answer();
            service.deliver();
        }
        for (name, of) in [
            ("p50", (|it| it.p50) as fn(&Latency) -> f64),
            ("p99", |it| it.p99),
        ] {
            let [without, with] = [&answering, &hung].map(|rounds| median(rounds.iter().map(of)));
            let ratio = with / without;
            reached &= ratio <= TARGET;
            println!(
                "{:<36} {without:>10.1} {with:>10.1} {ratio:>8.2} {TARGET:>8}",
                format!("{name}, {}", pace.what()),
            );
            for (what, rounds) in [("answering", &answering), ("hung", &hung)] {
                let rounds: Vec<_> = rounds.iter().map(|it| format!("{:.1}", of(it))).collect();
                println!("  {what:<34} {}", rounds.join(" "));
            }
        }
    }
    service.end();
    reached
}

impl Pace {
    fn what(self) -> String {
        match self {
            Self::Steady => format!("{RATE} requests/s"),
            Self::ClosedLoop => "as many as it serves".to_owned(),
        }
    }
}

struct Service {
    process: Process,
    load: Load,
    requests: u64,
}

impl Service {
    fn start(receiver: &Receiver) -> Self {
        let variant = Variant::named("ours");
        let endpoint = receiver.endpoint();
        let mut variables = variant.variables(&endpoint);
        // Of two values for a variable the later one counts.
        variables.extend([
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            // As in a service: here it is the export beside the requests that matters.
            ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "1000"),
            // Falls into every phase as often.
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("THROUGHLINE_MEMORY_BUDGET_BYTES", BUDGET),
            // Between the lines of the table it would be in the way.
            ("OTEL_LOG_LEVEL", "none"),
        ]);
        let mut process = Process::start(&["server", variant.name], &variables);
        let address = process.ask("address");
        Self {
            load: Load::on(address.parse().unwrap()),
            process,
            requests: 0,
        }
    }

    fn phase(&mut self, pace: Pace, length: Duration) -> Latency {
        let mut times = match pace {
            Pace::Steady => self.load.steady(RATE, length),
            Pace::ClosedLoop => self.load.busy(length),
        };
        self.requests += times.len() as u64;
        times.sort_by(f64::total_cmp);
        Latency {
            p50: share(&times, 0.50),
            p99: share(&times, 0.99),
        }
    }

    /// All that has waited so far reaches the receiver, or this fails.
    fn deliver(&mut self) {
        self.process.ask("flush");
    }

    /// Each request has left a span and a record, and none was lost.
    fn end(mut self) {
        let requests = self.requests;
        assert_eq!(
            self.process.ask("books"),
            format!("{requests} of {requests} spans, {requests} of {requests} records"),
            "what was delivered of what was emitted"
        );
    }
}
