//! What must not break: an upgraded connection goes on after the layer is done with it.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::support::received_by;

/// Answers a line with the same line, as a websocket would a message.
async fn upgrade(mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
        let mut line = [0; 5];
        io.read_exact(&mut line).await.unwrap();
        io.write_all(&line).await.unwrap();
    });
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

#[test]
fn an_upgraded_connection_goes_on_after_its_request_has_ended() {
    let test = "an_upgraded_connection_goes_on_after_its_request_has_ended";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("answers", |runtime| {
            let app = Router::new()
                .route("/", get(upgrade))
                .layer(throughline::http::server());
            let answer = exchange(
                serve(runtime, app),
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello",
            );
            assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
        });
    });
    let access = record(&receiver, "http.server.request");
    assert_eq!(of(&access, "http.response.status_code").unwrap(), "101");
    assert_eq!(of(&access, "error.type"), None);
    assert_eq!(spans(&receiver).len(), 1);
}
