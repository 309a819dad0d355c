//! A service that calls another one, and tries again: each try has its span, and the other
//! service is told the trace, the request and whom it is for.
//!
//! `cargo run -p throughline --example http_client` runs both in this process. With
//! `OTEL_EXPORTER_OTLP_ENDPOINT` set the trace is in your backend afterwards.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use throughline::http::UrlTemplate;
use tower::retry::Policy;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tracing::Instrument;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let telemetry = throughline::init("checkout")?;
    let accounts = accounts().await?;

    // From the outside in: what counts the tries, what tries again, and the layer, which sees
    // each try.
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let client = ServiceBuilder::new()
        .layer(throughline::http::count_resends())
        .retry(Once::default())
        .layer(throughline::http::client())
        .service(client);

    let order = async {
        throughline::context::set_tenant("blue");
        let request = Request::get(format!("http://{accounts}/accounts/7"))
            .extension(UrlTemplate("/accounts/{id}"))
            .body(Empty::new())?;
        let response = client.oneshot(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        println!(
            "the other service was told {}",
            String::from_utf8_lossy(&body)
        );
        Ok::<(), BoxError>(())
    };
    let span = tracing::info_span!("place order", request.id = "r-1");
    order.instrument(span).await?;

    eprintln!("{}", telemetry.shutdown_async().await);
    Ok(())
}

/// The other service: busy at first, and then it says who it was asked for.
async fn accounts() -> Result<std::net::SocketAddr, BoxError> {
    let busy = Arc::new(AtomicBool::new(true));
    let account = move |headers: HeaderMap| {
        let answer = if busy.swap(false, Ordering::Relaxed) {
            Err(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            let told = headers.get("baggage").and_then(|it| it.to_str().ok());
            Ok(told.unwrap_or("nothing").to_owned())
        };
        ready(answer)
    };
    let routes = Router::new().route("/accounts/{id}", get(account));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

/// Tries once more where the server fails.
#[derive(Clone, Default)]
struct Once {
    tried: bool,
}

impl<B, E> Policy<Request<Empty<Bytes>>, Response<B>, E> for Once {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Empty<Bytes>>,
        result: &mut Result<Response<B>, E>,
    ) -> Option<Ready<()>> {
        let failed = result
            .as_ref()
            .is_ok_and(|it| it.status().is_server_error());
        let again = failed && !std::mem::replace(&mut self.tried, true);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}
