//! The server layer, through real sockets: what a request leaves behind.

mod answers;
mod basics;
mod ends;
mod example;
mod failures;
mod hostile;
#[cfg(feature = "sentry")]
mod reports;
mod table;
mod trust;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use axum::Router;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::{Attributes, Received, Receiver};

use crate::support::text;

/// Telemetry and a runtime with one worker, in the child; ended when `body` has returned.
fn running(service: &str, body: impl FnOnce(&tokio::runtime::Runtime)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let entered = runtime.enter();
    let telemetry = throughline::builder(service).init().unwrap();
    drop(entered);
    body(&runtime);
    let report = telemetry.shutdown();
    assert!(report.is_lossless(), "{report}");
}

/// Serves with the addresses of the peers.
fn serve(runtime: &tokio::runtime::Runtime, app: Router) -> SocketAddr {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, service).await });
    address
}

/// Sends this text and gives the whole answer, until the server closes.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A server that breaks off resets the connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request of these lines.
fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> String {
    let mut request =
        format!("{line} HTTP/1.1\r\nHost: shop.example:8443\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    exchange(address, request.as_bytes())
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The spans of requests, in the order of their ends.
fn spans(receiver: &Receiver) -> Vec<Received<Span>> {
    let server = |span: &Received<Span>| span.kind == 2;
    receiver.spans().into_iter().filter(server).collect()
}

/// The records of this event.
fn records(receiver: &Receiver, event: &str) -> Vec<Received<LogRecord>> {
    let logs = receiver.logs().into_iter();
    logs.filter(|log| log.event_name == event).collect()
}

/// The only record of this event.
#[track_caller]
fn record(receiver: &Receiver, event: &str) -> Received<LogRecord> {
    let mut records = records(receiver, event);
    assert_eq!(records.len(), 1, "{event}: {:#?}", receiver.logs());
    records.remove(0)
}

/// An attribute as text, where it is there.
fn of<T: Attributes>(item: &Received<T>, name: &str) -> Option<String> {
    item.attribute(name).map(|value| text(Some(value)))
}
