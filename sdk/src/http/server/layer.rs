//! The layer itself, and what a service can say about it.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::uri::Scheme;
use tower_layer::Layer;

use super::extensions::PeerAddress;
use super::meters::Meters;
use super::{ServerService, axum};
use crate::settings::inbound;

/// Paths that are asked every few seconds and tell nothing.
const QUIET: [&str; 5] = [
    "/livez",
    "/readyz",
    "/health",
    "/health/detailed",
    "/metrics",
];

type RouteOf = dyn Fn(&Parts) -> Option<Cow<'static, str>> + Send + Sync;
type PeerOf = dyn Fn(&Parts) -> Option<SocketAddr> + Send + Sync;

/// The layer that [`server`](super::server) makes. Cloned, it is still the same one.
#[derive(Clone)]
#[must_use = "give it to `Router::layer`, `ServiceBuilder::layer` or `Server::layer`"]
pub struct ServerLayer {
    options: Arc<Options>,
}

#[derive(Clone)]
pub(super) struct Options {
    pub(super) access_log: Option<bool>,
    quiet: Vec<Cow<'static, str>>,
    pub(super) route: Option<Arc<RouteOf>>,
    peer: Option<Arc<PeerOf>>,
    pub(super) scheme: Option<Scheme>,
    pub(super) methods: Vec<&'static str>,
    pub(super) meters: Arc<Meters>,
}

impl ServerLayer {
    pub(super) fn new() -> Self {
        Self {
            options: Arc::new(Options {
                access_log: None,
                quiet: QUIET.map(Cow::Borrowed).to_vec(),
                route: None,
                peer: None,
                scheme: None,
                methods: Vec::new(),
                meters: Arc::default(),
            }),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Whether each request leaves a record `http.server.request`. Default:
    /// `THROUGHLINE_ACCESS_LOG`, which is `true`. Slow requests and errors are told all the same.
    pub fn access_log(self, logged: bool) -> Self {
        self.with(|options| options.access_log = Some(logged))
    }

    /// The paths whose requests have no span, no record and no error report, compared as a
    /// whole; they are counted in the metrics, and what a handler itself emits stays. Default:
    /// `/livez`, `/readyz`, `/health`, `/health/detailed` and `/metrics`; these are given up for
    /// the new ones.
    pub fn quiet_paths<P: Into<Cow<'static, str>>>(
        self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        self.with(|options| options.quiet = paths)
    }

    /// Where the template of a request's route is to be had, such as `/orders/{id}`. It names the
    /// span and is an attribute of the metrics, so it must not be the path itself. Default: what
    /// axum's router has matched (feature `axum`), else none.
    pub fn route<F>(self, route: F) -> Self
    where
        F: Fn(&Parts) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        self.with(|options| options.route = Some(Arc::new(route)))
    }

    /// Where the address of the connection's other end is to be had. Default: a
    /// [`PeerAddress`] in the request's extensions, else axum's `ConnectInfo<SocketAddr>`
    /// (feature `axum`). With tonic it is in `TcpConnectInfo`:
    ///
    /// ```
    /// # fn example() -> throughline::http::ServerLayer {
    /// use tonic::transport::server::TcpConnectInfo;
    ///
    /// throughline::http::server()
    ///     .peer(|parts| parts.extensions.get::<TcpConnectInfo>()?.remote_addr())
    /// # }
    /// ```
    pub fn peer<F>(self, peer: F) -> Self
    where
        F: Fn(&Parts) -> Option<SocketAddr> + Send + Sync + 'static,
    {
        self.with(|options| options.peer = Some(Arc::new(peer)))
    }

    /// The scheme where neither a trusted proxy nor the request itself tells it, as HTTP/1.1
    /// does not. Default: `http`; a service that speaks TLS itself gives `Scheme::HTTPS`.
    pub fn scheme(self, scheme: http::uri::Scheme) -> Self {
        self.with(|options| options.scheme = Some(scheme))
    }

    /// Methods that the service knows beside those of the standards (`GET`, `HEAD`, `POST`,
    /// `PUT`, `DELETE`, `CONNECT`, `OPTIONS`, `TRACE`, `PATCH`, `QUERY`). All others are
    /// `_OTHER`, so that no client can make series of its own.
    pub fn known_methods(self, methods: impl IntoIterator<Item = &'static str>) -> Self {
        self.with(|options| options.methods.extend(methods))
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer")
            .field("access_log", &self.options.access_log)
            .field("quiet_paths", &self.options.quiet)
            .finish_non_exhaustive()
    }
}

impl Options {
    pub(super) fn is_quiet(&self, path: &str) -> bool {
        self.quiet.iter().any(|quiet| quiet == path)
    }

    pub(super) fn logs(&self) -> bool {
        self.access_log
            .unwrap_or_else(|| inbound::in_force().access_log)
    }

    pub(super) fn peer(&self, parts: &Parts) -> Option<SocketAddr> {
        if let Some(peer) = &self.peer {
            return peer(parts);
        }
        match parts.extensions.get() {
            Some(PeerAddress(peer)) => Some(*peer),
            None => axum::peer(&parts.extensions),
        }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerService::new(inner, Arc::clone(&self.options))
    }
}
