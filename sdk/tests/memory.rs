//! Telemetry that cannot leave does not fill the memory of its service. A million label sets
//! are in `metric_limits.rs`.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::PROTOCOLS;
use support::child::{Child, as_child, say, say_report};
use support::faulty::Faulty;
use support::resident::resident;

#[test]
fn two_thousand_records_of_a_megabyte_cost_at_most_64_mib() {
    const RECORDS: u64 = 2_000;
    let test = "two_thousand_records_of_a_megabyte_cost_at_most_64_mib";
    as_child(test, || {
        let telemetry = throughline::init("large").unwrap();
        // Words of many lengths, which no two records cut alike.
        let text: String = (0..200_000)
            .map(|word| format!("{:x} ", word * 7919))
            .collect();
        let before = resident();
        let mut peak = before;
        for item in 0..RECORDS as usize {
            let part = &text[item..item + 1_000_000];
            tracing::info!(item, part, "large");
            peak = peak.max(resident());
        }
        let report = telemetry.shutdown_within(Duration::from_millis(500));
        peak = peak.max(resident());
        say_report(&report);
        say(&format!("growth {}", peak - before));
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.fall_silent();
        let variables = [("THROUGHLINE_LOG_FORMAT", "off")];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, _receiver, mut child) in running {
        let report = child.report();
        let growth: u64 = child.hear("growth").parse().unwrap();
        child.end();
        println!("{protocol}: {growth} bytes of growth");
        assert!(growth <= 64 << 20, "{protocol}: {growth}");
        assert_eq!((report.logs.emitted, report.logs.delivered), (RECORDS, 0));
        assert!(report.logs.balance(), "{protocol}: {report:?}");
    }
}
