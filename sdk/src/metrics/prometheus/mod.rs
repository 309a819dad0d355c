//! The Prometheus endpoint: `GET /metrics`, bound to loopback unless told otherwise.

mod family;
mod name;
mod protobuf;
mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::Scraper;
use crate::InitError;

/// A scraper sends its request at once; whoever does not is holding a place.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes the port before anything else starts, so that a taken one is an error of `init`.
pub(crate) fn bind(address: SocketAddr) -> Result<std::net::TcpListener, InitError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| InitError::PrometheusBind { address, source })
}

/// Serves the endpoint on the export runtime until that ends.
pub(crate) fn serve(
    listener: std::net::TcpListener,
    scraper: Scraper,
    runtime: &Handle,
) -> Result<(), InitError> {
    let entered = runtime.enter();
    let listener = TcpListener::from_std(listener).map_err(InitError::Runtime)?;
    drop(entered);
    runtime.spawn(async move {
        loop {
            // An error here is one connection's, or a passing lack of descriptors.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let scraper = scraper.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&scraper, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                // A scraper that goes away early concerns nobody.
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok(())
}

fn answer(scraper: &Scraper, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            // Nothing can be collected any more once telemetry has ended.
            let Some(collected) = scraper.collected() else {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return response;
            };
            let families = family::families(&collected);
            let (kind, body) = if wants_protobuf(request) {
                let body = protobuf::render(families);
                (protobuf::CONTENT_TYPE, Bytes::from(body))
            } else {
                let body = text::render(&families);
                (text::CONTENT_TYPE, Bytes::from(body))
            };
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
            *response.body_mut() = Full::from(body);
        }
        ("/metrics", _) => *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED,
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

fn wants_protobuf(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(protobuf::is_preferred)
}
