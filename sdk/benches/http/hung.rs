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

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// At a rate of its own, whatever the server does.
    Steady,
    /// As fast as the server answers: there is no idle time left to export in.
    Saturated,
}

/// Of the requests of one phase, in microseconds.
struct Latency {
    p50: f64,
    p99: f64,
}

/// Prints the comparison. False where the target was missed.
pub(crate) fn compare(phase: Duration, paces: &[Pace]) -> bool {
    stay_on(1);
    let receiver = Receiver::start();
    let mut service = Service::start(&receiver);
    // Connections are made, caches and pools are filled.
    service.phase(Pace::Saturated, phase.min(Duration::from_secs(2)));
    service.deliver();
    println!(
        "{ROUNDS} rounds, each {} s with the receiver answering and {0} s with it hung",
        phase.as_secs_f64()
    );
    println!(
        "{:<32} {:>10} {:>10} {:>8} {:>8}",
        "latency, median of rounds, µs", "answering", "hung", "ratio", "at most"
    );
    let mut reached = true;
    for &pace in paces {
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| service.round(&receiver, pace, phase))
            .collect();
        let p50 = rounds.iter().map(|round| round.each_ref().map(|it| it.p50));
        let p99 = rounds.iter().map(|round| round.each_ref().map(|it| it.p99));
        reached &= print(&format!("p50, {}", pace.what()), p50.collect());
        reached &= print(&format!("p99, {}", pace.what()), p99.collect());
    }
    service.end();
    reached
}

/// One line for the medians and one for the rounds of each side. False where the target was
/// missed.
fn print(what: &str, rounds: Vec<[f64; 2]>) -> bool {
    let [answering, hung] = [0, 1].map(|side| median(rounds.iter().map(|round| round[side])));
    let ratio = hung / answering;
    println!("{what:<32} {answering:>10.1} {hung:>10.1} {ratio:>8.2} {TARGET:>8}");
    for (side, name) in ["answering", "hung"].into_iter().enumerate() {
        let of_side = rounds.iter().map(|round| format!(" {:.1}", round[side]));
        println!("  {name:<12}{}", of_side.collect::<String>());
    }
    ratio <= TARGET
}

impl Pace {
    pub(crate) const BOTH: [Self; 2] = [Self::Steady, Self::Saturated];

    fn what(self) -> String {
        match self {
            Self::Steady => format!("{RATE} requests/s"),
            Self::Saturated => "as many as it serves".to_owned(),
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
            Pace::Saturated => self.load.saturated(length),
        };
        self.requests += times.len() as u64;
        times.sort_by(f64::total_cmp);
        Latency {
            p50: share(&times, 0.50),
            p99: share(&times, 0.99),
        }
    }

    /// A phase with the receiver answering and one with it hung.
    fn round(&mut self, receiver: &Receiver, pace: Pace, length: Duration) -> [Latency; 2] {
        let start = receiver.requests();
        let answering = self.phase(pace, length);
        self.deliver();
        let answered = receiver.requests();
        receiver.hang();
        let hung = self.phase(pace, length);
        let swallowed = receiver.requests() - answered;
        let answered = answered - start;
        assert!(
            (1..answered).contains(&swallowed),
            "{answered} exports were answered, {swallowed} not: fewer, but some, are those of \
             a hung receiver"
        );
        receiver.answer();
        self.deliver();
        [answering, hung]
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
