//! The SDK does not talk about itself, whatever happens and however much is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::child::{Child, as_child, given};
use crate::support::faulty::{Answer, Faulty};
use crate::support::{PROTOCOLS, received_by};
use throughline_receiver::Signal;
use tonic::Code;

/// How long the service is idle. The figures of `docs/performance.md` are from 60.
fn seconds() -> String {
    std::env::var("THROUGHLINE_TEST_IDLE_SECONDS").unwrap_or_else(|_| "3".to_owned())
}

const FAULTS: [&str; 4] = ["none", "refuses connections", "unavailable", "hangs"];

fn receiver(fault: &str) -> Faulty {
    if fault == "refuses connections" {
        return Faulty::closed();
    }
    let receiver = Faulty::start();
    match fault {
        "unavailable" => receiver.answer(|_| Answer::Refuse {
            http: 503,
            grpc: Code::Unavailable,
        }),
        "hangs" => receiver.answer(|_| Answer::Hang),
        _ => {}
    }
    receiver
}

#[test]
fn an_idle_service_at_trace_level_says_nothing_of_its_telemetry() {
    let test = "an_idle_service_at_trace_level_says_nothing_of_its_telemetry";
    as_child(test, || {
        let _telemetry = throughline::init("idle").unwrap();
        tracing::info!(item = 0, "the only one");
        let seconds = given("SECONDS").parse().unwrap();
        std::thread::sleep(Duration::from_secs(seconds));
    });
    let seconds = seconds();
    let mut running = Vec::new();
    for protocol in PROTOCOLS {
        for fault in FAULTS {
            let receiver = receiver(fault);
            let variables = [
                ("SECONDS", seconds.as_str()),
                ("RUST_LOG", "trace"),
                // Each export would be an occasion to talk.
                ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
                ("THROUGHLINE_SHUTDOWN_MS", "300"),
            ];
            let child = Child::start(test, &receiver.variables(protocol, &variables));
            running.push((protocol, fault, receiver, child));
        }
    }
    for (protocol, fault, receiver, child) in running {
        let outcome = child.end().outcome;
        let case = format!("{protocol}, {fault}");
        let lines = outcome.lines();
        assert!(lines.len() <= 11, "{case}: {lines:#?}");
        assert!(
            lines.iter().any(|line| line["item"] == 0),
            "{case}: {lines:?}"
        );
        let sent: Vec<i64> = receiver.with(|record| {
            let items = |signal| {
                record
                    .of(signal)
                    .into_iter()
                    .flat_map(|one| one.items.clone())
            };
            assert_eq!(items(Signal::Traces).count(), 0, "{case}");
            // Those that are tried again are of the same one record.
            items(Signal::Logs).filter(|item| *item != 0).collect()
        });
        assert!(sent.len() <= 10, "{case}: {} records", sent.len());
        let lines = lines.len() - 1;
        println!(
            "{case}: {lines} lines and {} records about itself",
            sent.len()
        );
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for line in outcome.diagnostics() {
            let kind = line.chars().filter(|c| !c.is_ascii_digit()).collect();
            *kinds.entry(kind).or_default() += 1;
        }
        let most = 1 + seconds.parse::<u64>().unwrap() / 60;
        assert!(
            kinds.values().all(|times| *times <= most),
            "{case}: {kinds:#?}"
        );
        let expected = if fault == "none" { 0..=0 } else { 1..=3 };
        assert!(expected.contains(&kinds.len()), "{case}: {kinds:#?}");
    }
}

/// What this process has had of the processors so far, all threads together.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name before it may have spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|it| it.parse::<u64>().unwrap())
        .sum();
    // A tick is a hundredth of a second on Linux.
    Duration::from_millis(10 * ticks)
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_delay_an_idle_service_rests() {
    let test = "without_a_delay_an_idle_service_rests";
    let none = [
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "0"),
    ];
    received_by(test, PROTOCOLS[0], &none, || {
        let telemetry = throughline::init("idle").unwrap();
        let before = processor_time();
        std::thread::sleep(Duration::from_secs(1));
        let took = processor_time() - before;
        assert!(took < Duration::from_millis(200), "{took:?}");
        telemetry.shutdown();
    });
}
