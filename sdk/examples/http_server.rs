//! A service that answers HTTP requests, with one layer around it: spans, metrics, an access
//! log, request ids and error reports.
//!
//! ```text
//! cargo run -p throughline --example http_server --features axum
//! ```
//!
//! It asks itself a few requests and ends. With `throughline dev`, or the stack of
//! `docker-compose.yml`, they are there to look at.

use std::net::SocketAddr;

use axum::extract::{Extension, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve};
use throughline::http::{ClientAddress, HandlerError, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, thiserror::Error)]
#[error("there is no order {0}")]
struct NoOrder(u64);

/// What the service answers with where it cannot go on: the error travels beside the answer,
/// and is reported with its type.
struct Failed(NoOrder);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        let error = HandlerError::new(self.0);
        response.extensions_mut().insert(error);
        response
    }
}

async fn order(Path(id): Path<u64>, Extension(request): Extension<RequestId>) -> String {
    throughline::context::set_user("ada");
    tracing::info!(order.id = id, "looked up");
    format!("order {id}, by request {request}\n")
}

async fn broken() -> Failed {
    Failed(NoOrder(9))
}

async fn who(Extension(ClientAddress(client)): Extension<ClientAddress>) -> String {
    format!("you are {client}\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = throughline::init("http-server")?;

    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/broken", get(broken))
        .route("/who", get(who))
        .route("/readyz", get(|| async { "ready\n" }))
        // Last, so that it is around all of them, and sees which was matched.
        .layer(throughline::http::server());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Whose trace is continued is decided by the peer's address.
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { serve(listener, service).await });

    for path in ["/orders/7", "/who", "/broken", "/nowhere", "/readyz"] {
        let answer = ask(address, path).await?;
        println!("{path}: {}", answer.lines().next().unwrap_or_default());
    }
    server.abort();
    telemetry.shutdown_async().await;
    Ok(())
}

async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
