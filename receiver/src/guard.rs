//! Whose requests a local server answers: a web page must not reach it unasked.
//!
//! A server on a loopback address is open to every page in the developer's browser, which
//! may send to it (cross-site requests) or read from it under a name of its own that
//! resolves to 127.0.0.1 (DNS rebinding). The `Host` of a request tells the second, its
//! `Origin` the first.
//!
//! ```
//! use axum::{Router, routing::get};
//! use throughline_receiver::guard::{Access, GuardLayer};
//!
//! let access = Access {
//!     hosts: vec!["devbox.local".into()],
//!     hint: "allow it with --allow-host or --allow-origin".into(),
//!     ..Access::default()
//! };
//! let page: Router = Router::new()
//!     .route("/", get(async || "hello"))
//!     .layer(GuardLayer::new(access, &["127.0.0.1:8969".parse()?]));
//! # Ok::<_, std::net::AddrParseError>(())
//! ```

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

use axum::response::{IntoResponse, Response};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        CONTENT_TYPE, HOST, ORIGIN, VARY,
    },
    uri::Authority,
};
use tower::{Layer, Service};

use crate::{BoxFuture, grpc::is_grpc};

/// How long a browser may remember a preflight's answer, in seconds.
const PREFLIGHT_SECONDS: &str = "7200";

/// Who is allowed besides this machine itself. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Names or addresses, without a port, that a request's `Host` may have in addition to
    /// `localhost`, `*.localhost`, the loopback addresses and the address of the listener.
    pub hosts: Vec<String>,
    /// Origins of pages that may send, such as `http://localhost:5173`. They get the
    /// headers of CORS.
    pub origins: Vec<String>,
    /// Ends the text of a refusal: what the reader can do to be allowed.
    pub hint: String,
}

/// Refuses requests that [`Access`] does not allow with 403, or `PERMISSION_DENIED` where
/// they are gRPC, and answers the preflights of pages that it allows.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    rules: Arc<Rules>,
}

impl GuardLayer {
    /// For a server that listens on `bound`. If one of those is the unspecified address,
    /// every address is allowed as a host, since no page can take an address for its name.
    #[must_use]
    pub fn new(access: Access, bound: &[SocketAddr]) -> Self {
        Self {
            rules: Arc::new(Rules {
                access,
                bound: bound.iter().map(SocketAddr::ip).collect(),
            }),
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            rules: Arc::clone(&self.rules),
        }
    }
}

/// See [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = match self.rules.judge(&request) {
            Verdict::Own => {
                let answer = self.inner.call(request);
                return Box::pin(async { Ok(answer.await?.into_response()) });
            }
            Verdict::Page(origin) if is_preflight(&request) => preflight(origin, request.headers()),
            Verdict::Page(origin) => {
                let answer = self.inner.call(request);
                return Box::pin(async {
                    let mut answer = answer.await?.into_response();
                    allow(origin, answer.headers_mut());
                    Ok(answer)
                });
            }
            Verdict::Refused(reason) => self.rules.refuse(&reason, is_grpc(request.headers())),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[derive(Debug)]
struct Rules {
    access: Access,
    bound: Vec<IpAddr>,
}

enum Verdict {
    /// From no page, or from the server's own.
    Own,
    /// From a page that is allowed.
    Page(HeaderValue),
    Refused(String),
}

impl Rules {
    fn judge<B>(&self, request: &Request<B>) -> Verdict {
        // HTTP/2 has `:authority` and may have a `Host` besides: neither may be foreign.
        let named = request
            .headers()
            .get_all(HOST)
            .iter()
            .map(|host| Authority::try_from(host.as_bytes()).ok())
            .chain(request.uri().authority().cloned().map(Some));
        let mut host = None;
        for authority in named {
            match authority {
                Some(authority) if self.allows_host(authority.host()) => host = Some(authority),
                Some(authority) => {
                    return Verdict::Refused(format!("host {:?}", authority.host()));
                }
                None => return Verdict::Refused("host that is none".to_owned()),
            }
        }
        let Some(host) = host else {
            return Verdict::Refused("request without a host".to_owned());
        };
        let Some(origin) = request.headers().get(ORIGIN) else {
            return Verdict::Own;
        };
        let text = origin.to_str().unwrap_or_default();
        if is_own(text, &host) {
            Verdict::Own
        } else if self.allows_origin(text) {
            Verdict::Page(origin.clone())
        } else {
            Verdict::Refused(format!("origin {text:?}"))
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(&name)
            .parse::<IpAddr>();
        let of_this_machine = match address {
            Ok(address) => {
                address.is_loopback()
                    || self
                        .bound
                        .iter()
                        .any(|bound| *bound == address || bound.is_unspecified())
            }
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        };
        of_this_machine
            || self
                .access
                .hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(&name))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.access
            .origins
            .iter()
            .any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }

    fn refuse(&self, reason: &str, grpc: bool) -> Response {
        let hint = match self.access.hint.as_str() {
            "" => String::new(),
            hint => format!("; {hint}"),
        };
        let message = format!("{reason} is not allowed{hint}");
        if grpc {
            return tonic::Status::permission_denied(message).into_http();
        }
        (
            StatusCode::FORBIDDEN,
            [(CONTENT_TYPE, "text/plain; charset=utf-8")],
            message + "\n",
        )
            .into_response()
    }
}

/// Whether the page came from the server that it now asks.
fn is_own(origin: &str, host: &Authority) -> bool {
    let (authority, default_port) = if let Some(rest) = origin.strip_prefix("http://") {
        (rest, 80)
    } else if let Some(rest) = origin.strip_prefix("https://") {
        (rest, 443)
    } else {
        return false;
    };
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    authority.host().eq_ignore_ascii_case(host.host())
        && authority.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(origin: HeaderValue, asked: &HeaderMap) -> Response {
    const ASKS_PRIVATE: &str = "access-control-request-private-network";
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST"),
    );
    // The allowed page may send what headers it likes: exporters are configured with them.
    if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.contains_key(ASKS_PRIVATE) {
        headers.insert(
            HeaderName::from_static("access-control-allow-private-network"),
            HeaderValue::from_static("true"),
        );
    }
    headers.insert(
        ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(PREFLIGHT_SECONDS),
    );
    allow(origin, headers);
    answer
}

fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("origin"));
}
