//! The Prometheus endpoint: `GET /metrics`, bound to loopback unless told otherwise.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::InitError;

/// How often recorded values are folded into their buckets. Nothing in the crate does it,
/// and between two scrapes they would pile up without bound.
const UPKEEP: Duration = Duration::from_secs(5);

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
    handle: PrometheusHandle,
    runtime: &Handle,
) -> Result<(), InitError> {
    let entered = runtime.enter();
    let listener = TcpListener::from_std(listener).map_err(InitError::Runtime)?;
    drop(entered);
    let upkeep = handle.clone();
    runtime.spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    runtime.spawn(async move {
        loop {
            // An error here is one connection's, or a passing lack of descriptors.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let handle = handle.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&handle, &request);
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

fn answer(handle: &PrometheusHandle, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
            );
            *response.body_mut() = Full::from(handle.render());
        }
        ("/metrics", _) => *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED,
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}
