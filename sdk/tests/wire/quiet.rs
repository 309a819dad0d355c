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

/// How often threads of this process have gone to sleep so far.
#[cfg(target_os = "linux")]
fn sleeps() -> u64 {
    let of_one = |task: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.map(of_one).sum()
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
        let before = sleeps();
        std::thread::sleep(Duration::from_secs(1));
        let woken = sleeps() - before;
        assert!(woken < 100, "{woken}");
        telemetry.shutdown();
    });
}
