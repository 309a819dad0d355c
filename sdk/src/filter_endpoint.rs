//! The live filter by HTTP, so that an operator on the machine can ask a running service for
//! its debug records without restarting what is to be looked at.
//!
//! It changes the service and asks nobody who they are, so only this machine may reach it,
//! and no page in a browser on it: a page's requests carry an `Origin`, and one that had its
//! own name point to this machine carries that name as `Host`.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::runtime::Handle;

use crate::diagnostics::{self, Level};
use crate::filter::FilterHandle;
use crate::{InitError, http_server, network};

/// Bytes of a body. No directives that a person writes are longer.
const MAX_BODY: usize = 16 * 1024;

/// A client sends its body at once.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What `THROUGHLINE_FILTER_ADDRESS` and the builder take.
pub(crate) const EXPECTED: &str =
    "a loopback address with a port, such as 127.0.0.1:9465: whoever reaches it changes the filter";

pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, InitError> {
    http_server::bind(address).map_err(|source| InitError::FilterBind { address, source })
}

pub(crate) fn serve(
    listener: TcpListener,
    filter: FilterHandle,
    runtime: &Handle,
) -> Result<(), InitError> {
    let served = http_server::serve(listener, runtime, move |request| {
        answer(filter.clone(), request)
    });
    served.map_err(InitError::Runtime)
}

async fn answer(filter: FilterHandle, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if let Err(reason) = admitted(request.uri().authority(), request.headers()) {
        return text(StatusCode::FORBIDDEN, reason);
    }
    match (request.uri().path(), request.method()) {
        ("/filter", &Method::GET | &Method::HEAD) => text(StatusCode::OK, &filter.directives()),
        ("/filter", &Method::PUT) => match read(request.into_body()).await {
            Ok(directives) => replace(&filter, &directives),
            Err((status, reason)) => text(status, reason),
        },
        ("/filter", _) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET or PUT");
            let allowed = HeaderValue::from_static("GET, HEAD, PUT");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "only /filter is here"),
    }
}

fn replace(filter: &FilterHandle, directives: &str) -> Response<Full<Bytes>> {
    match filter.set(directives) {
        Ok(()) => {
            let directives = filter.directives();
            diagnostics::say_at(
                Level::Info,
                &format!("the filter was changed by its endpoint: {directives}"),
            );
            text(StatusCode::OK, &directives)
        }
        Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn read(body: Incoming) -> Result<String, (StatusCode, &'static str)> {
    let body = Limited::new(body, MAX_BODY).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Err((StatusCode::PAYLOAD_TOO_LARGE, "at most 16 KiB are read")),
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    };
    let directives = std::str::from_utf8(&body).unwrap_or_default().trim();
    if directives.is_empty() {
        // An empty filter would leave ERROR alone, which nobody asks for without a word.
        let reason = "expected directives as the body, such as info,my_crate=debug";
        return Err((StatusCode::BAD_REQUEST, reason));
    }
    Ok(directives.to_owned())
}

/// Whether this may have been sent on purpose, by somebody on this machine.
fn admitted(target: Option<&Authority>, headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(ORIGIN) {
        return Err("a page in a browser may not use this");
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err("expected one Host header");
    };
    let host: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    if host.as_ref().is_some_and(is_local) && target.is_none_or(is_local) {
        Ok(())
    } else {
        Err("the Host header has to be localhost or a loopback address")
    }
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    !authority.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || address
                .unwrap_or(host)
                .parse::<IpAddr>()
                .is_ok_and(network::is_loopback))
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{text}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, host.parse().unwrap())])
    }

    #[test]
    fn only_this_machine_by_its_own_names_is_admitted() {
        for good in [
            "localhost",
            "LOCALHOST:9465",
            "127.0.0.1:9465",
            "127.8.8.8",
            "[::1]:9465",
        ] {
            assert_eq!(admitted(None, &host(good)), Ok(()), "{good}");
        }
        for bad in [
            "",
            "rebound.example",
            "rebound.example:9465",
            "localhost.rebound.example",
            "127.0.0.1.rebound.example",
            "localhost@rebound.example",
            "rebound.example@localhost",
            "192.168.1.7:9465",
            "0.0.0.0:9465",
            "2130706433",
            "[::2]:9465",
        ] {
            assert!(admitted(None, &host(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_target_of_the_request_counts_as_well() {
        let target = |text: &str| text.parse::<Authority>().unwrap();
        let local = host("localhost");
        assert_eq!(admitted(Some(&target("localhost:1")), &local), Ok(()));
        assert!(admitted(Some(&target("rebound.example")), &local).is_err());
    }

    #[test]
    fn a_page_and_a_request_without_one_host_are_refused() {
        let mut page = host("localhost");
        page.insert(ORIGIN, HeaderValue::from_static("null"));
        assert!(admitted(None, &page).is_err());
        assert!(admitted(None, &HeaderMap::new()).is_err());
        let mut two = host("localhost");
        two.append(HOST, HeaderValue::from_static("localhost"));
        assert!(admitted(None, &two).is_err());
    }
}
