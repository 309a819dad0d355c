//! The layer around what answers requests: one request is one span, one point of each
//! metric, one access record, and at most one error.
//!
//! A request ends with the last frame of its answer's body, so all of it is told then, by
//! whoever holds the [`exchange`]: first the future, then the body.

mod answer;
#[cfg_attr(not(feature = "axum"), path = "axum/absent.rs")]
mod axum;
mod body;
mod caller;
mod exchange;
mod extensions;
mod facts;
mod failure;
mod forwarded;
mod future;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod grpc;
mod layer;
mod meters;
mod method;
mod record;
#[cfg(feature = "sentry")]
mod report;
mod request_id;
mod scope;
mod service;
mod span;

pub use body::{ServerBody, ServerBodyError};
pub use extensions::{ClientAddress, PeerAddress, RequestId};
pub(crate) use facts::Facts;
pub use failure::HandlerError;
pub use future::ServerFuture;
pub use layer::ServerLayer;
pub use service::ServerService;

/// Spans and records of the layer have this target: `RUST_LOG=throughline::http=off` takes
/// its records out, and leaves the spans.
pub(crate) const TARGET: &str = "throughline::http";

/// A Tower layer for what answers HTTP requests: axum's `Router`, hyper's services, tonic's
/// server.
///
/// For each request it gives
///
/// - a span of kind `server` by the [conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/),
///   or by [gRPC's](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/) where it is a call;
/// - `http.server.request.duration` (or `rpc.server.call.duration`) and
///   `http.server.active_requests`;
/// - an INFO record `http.server.request`, the access log, and a WARN record `request.slow`
///   from `THROUGHLINE_SLOW_REQUEST_MS` on;
/// - an id, [`RequestId`], on everything that belongs to it and in the answer's
///   `x-request-id`;
/// - an ERROR record, and so a Sentry event, where it is answered with a status of 500 or
///   above and nothing in it has reported an error itself;
/// - an answer with status 500 where the handler panics. The panic itself was reported by then.
///
/// The request ends with its answer's body; one whose client goes away before is logged with
/// status 499 and `error.type=cancelled`. Bodies are never looked at.
///
/// **Trust.** The caller's trace, baggage and request id are taken over where
/// `THROUGHLINE_TRUST_INBOUND` trusts the client's address (by default: loopback and private
/// addresses); a stranger's request begins a trace of its own, with a link. The address is the
/// peer's, or the one that a proxy of `THROUGHLINE_TRUSTED_PROXIES` forwards for. For that the
/// peer has to be known: with axum (feature `axum`) by
/// `app.into_make_service_with_connect_info::<SocketAddr>()`, with hyper by [`PeerAddress`], else
/// by [`ServerLayer::peer`].
///
/// With axum it belongs on the outermost router, as its last layer: around the whole router it
/// would not see the route.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn example() -> axum::Router {
/// use axum::{Router, routing::get};
///
/// let app: Router = Router::new()
///     .route("/orders/{id}", get(|| async { "an order" }))
///     .layer(throughline::http::server());
/// # app
/// # }
/// ```
pub fn server() -> ServerLayer {
    ServerLayer::new()
}
