//! The `metrics` facade by OTLP and at the Prometheus endpoint: the same numbers.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::received_by;
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::proto::metrics::v1::number_data_point::Value;

fn get(port: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A port that was free a moment ago.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

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
        metrics::counter!("jobs.done").absolute(5);
        metrics::counter!("jobs.done").absolute(7);
        for value in [0.003, 0.02, 0.02, 9.0, 40.0] {
            metrics::histogram!("http.server.request.duration", "http.route" => "/a").record(value);
        }
        let port = std::env::var("OTEL_EXPORTER_PROMETHEUS_PORT").unwrap();
        println!("\n{}", get(&port, "/metrics"));
        assert!(get(&port, "/other").starts_with("HTTP/1.1 404"));
        assert!(telemetry.shutdown().is_lossless());
    });
    let scraped = |series: &str| -> f64 {
        let line = outcome.stdout.lines().find(|line| line.starts_with(series));
        let line = line.unwrap_or_else(|| panic!("no {series} in {}", outcome.stdout));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(scraped("cart_items "), 3.0);
    assert_eq!(scraped("jobs_done_total "), 7.0);
    let contents = receiver.contents();
    let number = |name: &str| {
        let metric = contents.metric(name).unwrap();
        let points = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            other => panic!("{other:?}"),
        };
        match points[0].value {
            Some(Value::AsDouble(value)) => value,
            Some(Value::AsInt(value)) => value as f64,
            None => panic!("{name} has no value"),
        }
    };
    assert_eq!(number("cart.items"), 3.0);
    assert_eq!(number("jobs.done"), 7.0);

    let metric = contents.metric("http.server.request.duration").unwrap();
    assert_eq!(metric.unit, "s");
    assert_eq!(metric.description, "Duration of requests");
    let Some(Data::Histogram(histogram)) = &metric.data else {
        panic!("{metric:?}");
    };
    let point = &histogram.data_points[0];
    let family = "http_server_request_duration_seconds";
    assert_eq!(point.count as f64, scraped(&format!("{family}_count")));
    assert_eq!(point.sum.unwrap(), scraped(&format!("{family}_sum")));
    assert_eq!(point.count, 5);
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
