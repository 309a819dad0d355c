//! Connections that end as servers and what stands before them end them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{PROTOCOLS, in_child, is_child};
use throughline::DropReason;

/// What a request's head says of its body.
fn head(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut length = 0;
    for number in 0.. {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() && number > 0 {
            break;
        }
    }
    Some(length)
}

/// A server that gives each connection, with its number, to `serve`.
fn server(serve: fn(usize, BufReader<TcpStream>)) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || serve(number, BufReader::new(stream.unwrap())));
        }
    });
    (address, connections)
}

fn take(stream: &mut BufReader<TcpStream>) -> bool {
    let Some(length) = head(stream) else {
        return false;
    };
    stream.read_exact(&mut vec![0; length]).is_ok()
}

#[test]
fn a_body_that_is_refused_before_it_is_read_is_not_sent_for_ever() {
    let test = "a_body_that_is_refused_before_it_is_read_is_not_sent_for_ever";
    let body = || {
        let telemetry = throughline::init("large").unwrap();
        tracing::info!(text = "x".repeat(8 << 20), "large");
        let report = telemetry.shutdown();
        assert_eq!(report.logs.dropped, [(DropReason::Rejected, 1)].into());
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    let (address, _) = server(|_, mut stream| {
        head(&mut stream);
        let answer =
            b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.get_mut().write_all(answer);
        // Closed at once, the connection would be reset, and the answer perhaps lost.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let endpoint = format!("http://{address}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("THROUGHLINE_LOG_FORMAT", "off"),
    ];
    in_child(test, &variables, body);
}

#[cfg(feature = "sentry")]
#[test]
fn an_error_report_on_a_connection_that_the_server_has_just_left_goes_by_another() {
    let test = "an_error_report_on_a_connection_that_the_server_has_just_left_goes_by_another";
    let body = || {
        let telemetry = throughline::init("shop").unwrap();
        for number in 0..4 {
            tracing::error!(number, "it went wrong");
        }
        let report = telemetry.shutdown();
        assert_eq!(
            (report.errors.emitted, report.errors.delivered),
            (4, 4),
            "{report}"
        );
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    let (address, connections) = server(|_, mut stream| {
        if take(&mut stream) {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .unwrap();
        }
        // It closes when the next request is on its way.
        head(&mut stream);
    });
    let dsn = format!("http://0123456789abcdef0123456789abcdef@{address}/7");
    let variables = [
        ("SENTRY_DSN", dsn.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    in_child(test, &variables, body);
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[test]
fn a_server_of_the_first_http_is_understood() {
    let test = "a_server_of_the_first_http_is_understood";
    let body = || {
        let telemetry = throughline::init("old").unwrap();
        for _ in 0..3 {
            tracing::info!("one");
            telemetry.flush(Duration::from_secs(5)).unwrap();
        }
        let report = telemetry.shutdown();
        assert_eq!(
            (report.logs.delivered, report.is_lossless()),
            (3, true),
            "{report}"
        );
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    let (address, connections) = server(|_, mut stream| {
        if take(&mut stream) {
            stream
                .get_mut()
                .write_all(b"HTTP/1.0 200 OK\r\n\r\n")
                .unwrap();
        }
    });
    let endpoint = format!("http://{address}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    in_child(test, &variables, body);
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

/// What is open now, sockets among it.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_receiver_that_reads_nothing_does_not_cost_a_connection_a_try() {
    let test = "a_receiver_that_reads_nothing_does_not_cost_a_connection_a_try";
    let body = || {
        let telemetry = throughline::init("hung").unwrap();
        // More than the system's buffers take.
        tracing::info!(text = "x".repeat(8 << 20), "large");
        let before = open_files();
        let done = telemetry.flush(Duration::from_secs(2));
        assert!(done.is_err(), "nobody took it");
        let after = open_files();
        assert!(after < before + 3, "{before}, {after}");
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    for protocol in PROTOCOLS {
        let (address, connections) = server(|_, stream| {
            // For as long as the test may run.
            std::thread::sleep(Duration::from_secs(60));
            drop(stream);
        });
        let endpoint = format!("http://{address}");
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("THROUGHLINE_LOG_FORMAT", "off"),
            ("THROUGHLINE_SHUTDOWN_MS", "1"),
        ];
        in_child(test, &variables, body);
        let tries = connections.load(Ordering::SeqCst);
        assert!(tries > 4, "{protocol}: {tries}");
    }
}
