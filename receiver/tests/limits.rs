//! Requests and connections that ask for too much.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use prost::Message;
use reqwest::StatusCode;
use throughline_receiver::{Accepted, Addresses, Limits, Options, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{interval, timeout},
};
use tonic::{Code, codec::CompressionEncoding};
use tonic_types::StatusExt;

use support::{
    DEADLINE, Held, JSON, PROTOBUF, call, client, gzip, post, post_span, span_of, status_of, taking,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn within(limits: Limits) -> Options {
    Options {
        limits,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_for_good() {
    let server = taking(within(Limits {
        request_bytes: 64 * KIB,
        ..Limits::default()
    }));
    call(&server, span_of(60 * KIB)).await.unwrap();
    let by_grpc = call(&server, span_of(65 * KIB)).await.unwrap_err();
    assert_eq!(by_grpc.code(), Code::ResourceExhausted);
    assert!(by_grpc.get_details_retry_info().is_none());
    let by_http = post_span(&server, &span_of(65 * KIB)).await;
    assert_eq!(by_http.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(status_of(by_http).await.0, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_body_that_hides_its_length_is_counted_as_it_comes() {
    let server = taking(within(Limits {
        request_bytes: 64 * KIB,
        ..Limits::default()
    }));
    let mut stream = TcpStream::connect(server.addresses().http).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..9 {
        let chunk = [b"2000\r\n", &[b'x'; 0x2000][..], b"\r\n"].concat();
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    let read = stream.read_exact(&mut answer);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_bomb_is_refused_by_either_transport_and_compression() {
    let server = taking(Options::default());
    let bomb = vec![0; 200 * MIB];
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.write_all(&bomb).unwrap();
    for (encoding, packed) in [("gzip", gzip(&bomb)), ("zstd", zstd.finish().unwrap())] {
        assert!(packed.len() < MIB);
        for kind in [PROTOBUF, JSON] {
            let headers = [("content-type", kind), ("content-encoding", encoding)];
            let response = post(&server, &headers, packed.clone()).await;
            assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = client(&server).await.send_compressed(encoding);
        let status = client.export(span_of(20 * MIB)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
}

#[tokio::test]
async fn decompressed_bytes_are_in_flight_as_well() {
    let server = taking(within(Limits {
        in_flight_bytes: MIB,
        ..Limits::default()
    }));
    let packed = gzip(&span_of(2 * MIB).encode_to_vec());
    let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    let response = post(&server, &headers, packed).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // It was all given back.
    let small = post_span(&server, &span_of(900 * KIB)).await;
    assert_eq!(small.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_zstd_window_of_128_mib_is_refused() {
    let server = taking(Options::default());
    let pack = |window| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window).unwrap();
        encoder.write_all(&span_of(KIB).encode_to_vec()).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [("content-type", PROTOBUF), ("content-encoding", "zstd")];
    let modest = post(&server, &headers, pack(23)).await;
    assert_eq!(modest.status(), StatusCode::OK);
    let greedy = post(&server, &headers, pack(27)).await;
    assert_eq!(greedy.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_exceeds_the_bytes_in_flight_is_told_to_come_back() {
    let (sink, mut arrived) = Held::new();
    let limits = Limits {
        in_flight_bytes: MIB,
        ..Limits::default()
    };
    let server = Server::start_raw(Addresses::default(), sink, within(limits)).unwrap();
    let mut held = client(&server).await;
    let first = tokio::spawn(async move { held.export(span_of(700 * KIB)).await });
    let waiting = timeout(DEADLINE, arrived.recv()).await.unwrap().unwrap();

    let refused = call(&server, span_of(700 * KIB));
    let by_grpc = timeout(DEADLINE, refused).await.unwrap().unwrap_err();
    assert_eq!(by_grpc.code(), Code::Unavailable);
    let wait = by_grpc.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(1)));
    let by_http = post_span(&server, &span_of(700 * KIB)).await;
    assert_eq!(by_http.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(by_http.headers()["retry-after"], "1");

    waiting.answer.send(Ok(Accepted::default())).unwrap();
    first.await.unwrap().unwrap();
    let mut later = client(&server).await;
    let later = tokio::spawn(async move { later.export(span_of(700 * KIB)).await });
    let waiting = timeout(DEADLINE, arrived.recv()).await.unwrap().unwrap();
    waiting.answer.send(Ok(Accepted::default())).unwrap();
    later.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_client_left_behind_is_no_longer_in_flight() {
    let (sink, mut arrived) = Held::new();
    let limits = Limits {
        in_flight_bytes: MIB,
        ..Limits::default()
    };
    let server = Server::start_raw(Addresses::default(), sink, within(limits)).unwrap();
    let mut gone = client(&server).await;
    let gone = tokio::spawn(async move { gone.export(span_of(700 * KIB)).await });
    let mut left = timeout(DEADLINE, arrived.recv()).await.unwrap().unwrap();
    gone.abort();
    timeout(DEADLINE, left.answer.closed()).await.unwrap();

    let mut next = client(&server).await;
    let next = tokio::spawn(async move { next.export(span_of(700 * KIB)).await });
    let waiting = timeout(DEADLINE, arrived.recv()).await.unwrap().unwrap();
    waiting.answer.send(Ok(Accepted::default())).unwrap();
    next.await.unwrap().unwrap();
}

fn impatient() -> Options {
    within(Limits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
}

/// Whether the server ends the connection, by whatever means, while `trickle` is sent
/// byte by byte and over again.
async fn is_closed(stream: TcpStream, trickle: &'static [u8]) -> bool {
    let (mut reading, mut writing) = stream.into_split();
    let trickling = tokio::spawn(async move {
        let mut pace = interval(Duration::from_millis(20));
        for byte in trickle.iter().cycle() {
            pace.tick().await;
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        // Its end would be the client's own goodbye.
        writing
    });
    let mut rest = Vec::new();
    let end = timeout(DEADLINE, reading.read_to_end(&mut rest)).await;
    trickling.abort();
    match end {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == ErrorKind::ConnectionReset,
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_client_that_trickles_its_headers_is_closed() {
    let server = taking(impatient());
    let first = TcpStream::connect(server.addresses().http).await.unwrap();
    assert!(is_closed(first, b"POST /v1/traces HTTP/1.1 and so on").await);

    // Nor is one that has been served before any better off.
    let mut second = TcpStream::connect(server.addresses().http).await.unwrap();
    let request = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\
                    content-type: application/json\r\n\r\n";
    second.write_all(request).await.unwrap();
    let mut status = [0; 12];
    second.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 400");
    assert!(is_closed(second, b"POST /v1/traces HTTP/1.1 and so on").await);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let server = taking(impatient());
    for address in [server.addresses().http, server.addresses().grpc] {
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(is_closed(stream, b"").await);
    }
}

#[tokio::test]
async fn an_idle_grpc_connection_is_closed_and_opened_again() {
    let server = taking(within(Limits {
        idle_timeout: Duration::from_millis(100),
        connections: 1,
        ..Limits::default()
    }));
    let mut idle = client(&server).await;
    idle.export(span_of(1)).await.unwrap();
    // The only place among the connections becomes free.
    timeout(DEADLINE, call(&server, span_of(1)))
        .await
        .unwrap()
        .unwrap();
    timeout(DEADLINE, idle.export(span_of(1)))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = taking(impatient());
    let mut stream = TcpStream::connect(server.addresses().http).await.unwrap();
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\
                 content-type: application/x-protobuf\r\n\r\nonly so much";
    stream.write_all(head).await.unwrap();
    let mut status = [0; 12];
    let read = stream.read_exact(&mut status);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[tokio::test]
async fn long_headers_are_refused() {
    let server = taking(Options::default());
    let headers = [
        ("content-type", PROTOBUF),
        ("x-long", &"x".repeat(40 * KIB)),
    ];
    let response = post(&server, &headers, "").await;
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}
