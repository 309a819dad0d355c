//! What an HTTP client sees, and what the store has afterwards.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use reqwest::{Client, Response, StatusCode};
use throughline_receiver::{MAX_REQUEST_BYTES, Receiver, Transport};

fn body() -> Vec<u8> {
    let span = Span {
        name: "GET /orders/{id}".into(),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(receiver: &Receiver, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let request = headers
        .iter()
        .fold(Client::new().post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(body).send().await.unwrap()
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

#[tokio::test]
async fn a_post_is_answered_in_protobuf_and_kept_with_its_headers() {
    let receiver = Receiver::start().unwrap();
    let response = post(&receiver, &[PROTOBUF, ("x-tenant", "acme")], body()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-protobuf");
    let answer = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer, ExportTraceServiceResponse::default());

    let received = receiver.contents();
    assert_eq!(received.spans[0].name, "GET /orders/{id}");
    assert_eq!(received.requests[0].transport, Transport::HttpProtobuf);
    assert_eq!(received.requests[0].header("x-tenant"), Some("acme"));
}

#[tokio::test]
async fn a_gzip_body_is_unpacked_and_its_encoding_stays_visible() {
    let receiver = Receiver::start().unwrap();
    let response = post(
        &receiver,
        &[PROTOBUF, ("content-encoding", "gzip")],
        gzip(&body()),
    )
    .await;
    assert_eq!(response.status(), StatusCode::OK);
    let received = receiver.contents();
    assert_eq!(received.spans.len(), 1);
    assert_eq!(
        received.requests[0].header("content-encoding"),
        Some("gzip")
    );
}

#[tokio::test]
async fn other_types_and_unknown_encodings_are_an_unsupported_media_type() {
    let receiver = Receiver::start().unwrap();
    let text = post(&receiver, &[("content-type", "text/plain")], body()).await;
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(text.headers()["content-type"], "application/x-protobuf");
    let brotli = post(&receiver, &[PROTOBUF, ("content-encoding", "br")], body()).await;
    assert_eq!(brotli.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let message = String::from_utf8_lossy(&brotli.bytes().await.unwrap()).into_owned();
    assert!(
        message.contains("expected gzip, zstd or identity"),
        "{message}"
    );
    assert!(receiver.contents().requests.is_empty());
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_a_bad_request() {
    let receiver = Receiver::start().unwrap();
    let garbage = post(&receiver, &[PROTOBUF], b"\xff\xff not protobuf".to_vec()).await;
    assert_eq!(garbage.status(), StatusCode::BAD_REQUEST);
    let not_gzip = post(&receiver, &[PROTOBUF, ("content-encoding", "gzip")], body()).await;
    assert_eq!(not_gzip.status(), StatusCode::BAD_REQUEST);
    assert!(receiver.contents().requests.is_empty());
}

#[tokio::test]
async fn the_size_limit_counts_decompressed_bytes() {
    let receiver = Receiver::start().unwrap();
    let bomb = gzip(&vec![0; MAX_REQUEST_BYTES + 1]);
    assert!(bomb.len() < MAX_REQUEST_BYTES / 100);
    let response = post(&receiver, &[PROTOBUF, ("content-encoding", "gzip")], bomb).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
