//! Telemetry that cannot leave does not fill the memory of its service. A million label sets
//! are in `metric_limits.rs`.

use std::time::Duration;

use crate::support::PROTOCOLS;
use crate::support::child::{Child, as_child, given, say, say_report};
use crate::support::faulty::Faulty;
use crate::support::resident::resident;

/// How many records there are: by default half as much again as may be kept, since a debug
/// build takes 0.1 s to redact one. The figures of `docs/performance.md` are from 2000.
fn records() -> String {
    std::env::var("THROUGHLINE_TEST_RECORDS").unwrap_or_else(|_| "100".to_owned())
}

#[test]
fn records_of_a_megabyte_that_cannot_leave_cost_at_most_64_mib() {
    let test = "records_of_a_megabyte_that_cannot_leave_cost_at_most_64_mib";
    as_child(test, || {
        let telemetry = throughline::init("large").unwrap();
        // Letters in no order, so that compression is of little help.
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 24) as u8 % 26)
        };
        let text: String = (0..1_100_000).map(next).collect();
        let records: usize = given("RECORDS").parse().unwrap();
        let before = resident();
        let mut peak = before;
        for item in 0..records {
            let part = &text[item..item + 1_000_000];
            tracing::info!(item, part, "large");
            peak = peak.max(resident());
            if item % 50 == 49 {
                say("fifty");
            }
        }
        let report = telemetry.shutdown_within(Duration::from_millis(500));
        peak = peak.max(resident());
        say_report(&report);
        say(&format!("growth {}", peak - before));
    });
    let records = records();
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.fall_silent();
        let variables = [
            ("RECORDS", records.as_str()),
            ("THROUGHLINE_LOG_FORMAT", "off"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, _receiver, mut child) in running {
        // Two thousand together take longer than a test waits for one word.
        for _ in 0..records.parse::<u32>().unwrap() / 50 {
            child.hear("fifty");
        }
        let report = child.report();
        let growth: u64 = child.hear("growth").parse().unwrap();
        child.end();
        println!("{protocol}: {growth} bytes of growth");
        assert!(growth <= 64 << 20, "{protocol}: {growth}");
        let books = &report.logs;
        assert_eq!(books.emitted.to_string(), records, "{protocol}");
        assert_eq!(books.delivered, 0, "{protocol}");
        assert!(report.logs.balance(), "{protocol}: {report:?}");
    }
}
