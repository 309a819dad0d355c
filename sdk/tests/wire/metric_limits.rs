//! What the registry holds under load: the cap on series, its memory, and exact sums.

// Without the endpoint its half of the cases is not there.
#![cfg_attr(not(feature = "prometheus"), allow(dead_code, unused_imports))]

use std::time::Duration;

use crate::support::readings::{
    attribute, exports, free_port, histograms, is_overflow, numbers, scrape_text, scraped, total,
    value,
};
use crate::support::received_by;

#[cfg(feature = "prometheus")]
#[test]
fn a_flood_of_label_sets_ends_in_a_visible_overflow_on_both_sides() {
    let test = "a_flood_of_label_sets_ends_in_a_visible_overflow_on_both_sides";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    let (receiver, outcome) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("flood").unwrap();
        for id in 0..100_000 {
            metrics::counter!("orders.placed", "order" => id.to_string()).increment(1);
            metrics::histogram!("order.size", "order" => id.to_string()).record(1.0);
        }
        println!("\n{}", scrape_text());
        telemetry.shutdown();
    });
    let metrics = receiver.metrics();
    let placed = exports(&metrics, "orders.placed")[0];
    assert_eq!(numbers(placed).len(), 2_000);
    assert_eq!(total(placed), 100_000.0, "nothing is lost, it is folded");
    let points = numbers(placed);
    let overflow = points.iter().find(|point| is_overflow(&point.attributes));
    assert_eq!(value(overflow.unwrap()), 98_001.0);
    let sizes = histograms(exports(&metrics, "order.size")[0]);
    assert_eq!(sizes.len(), 2_000);
    let overflow = sizes.iter().find(|point| is_overflow(&point.attributes));
    assert_eq!(overflow.unwrap().count, 98_001);

    let text = &outcome.stdout;
    let series = "orders_placed_total{otel_metric_overflow=\"true\"}";
    assert_eq!(scraped(text, series), 98_001.0);
    let series = "order_size_count{otel_metric_overflow=\"true\"}";
    assert_eq!(scraped(text, series), 98_001.0);
    let lines = |family: &str| text.lines().filter(|line| line.starts_with(family)).count();
    assert_eq!(lines("orders_placed_total{"), 2_000);
    assert_eq!(lines("order_size_count{"), 2_000);

    let folded = exports(&metrics, "throughline.metrics.overflow")[0];
    assert_eq!(folded.unit, "{use}");
    for point in numbers(folded) {
        assert_eq!(value(point), 98_001.0, "{point:?}");
    }
    let of = |name: &str| {
        let named = |point: &&throughline_receiver::proto::metrics::v1::NumberDataPoint| {
            attribute(&point.attributes, "metric.name").as_deref() == Some(name)
        };
        numbers(folded).iter().filter(named).count()
    };
    assert_eq!((of("orders.placed"), of("order.size")), (1, 1));
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`orders.placed`") && said[0].contains("series_limits"));
}

#[test]
fn all_metrics_together_are_bounded_too_and_so_are_names() {
    let test = "all_metrics_together_are_bounded_too_and_so_are_names";
    let (receiver, outcome) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::builder("limits")
            .series_limits(10, 25)
            .init()
            .unwrap();
        for name in ["a", "b", "c", "d"] {
            for id in 0..20 {
                metrics::counter!(name, "id" => id.to_string()).increment(1);
            }
        }
        for id in 0..1_500 {
            metrics::counter!(format!("made.{id}")).increment(1);
        }
        telemetry.shutdown();
    });
    let metrics = receiver.metrics();
    let points = |name| numbers(exports(&metrics, name)[0]).len();
    // Nine and the overflow, twice; then what is left of 25, and nothing but the overflow.
    assert_eq!(["a", "b", "c", "d"].map(points), [10, 10, 8, 1]);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(total(exports(&metrics, name)[0]), 20.0, "{name}");
    }
    let made: Vec<_> = metrics
        .iter()
        .filter(|metric| metric.name.starts_with("made."))
        .collect();
    assert_eq!(made.len(), 996, "1000 names in all");
    let said = outcome.diagnostics().join("\n");
    assert!(said.contains("further names are not recorded"), "{said}");
}

/// Resident bytes of this process.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_ascii_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

#[cfg(feature = "prometheus")]
#[cfg(target_os = "linux")]
#[test]
fn a_million_label_sets_cost_at_most_16_mib() {
    let test = "a_million_label_sets_cost_at_most_16_mib";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    let (_, outcome) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("million").unwrap();
        // What exporting costs at all is not what is asked for here.
        metrics::counter!("warm.up").increment(1);
        telemetry.flush(Duration::from_secs(10)).unwrap();
        let before = resident();
        let counters = ["c.0", "c.1", "c.2", "c.3"];
        let histograms = ["h.0", "h.1"];
        let gauges = ["g.0", "g.1"];
        for id in 0..125_000 {
            let id = id.to_string();
            for name in counters {
                metrics::counter!(name, "user" => id.clone(), "method" => "GET").increment(1);
            }
            for name in histograms {
                metrics::histogram!(name, "user" => id.clone(), "method" => "GET").record(0.5);
            }
            for name in gauges {
                metrics::gauge!(name, "user" => id.clone(), "method" => "GET").set(1.0);
            }
        }
        println!("\nGREW {}", resident() - before);
        telemetry.shutdown();
    });
    let grew = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("GREW "))
        .unwrap();
    let grew: u64 = grew.parse().unwrap();
    assert!(grew <= 16 << 20, "{} MiB", grew >> 20);
    eprintln!("a million label sets cost {} KiB", grew >> 10);
}

#[test]
fn increments_from_many_threads_add_up_exactly() {
    let test = "increments_from_many_threads_add_up_exactly";
    let (receiver, _) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::init("parallel").unwrap();
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                std::thread::spawn(move || {
                    for step in 0..20_000 {
                        let label = ["a", "b", "c"][step % 3];
                        metrics::counter!("jobs.done", "step" => label).increment(1);
                        metrics::gauge!("level", "step" => label).increment(1.0);
                        metrics::histogram!("job.size", "step" => label).record(1.0);
                        let own = format!("{thread}-{}", step % 100);
                        metrics::counter!("jobs.own", "own" => own).increment(1);
                    }
                })
            })
            .collect();
        // Collections in between must take nothing away and count nothing twice.
        while threads.iter().any(|thread| !thread.is_finished()) {
            telemetry.flush(Duration::from_secs(10)).unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        telemetry.shutdown();
    });
    let contents = receiver.contents();
    for name in ["jobs.done", "level", "jobs.own"] {
        assert_eq!(total(contents.metric(name).unwrap()), 160_000.0, "{name}");
    }
    assert_eq!(numbers(contents.metric("jobs.own").unwrap()).len(), 800);
    let points = histograms(contents.metric("job.size").unwrap());
    assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 160_000);
}
