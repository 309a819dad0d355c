//! Bytes that are not what they say.

use crate::{
    dev::{Dev, folder, number},
    http::{JSON, call, post, send},
    otlp::endpoints,
};

/// gRPC's code for a request that makes no sense.
const INVALID_ARGUMENT: i32 = 3;

/// A generator of bytes that are the same in every run.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 24) as u8
    })
    .take(length)
    .collect()
}

#[test]
fn malformed_protobuf_is_refused_over_both_transports_and_the_next_request_is_taken() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    for (path, method, valid) in endpoints() {
        let mut bad = vec![
            ("a number that never ends", vec![0xff; 11]),
            ("a field of number 0", vec![0x00, 0x01]),
            ("a resource that is a number", vec![0x08, 0x01]),
            ("a group, which left protobuf", vec![0x0b, 0x0c]),
            ("a length beyond the end", vec![0x0a, 0x7f, 0x00]),
            ("a length of 2^64 - 1", {
                let mut bytes = vec![0x0a];
                bytes.extend([0xff; 9]);
                bytes.push(0x01);
                bytes
            }),
            (
                "a schema's address that is not UTF-8",
                vec![0x0a, 4, 0x1a, 2, 0xc3, 0x28],
            ),
        ];
        for cut in [1, 2, valid.len() / 3, valid.len() / 2, valid.len() - 1] {
            bad.push(("a message cut short", valid[..cut].to_vec()));
        }
        for seed in 1..20 {
            // A message in a known field, so that what is in it is read.
            let mut bytes = vec![0x0a, 100, 0x12, 98, 0x12, 96];
            bytes.extend(noise(seed, 96));
            bad.push(("noise", bytes));
        }
        for (what, bytes) in bad {
            let answer = post(dev.http, path, &bytes);
            assert_eq!(answer.status, 400, "{path}: {what}: {bytes:02x?}");
            assert_eq!(
                call(dev.grpc, method, &[], &bytes),
                INVALID_ARGUMENT,
                "{method}: {what}: {bytes:02x?}"
            );
        }
        assert_eq!(post(dev.http, path, &valid).status, 200, "{path}");
        assert_eq!(call(dev.grpc, method, &[], &valid), 0, "{method}");
    }
    let database = dev.database();
    assert_eq!(number(&database, "SELECT count(*) FROM span"), 2);
    assert_eq!(number(&database, "SELECT count(*) FROM record"), 2);
}

#[test]
fn malformed_json_is_refused_and_the_next_request_is_taken() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let deep = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{}{}}}]}}]}}]}}"#,
        r#"{"arrayValue":{"values":["#.repeat(5_000),
        r#"]}}"#.repeat(5_000),
    );
    let bad: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"nonsense",
        br#"{"resourceSpans": 7, "resourceLogs": 7, "resourceMetrics": 7}"#,
        b"{\"resourceSpans\xff\": []}",
        &[b'['; 100_000],
        deep.as_bytes(),
    ];
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for body in bad {
            // What no member of this signal's request is, is ignored, as the rules of OTLP say.
            if body == deep.as_bytes() && path != "/v1/logs" {
                continue;
            }
            let answer = send(dev.http, "POST", path, &[JSON], body);
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]);
            assert_eq!(answer.status, 400, "{path}: {start}");
        }
        let answer = send(dev.http, "POST", path, &[JSON], b"{}");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[test]
fn malformed_envelopes_are_refused_and_the_next_is_taken() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let bad: [&[u8]; 5] = [
        b"",
        b"not json\n",
        b"{}\n{\"type\":\"event\",\"length\":1000}\n{}\n",
        b"{}\n{\"type\":\"event\"}\n{\"exception\":\n",
        &[0xff; 1000],
    ];
    for path in ["/api/1/envelope/", "/stream"] {
        for body in bad {
            let answer = send(dev.page, "POST", path, &[], body);
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]);
            assert_eq!(answer.status, 400, "{path}: {start:?}: {}", answer.text());
        }
    }
    let event = b"{}\n{\"type\":\"event\"}\n{\"message\":\"it broke\",\"level\":\"error\"}\n";
    let answer = send(dev.page, "POST", "/api/1/envelope/", &[], event);
    assert_eq!(answer.status, 200, "{}", answer.text());
}
