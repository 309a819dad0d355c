//! Too much of something: bytes, attributes, depth, label sets, connections.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::{
    dev::{Dev, folder, number},
    http::{PROTOBUF, get, post, send},
    otlp::{attribute, nested, points, record, records, refused_points, span, spans},
};

const MEGABYTE: usize = 1024 * 1024;

fn gzip_of_zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; bytes]).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_grows_to_a_gigabyte_is_refused_before_it_has() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    // Members in a row are one body.
    let gzip = gzip_of_zeros(16 * MEGABYTE).repeat(64);
    let zstd = zstd::encode_all(std::io::repeat(0).take(1024 * MEGABYTE as u64), 1).unwrap();
    assert!(gzip.len() < 2 * MEGABYTE && zstd.len() < MEGABYTE);
    let before = dev.peak_memory();
    let member = gzip_of_zeros(64 * MEGABYTE);
    for (encoding, bomb, for_sentry) in [("gzip", &gzip, &member), ("zstd", &zstd, &zstd)] {
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
            let headers = [PROTOBUF, ("content-encoding", encoding)];
            let answer = send(dev.http, "POST", path, &headers, bomb);
            assert_eq!(
                answer.status,
                413,
                "{encoding} to {path}: {}",
                answer.text()
            );
        }
        let headers = [("content-encoding", encoding)];
        for path in ["/api/1/envelope/", "/api/1/store/", "/stream"] {
            let answer = send(dev.page, "POST", path, &headers, for_sentry);
            assert_eq!(
                answer.status,
                413,
                "{encoding} to {path}: {}",
                answer.text()
            );
        }
    }
    let grown = dev.peak_memory() - before;
    assert!(
        grown < 150 * MEGABYTE as u64,
        "memory grew by {grown} bytes"
    );
    assert_eq!(get(dev.page, "/readyz").status, 200);
}

#[test]
fn a_span_of_ten_megabytes_is_kept_whole() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let mut huge = span(77, 1);
    huge.attributes = vec![attribute("note", "x".repeat(10 * MEGABYTE))];
    let request = spans(vec![huge, span(77, 2)]);
    assert_eq!(post(dev.http, "/v1/traces", &request).status, 200);
    let length = number(&dev.database(), "SELECT max(length) FROM span");
    assert!(length > 10 * MEGABYTE as i64, "{length}");
    let asked = Instant::now();
    for page in ["/", "/traces", &format!("/traces/{:032x}", 77)] {
        let answer = get(dev.page, page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
        assert!(
            answer.body.len() < MEGABYTE,
            "{page}: {}",
            answer.body.len()
        );
    }
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_record_of_a_million_attributes_costs_no_more_than_a_few_times_its_size() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let mut wide = record("so many");
    wide.attributes = (0..1_000_000)
        .map(|number: u32| attribute(format!("{number:x}"), "v"))
        .collect();
    let request = records(vec![wide]);
    let size = request.len() as u64;
    let before = dev.peak_memory();
    assert_eq!(post(dev.http, "/v1/logs", &request).status, 200);
    let grown = dev.peak_memory() - before;
    assert!(grown < 6 * size, "memory grew by {grown} bytes for {size}");
    assert_eq!(number(&dev.database(), "SELECT count(*) FROM record"), 1);
    for page in ["/", "/logs", "/logs/1"] {
        let answer = get(dev.page, page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
        assert!(
            answer.body.len() < MEGABYTE,
            "{page}: {}",
            answer.body.len()
        );
    }
}

#[test]
fn millions_of_empty_items_are_refused_before_they_take_memory() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    /// A message in field 1 of another, as a resource is in a request.
    fn inside(field: u8, message: &[u8]) -> Vec<u8> {
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(message.len() as u64, &mut outer);
        outer.extend_from_slice(message);
        outer
    }
    // Each is a tag and a length of nothing.
    let items = inside(1, &inside(2, &[0x12, 0].repeat(5_000_000)));
    let resources = [0x0a, 2, 0x12, 0].repeat(2_500_000);
    let points = inside(
        1,
        &inside(2, &inside(2, &inside(5, &[0x0a, 0].repeat(5_000_000)))),
    );
    let before = dev.peak_memory();
    for (path, request) in [
        ("/v1/traces", &items),
        ("/v1/logs", &items),
        ("/v1/traces", &resources),
        ("/v1/logs", &resources),
        ("/v1/metrics", &points),
    ] {
        let answer = post(dev.http, path, request);
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
    }
    let grown = dev.peak_memory() - before;
    assert!(
        grown < 200 * MEGABYTE as u64,
        "memory grew by {grown} bytes"
    );
}

#[test]
fn values_that_lie_too_deep_in_each_other_are_refused() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    for (depth, status) in [(44, 200), (46, 400), (300, 400)] {
        let mut deep = record("deep");
        deep.attributes = vec![KeyValue {
            key: "deep".into(),
            value: Some(nested(depth)),
            ..KeyValue::default()
        }];
        let mut deep_span = span(1, 1);
        deep_span.attributes.clone_from(&deep.attributes);
        let answer = post(dev.http, "/v1/logs", &records(vec![deep]));
        assert_eq!(answer.status, status, "a record of {depth}");
        let answer = post(dev.http, "/v1/traces", &spans(vec![deep_span]));
        assert_eq!(answer.status, status, "a span of {depth}");
    }
    for page in [
        "/",
        "/logs",
        "/logs/1",
        "/traces",
        &format!("/traces/{:032x}", 1),
    ] {
        assert_eq!(get(dev.page, page).status, 200, "{page}");
    }
}

#[test]
fn of_a_million_label_sets_a_hundred_thousand_are_kept_and_the_rest_is_said_to_be_refused() {
    const REQUESTS: usize = 50;
    const EACH: usize = 20_000;
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let mut refused = 0;
    for request in 0..REQUESTS {
        let labels = (0..EACH).map(|n| vec![attribute("id", format!("{}", request * EACH + n))]);
        let answer = post(dev.http, "/v1/metrics", &points("requests", labels));
        assert_eq!(answer.status, 200, "{}", answer.text());
        refused += refused_points(&answer.body);
    }
    assert_eq!(refused, 900_000);
    let database = dev.database();
    assert_eq!(number(&database, "SELECT count(*) FROM series"), 100_000);
    assert_eq!(number(&database, "SELECT count(*) FROM point"), 100_000);
    let peak = dev.peak_memory();
    assert!(peak < 300 * MEGABYTE as u64, "{peak} bytes of memory");
    let asked = Instant::now();
    for page in ["/", "/health", "/metrics", "/metrics/requests"] {
        let answer = get(dev.page, page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
        assert!(
            answer.body.len() < 2 * MEGABYTE,
            "{page}: {}",
            answer.body.len()
        );
    }
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_thousand_idle_connections_and_slow_clients_keep_nobody_out() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let asked = Instant::now();
    let mut idle = Vec::new();
    for address in [dev.http, dev.grpc, dev.page] {
        for number in 0..334 {
            let mut stream = TcpStream::connect(address).unwrap();
            if number % 2 == 0 {
                // Begins a request and never ends it.
                stream
                    .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: 127")
                    .unwrap();
            }
            idle.push(stream);
        }
    }
    assert!(idle.len() > 1_000);
    let answer = post(dev.http, "/v1/traces", &spans(vec![span(1, 1)]));
    assert_eq!(answer.status, 200);
    assert_eq!(get(dev.page, "/readyz").status, 200);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(idle);
}
