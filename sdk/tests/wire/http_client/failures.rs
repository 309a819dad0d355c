//! Requests that have no response, each by its kind.

use std::time::Duration;

use super::conventions::{DURATION, SPAN};
use super::{Server, calls, client, get, hyper_client, is_error, metric, text, with_telemetry};
use crate::support::received_by;
use crate::support::semconv::hold;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt;
use tower::{Layer, ServiceExt};

/// The `error.type` of the one request that the child makes, and its status's message.
#[track_caller]
fn failed(test: &str, work: impl AsyncFnOnce()) -> (String, String) {
    let (receiver, _) = received_by(test, "http/protobuf", &[], || with_telemetry(work));
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let due = ["error.type"];
    hold(SPAN, &calls[0].attributes, &due, &[]);
    assert!(is_error(&calls[0]));
    assert_eq!(text(&calls[0], "http.response.status_code"), None);
    let metric = metric(&receiver, DURATION.name);
    DURATION.hold(&metric, &due);
    let kind = text(&calls[0], "error.type").unwrap();
    let points = super::histogram(&metric);
    let labelled = points[0].attributes.iter().any(|label| {
        let value = label.value.as_ref().and_then(|value| value.value.as_ref());
        label.key == "error.type" && crate::support::text(value) == kind
    });
    assert!(labelled, "{points:#?}");
    let message = calls[0].status.as_ref().unwrap().message.clone();
    (kind, message)
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let (kind, message) = failed("a_port_where_nobody_listens_refuses", async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let call = client(throughline::http::client());
        let request = get(&format!("http://127.0.0.1:{port}/"));
        call.oneshot(request).await.unwrap_err();
    });
    assert_eq!(kind, "connection_refused");
    assert!(message.contains("refused"), "{message}");
}

#[test]
fn a_name_that_does_not_exist_is_not_resolved() {
    let (kind, _) = failed("a_name_that_does_not_exist_is_not_resolved", async || {
        // By RFC 6761 no resolver knows it.
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let client = throughline::http::client().layer(client);
        client
            .oneshot(get("http://nobody.invalid/"))
            .await
            .unwrap_err();
    });
    assert_eq!(kind, "name_resolution_error");
}

#[test]
fn a_timeout_below_the_layer_is_one() {
    let (kind, message) = failed("a_timeout_below_the_layer_is_one", async || {
        let server = Server::start().await;
        let inner = tower::timeout::Timeout::new(hyper_client(), Duration::from_millis(50));
        let client = throughline::http::client().layer(inner);
        client.oneshot(get(&server.url("/hang"))).await.unwrap_err();
    });
    assert_eq!(kind, "timeout");
    assert_eq!(message, "request timed out");
}

#[test]
fn a_request_that_is_dropped_is_cancelled() {
    let (kind, _) = failed("a_request_that_is_dropped_is_cancelled", async || {
        let server = Server::start().await;
        let call = client(throughline::http::client()).oneshot(get(&server.url("/hang")));
        let above = tokio::time::timeout(Duration::from_millis(50), call);
        above.await.unwrap_err();
    });
    assert_eq!(kind, "cancelled");
}

#[test]
fn a_server_that_closes_the_connection_is_a_connection_error() {
    let test = "a_server_that_closes_the_connection_is_a_connection_error";
    let (kind, _) = failed(test, async || {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Read first: to close with something unread resets.
            let mut request = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        });
        let call = client(throughline::http::client());
        let request = get(&format!("http://{address}/"));
        call.oneshot(request).await.unwrap_err();
        closing.await.unwrap();
    });
    assert_eq!(kind, "connection_error");
}

#[test]
fn an_error_that_nobody_knows_is_of_no_kind_of_its_own() {
    let test = "an_error_that_nobody_knows_is_of_no_kind_of_its_own";
    let (kind, message) = failed(test, async || {
        let inner = tower::service_fn(async |_: http::Request<Full<Bytes>>| {
            Err::<http::Response<Full<Bytes>>, _>(std::fmt::Error)
        });
        let client = throughline::http::client().layer(inner);
        client.oneshot(get("http://payments/")).await.unwrap_err();
    });
    assert_eq!(kind, "_OTHER");
    assert_eq!(message, std::fmt::Error.to_string());
}
