//! What was measured, as numbers, off the wire and off the Prometheus endpoint.

use std::io::{Read, Write};
use std::net::TcpStream;

use throughline_receiver::Received;
use throughline_receiver::proto::common::v1::{KeyValue, any_value::Value as Attribute};
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::proto::metrics::v1::number_data_point::Value;
use throughline_receiver::proto::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint};

/// A port that was free a moment ago.
pub fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// The whole answer of the endpoint of this process, head and body.
pub fn scrape(path: &str, accept: &str) -> Vec<u8> {
    let port = std::env::var("OTEL_EXPORTER_PROMETHEUS_PORT").unwrap();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// What a scraper that reads text is told.
pub fn scrape_text() -> String {
    String::from_utf8(scrape("/metrics", "text/plain")).unwrap()
}

/// The value of the series whose line begins like this.
pub fn scraped(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

pub fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        other => panic!("not numbers: {other:?}"),
    }
}

pub fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => panic!("{point:?} has no value"),
    }
}

/// The sum over all points.
pub fn total(metric: &Metric) -> f64 {
    numbers(metric).iter().map(value).sum()
}

pub fn histograms(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Histogram(histogram) => &histogram.data_points,
        other => panic!("not a histogram: {other:?}"),
    }
}

/// The temporality of a sum or a histogram; 1 is delta, 2 cumulative.
pub fn temporality(metric: &Metric) -> i32 {
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => sum.aggregation_temporality,
        Data::Histogram(histogram) => histogram.aggregation_temporality,
        Data::ExponentialHistogram(histogram) => histogram.aggregation_temporality,
        other => panic!("no temporality: {other:?}"),
    }
}

pub const DELTA: i32 = 1;
pub const CUMULATIVE: i32 = 2;

/// All exports of a name, in their order.
pub fn exports<'a>(metrics: &'a [Received<Metric>], name: &str) -> Vec<&'a Received<Metric>> {
    metrics
        .iter()
        .filter(|metric| metric.name == name)
        .collect()
}

pub fn is_overflow(attributes: &[KeyValue]) -> bool {
    attributes.iter().any(|attribute| {
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
        attribute.key == "otel.metric.overflow" && value == Some(&Attribute::BoolValue(true))
    })
}

pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(super::text(found.value.as_ref()?.value.as_ref()))
}
