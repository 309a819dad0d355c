//! The Prometheus endpoint: `GET /metrics`, bound to loopback unless told otherwise.

mod family;
mod name;
mod protobuf;
mod text;

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::runtime::Handle;

#[cfg(fuzzing)]
pub(crate) use protobuf::is_preferred as is_protobuf_preferred;

use super::Scraper;
use crate::{InitError, http_server};

pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, InitError> {
    http_server::bind(address).map_err(|source| InitError::PrometheusBind { address, source })
}

pub(crate) fn serve(
    listener: TcpListener,
    scraper: Scraper,
    runtime: &Handle,
) -> Result<(), InitError> {
    let served = http_server::serve(listener, runtime, move |request| {
        std::future::ready(answer(&scraper, &request))
    });
    served.map_err(InitError::Runtime)
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
