//! The `metrics` facade by OTLP and at the Prometheus endpoint: the same numbers.

// Without the endpoint half of the cases are not there.
#![cfg_attr(not(feature = "prometheus"), allow(dead_code, unused_imports))]

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::support::readings::{
    CUMULATIVE, DELTA, exports, free_port, histograms, numbers, scrape, scrape_text, scraped,
    temporality, total, value,
};
use crate::support::{in_child, received_by};
use throughline_receiver::proto::metrics::v1::metric::Data;

#[cfg(feature = "prometheus")]
#[test]
fn both_sides_tell_the_same_count_sum_and_buckets() {
    let test = "both_sides_tell_the_same_count_sum_and_buckets";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    let (receiver, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("metered").unwrap();
        metrics::describe_histogram!(
            "http.server.request.duration",
            metrics::Unit::Seconds,
            "Duration of requests"
        );
        for _ in 0..3 {
            metrics::gauge!("cart.items").increment(1.0);
        }
        metrics::gauge!("pool.size").set(9.0);
        metrics::gauge!("pool.size").decrement(2.5);
        metrics::counter!("jobs.done").absolute(5);
        metrics::counter!("jobs.done").absolute(7);
        for value in [0.003, 0.02, 0.02, 9.0, 40.0, f64::NAN] {
            metrics::histogram!("http.server.request.duration", "http.route" => "/a").record(value);
        }
        println!("\n{}", scrape_text());
        let other = String::from_utf8(scrape("/other", "*/*")).unwrap();
        assert!(other.starts_with("HTTP/1.1 404"));
        assert!(telemetry.shutdown().is_lossless());
    });
    let scraped = |series: &str| scraped(&outcome.stdout, series);
    assert_eq!(scraped("cart_items "), 3.0);
    assert_eq!(scraped("pool_size "), 6.5);
    assert_eq!(scraped("jobs_done_total "), 7.0);
    let contents = receiver.contents();
    let number = |name: &str| value(&numbers(contents.metric(name).unwrap())[0]);
    assert_eq!(number("cart.items"), 3.0);
    assert_eq!(number("pool.size"), 6.5);
    assert_eq!(number("jobs.done"), 7.0);

    let metric = contents.metric("http.server.request.duration").unwrap();
    assert_eq!(metric.unit, "s");
    assert_eq!(metric.description, "Duration of requests");
    let point = &histograms(metric)[0];
    let family = "http_server_request_duration_seconds";
    assert_eq!(point.count as f64, scraped(&format!("{family}_count")));
    assert_eq!(point.sum.unwrap(), scraped(&format!("{family}_sum")));
    assert_eq!(point.count, 5, "what is no number is not counted");
    // OTLP counts each bucket, Prometheus all up to a bound.
    let mut up_to = 0;
    for (bound, count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
        up_to += count;
        let series = format!("{family}_bucket{{http_route=\"/a\",le=\"{bound}\"}}");
        assert_eq!(up_to as f64, scraped(&series), "{series}");
    }
    assert_eq!(
        point.explicit_bounds.len(),
        14,
        "the bounds of the HTTP conventions"
    );
}

/// Two exports of a counter and a histogram, and a scrape between, under this preference.
fn exported_twice(test: &str, preference: &'static str) -> throughline_receiver::Receiver {
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            preference,
        ),
    ];
    let (receiver, outcome) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("temporal").unwrap();
        let use_all = || {
            metrics::counter!("jobs.done").increment(5);
            metrics::gauge!("cart.items").increment(2.0);
            metrics::histogram!("job.size").record(3.0);
        };
        use_all();
        telemetry.flush(Duration::from_secs(10)).unwrap();
        use_all();
        println!("\n{}", scrape_text());
        telemetry.shutdown();
    });
    // A scrape is cumulative whatever the exporter prefers, and takes nothing from it.
    assert_eq!(scraped(&outcome.stdout, "jobs_done_total "), 10.0);
    assert_eq!(scraped(&outcome.stdout, "job_size_count "), 2.0);
    receiver
}

#[cfg(feature = "prometheus")]
#[test]
fn cumulative_temporality_repeats_the_totals() {
    let receiver = exported_twice("cumulative_temporality_repeats_the_totals", "cumulative");
    let metrics = receiver.metrics();
    let jobs = exports(&metrics, "jobs.done");
    assert_eq!([total(jobs[0]), total(jobs[1])], [5.0, 10.0]);
    assert_eq!(temporality(jobs[0]), CUMULATIVE);
    let sizes = exports(&metrics, "job.size");
    assert_eq!(histograms(sizes[1])[0].count, 2);
    assert_eq!(temporality(sizes[1]), CUMULATIVE);
}

#[cfg(feature = "prometheus")]
#[test]
fn delta_temporality_tells_what_is_new() {
    let receiver = exported_twice("delta_temporality_tells_what_is_new", "delta");
    let metrics = receiver.metrics();
    let jobs = exports(&metrics, "jobs.done");
    assert_eq!([total(jobs[0]), total(jobs[1])], [5.0, 5.0]);
    assert_eq!(temporality(jobs[1]), DELTA);
    let sizes = exports(&metrics, "job.size");
    assert_eq!(histograms(sizes[1])[0].count, 1);
    assert_eq!(temporality(sizes[1]), DELTA);
    let items = exports(&metrics, "cart.items");
    assert_eq!(total(items[1]), 4.0, "a gauge has no temporality");
}

#[cfg(feature = "prometheus")]
#[test]
fn lowmemory_temporality_is_delta_where_that_needs_no_memory() {
    let test = "lowmemory_temporality_is_delta_where_that_needs_no_memory";
    let receiver = exported_twice(test, "lowmemory");
    let metrics = receiver.metrics();
    assert_eq!(temporality(exports(&metrics, "job.size")[1]), DELTA);
    // Counters are cells, which are totals by nature.
    let jobs = exports(&metrics, "jobs.done");
    assert_eq!(temporality(jobs[1]), CUMULATIVE);
    assert_eq!(total(jobs[1]), 10.0);
}

#[cfg(feature = "prometheus")]
#[test]
fn exponential_histograms_come_by_otlp_and_given_bounds_stay() {
    let test = "exponential_histograms_come_by_otlp_and_given_bounds_stay";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
        ),
    ];
    let (receiver, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::builder("native")
            .histogram_buckets("pay.*", [1.0, 10.0])
            .init()
            .unwrap();
        for value in [0.003, 0.02, 3.0, 40.0] {
            metrics::histogram!("job.size").record(value);
            metrics::histogram!("pay.amount").record(value);
        }
        println!("\n{}", scrape_text());
        let protobuf = "application/vnd.google.protobuf; \
                        proto=io.prometheus.client.MetricFamily; encoding=delimited";
        let answer = scrape("/metrics", &format!("{protobuf};q=0.6, text/plain;q=0.5"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.contains(&format!("content-type: {protobuf}")),
            "{answer}"
        );
        assert!(answer.contains("job_size") && !answer.contains("# TYPE"));
        telemetry.shutdown();
    });
    let contents = receiver.contents();
    let Some(Data::ExponentialHistogram(native)) = &contents.metric("job.size").unwrap().data
    else {
        panic!("{:?}", contents.metric("job.size"));
    };
    let point = &native.data_points[0];
    assert_eq!((point.count, point.sum), (4, Some(43.023)));
    let positive: u64 = point.positive.as_ref().unwrap().bucket_counts.iter().sum();
    assert_eq!(positive, 4);
    let pay = &histograms(contents.metric("pay.amount").unwrap())[0];
    assert_eq!(pay.explicit_bounds, [1.0, 10.0]);
    assert_eq!(pay.bucket_counts, [2, 1, 1]);
    let scraped = |series: &str| scraped(&outcome.stdout, series);
    assert_eq!(scraped("job_size_bucket{le=\"4\"}"), 3.0);
    assert_eq!(scraped("job_size_bucket{le=\"+Inf\"}"), 4.0);
    assert_eq!(scraped("job_size_sum "), 43.023);
    assert_eq!(scraped("pay_amount_bucket{le=\"10\"}"), 3.0);
}

#[test]
fn a_unit_described_too_late_warns_once_and_makes_no_second_stream() {
    let test = "a_unit_described_too_late_warns_once_and_makes_no_second_stream";
    let (receiver, outcome) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::init("late").unwrap();
        for _ in 0..3 {
            metrics::counter!("bytes.sent", "peer" => "a").increment(1);
            metrics::describe_counter!("bytes.sent", metrics::Unit::Bytes, "Bytes sent");
            metrics::counter!("bytes.sent", "peer" => "b").increment(1);
        }
        telemetry.shutdown();
    });
    let metrics = receiver.metrics();
    let streams = exports(&metrics, "bytes.sent");
    assert_eq!(streams.len(), 1, "{streams:?}");
    assert_eq!(streams[0].unit, "");
    assert_eq!(total(streams[0]), 6.0);
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`bytes.sent`") && said[0].contains("metric_unit"));
}

#[test]
fn a_unit_given_in_code_may_be_an_annotation() {
    let test = "a_unit_given_in_code_may_be_an_annotation";
    let (receiver, outcome) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::builder("units")
            .metric_unit("orders.placed", "{order}")
            .init()
            .unwrap();
        metrics::describe_counter!("orders.placed", metrics::Unit::Count, "Orders");
        metrics::counter!("orders.placed").increment(1);
        metrics::describe_gauge!("disk.used", metrics::Unit::Mebibytes, "");
        metrics::gauge!("disk.used").set(1.0);
        telemetry.shutdown();
    });
    let contents = receiver.contents();
    let orders = contents.metric("orders.placed").unwrap();
    assert_eq!(
        (orders.unit.as_str(), orders.description.as_str()),
        ("{order}", "Orders")
    );
    assert_eq!(contents.metric("disk.used").unwrap().unit, "MiBy");
    assert!(
        outcome.diagnostics().is_empty(),
        "{:?}",
        outcome.diagnostics()
    );
}

#[test]
fn a_name_that_cannot_be_recorded_is_said_once() {
    let test = "a_name_that_cannot_be_recorded_is_said_once";
    let (receiver, outcome) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::init("names").unwrap();
        for step in ["a", "b", "a"] {
            metrics::counter!("jobs.done", "step" => step).increment(1);
            metrics::gauge!("jobs.done", "step" => step).set(99.0);
            metrics::gauge!("jobs.done", "other" => step).set(99.0);
            metrics::counter!("jobs:done", "step" => step).increment(1);
        }
        telemetry.shutdown();
    });
    let metrics = receiver.metrics();
    assert_eq!(total(exports(&metrics, "jobs.done")[0]), 3.0);
    assert_eq!(exports(&metrics, "jobs.done").len(), 1);
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.contains("also used as a gauge"))
    );
    assert!(said.iter().any(|line| line.contains("`jobs:done`")));
}

#[cfg(feature = "prometheus")]
#[test]
fn what_others_make_is_on_the_endpoint_and_a_taken_name_is_said() {
    let test = "what_others_make_is_on_the_endpoint_and_a_taken_name_is_said";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    let (_, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("others").unwrap();
        throughline::reexport::opentelemetry::global::meter("their.library")
            .u64_counter("their.calls")
            .build()
            .add(3, &[]);
        metrics::counter!("jobs").increment(4);
        metrics::gauge!("jobs.total").set(99.0);
        for _ in 0..2 {
            println!("\n{}", scrape_text());
        }
        telemetry.shutdown();
    });
    let series = "their_calls_total{otel_scope_name=\"their.library\"}";
    assert_eq!(scraped(&outcome.stdout, series), 3.0);
    // Which of the two is first is the order of their making.
    assert_eq!(scraped(&outcome.stdout, "jobs_total "), 4.0);
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`jobs.total`") && said[0].contains("`jobs_total`"));
}

#[test]
fn bounds_that_do_not_ascend_are_refused_by_init() {
    in_child("bounds_that_do_not_ascend_are_refused_by_init", &[], || {
        let error = throughline::builder("bounds")
            .histogram_buckets("job.size", [2.0, 1.0])
            .init()
            .unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("histogram_buckets") && said.contains("job.size"),
            "{said}"
        );
    });
}

#[test]
fn metrics_are_read_at_the_interval_that_the_environment_says() {
    let test = "metrics_are_read_at_the_interval_that_the_environment_says";
    let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "50")];
    received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("interval").unwrap();
        let (read, readings) = channel();
        throughline::reexport::opentelemetry::global::meter("test")
            .u64_observable_gauge("probe")
            .with_callback(move |_| read.send(()).unwrap_or_default())
            .build();
        for _ in 0..3 {
            readings.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        telemetry.shutdown();
    });
}

#[test]
fn an_export_ends_at_the_timeout_that_the_environment_says() {
    let test = "an_export_ends_at_the_timeout_that_the_environment_says";
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hung.local_addr().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.as_str()),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "200"),
    ];
    received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("timeout").unwrap();
        metrics::counter!("jobs.done").increment(1);
        let begun = Instant::now();
        telemetry.flush(Duration::from_secs(9)).unwrap_err();
        // OTEL_EXPORTER_OTLP_TIMEOUT alone would let it wait for 10 s.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        telemetry.shutdown_within(Duration::from_millis(100));
    });
}
