//! Compressed or not, the same arrives, and the headers say how.

use std::time::Duration;

use crate::support::child::{Books, Child, as_child, emit, say_report};
use crate::support::faulty::Faulty;
use crate::support::{COMPRESSIONS, PROTOCOLS};
use throughline_receiver::Signal;

#[test]
fn the_same_arrives_by_each_compression_and_its_header_is_right() {
    let test = "the_same_arrives_by_each_compression_and_its_header_is_right";
    as_child(test, || {
        let telemetry = throughline::init("compressed").unwrap();
        for item in 0..500 {
            emit(item);
        }
        metrics::counter!("work.done").increment(500);
        telemetry.flush(Duration::from_secs(10)).unwrap();
        say_report(&telemetry.shutdown());
    });
    let mut running = Vec::new();
    for protocol in PROTOCOLS {
        for compression in COMPRESSIONS.iter().copied() {
            let receiver = Faulty::start();
            let variables = [("OTEL_EXPORTER_OTLP_COMPRESSION", compression)];
            let child = Child::start(test, &receiver.variables(protocol, &variables));
            running.push((protocol, compression, receiver, child));
        }
    }
    for (protocol, compression, receiver, mut child) in running {
        let report = child.report();
        child.end();
        let case = format!("{protocol}, {compression}");
        assert_eq!(report.traces, Books::whole(500), "{case}");
        assert_eq!(report.logs, Books::whole(500), "{case}");
        let all: crate::support::faulty::Items = (0..500).map(|item| (item, 1)).collect();
        for signal in [Signal::Traces, Signal::Logs] {
            assert!(receiver.kept(signal) == all, "{case}, {signal}");
        }
        receiver.with(|record| {
            for arrival in &record.arrivals {
                let encoding = arrival.encoding().filter(|name| *name != "identity");
                let expected = (compression != "none").then_some(compression);
                assert_eq!(encoding, expected, "{case}, {}", arrival.signal);
                let (wire, whole) = (arrival.wire_bytes, arrival.bytes);
                match expected {
                    None => assert_eq!(wire, whole, "{case}"),
                    Some(_) => assert!(wire < whole, "{case}: {wire} of {whole}"),
                }
            }
            let metrics = record.metrics.iter().flat_map(|one| &one.resource_metrics);
            let mut metrics = metrics
                .flat_map(|of| &of.scope_metrics)
                .flat_map(|of| &of.metrics);
            assert!(metrics.any(|metric| metric.name == "work.done"), "{case}");
        });
    }
}
