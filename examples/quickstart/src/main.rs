//! One axum service, observed by one init call: everything else here is plain `tracing` and
//! `metrics`.
//!
//! ```sh
//! cargo run -p quickstart &
//! curl localhost:8080/orders/7     # good
//! curl localhost:8080/reports/7    # slow
//! curl localhost:8080/payments/7   # fails
//! curl localhost:8080/panics/7     # panics
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Path, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, Span, error, field, info, info_span, warn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = throughline::init("quickstart")?;
    describe_metrics();

    let routes = Router::new()
        .route("/orders/{id}", get(order))
        .route("/reports/{id}", get(report))
        .route("/payments/{id}", get(payment))
        .route("/panics/{id}", get(panic))
        // Inside the observed part, so that a panic is seen as the 500 that it becomes.
        // The panic itself is already reported, where it happened; here it is answered.
        .layer(CatchPanicLayer::custom(|_| {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
        .layer(from_fn(observe))
        .route("/healthz", get(|| async { "ok" }));

    let address = std::env::var("QUICKSTART_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address} (QUICKSTART_ADDR): {error}"))?;
    let bound = listener.local_addr()?;
    info!(server.address = %bound.ip(), server.port = bound.port(), "listening");

    axum::serve(listener, routes)
        .with_graceful_shutdown(throughline::shutdown_signal())
        .await?;
    let report = telemetry.shutdown_async().await;
    eprintln!("quickstart: {report}");
    Ok(())
}

fn describe_metrics() {
    describe_counter!("quickstart.orders", "Orders placed");
    describe_histogram!("quickstart.order.items", "Items in an order");
    describe_histogram!(
        "http.server.request.duration",
        Unit::Seconds,
        "Duration of HTTP server requests"
    );
}

/// One span and one duration for each request, named by the HTTP semantic conventions.
async fn observe(route: MatchedPath, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = route.as_str().to_owned();
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        url.path = request.uri().path(),
        order.id = field::Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    histogram!(
        "http.server.request.duration",
        "http.request.method" => method,
        "http.route" => route,
        "http.response.status_code" => status.as_u16().to_string(),
    )
    .record(start.elapsed().as_secs_f64());
    response
}

async fn order(Path(id): Path<u64>) -> String {
    Span::current().record("order.id", id);
    let items = id % 5 + 1;
    counter!("quickstart.orders").increment(1);
    histogram!("quickstart.order.items").record(items as f64);
    info!(order.id = id, order.items = items, "order placed");
    format!("order {id}: {items} items\n")
}

async fn report(Path(id): Path<u64>) -> String {
    Span::current().record("order.id", id);
    async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        warn!(order.id = id, "report was slow");
    }
    .instrument(info_span!("render report"))
    .await;
    format!("report {id}\n")
}

#[derive(Debug, thiserror::Error)]
#[error("the payment provider refused the card")]
struct PaymentError(#[source] CardError);

#[derive(Debug, thiserror::Error)]
#[error("card expired")]
struct CardError;

async fn payment(Path(id): Path<u64>) -> (StatusCode, String) {
    Span::current().record("order.id", id);
    let failure = PaymentError(CardError);
    error!(
        order.id = id,
        error = &failure as &dyn Error,
        "payment failed"
    );
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("payment {id} failed\n"),
    )
}

async fn panic(Path(id): Path<u64>) -> String {
    Span::current().record("order.id", id);
    panic!("the cart is in a state that should not exist");
}
