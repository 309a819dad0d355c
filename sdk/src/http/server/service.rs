//! The service around another.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ServerBody;
use super::exchange::Exchange;
use super::future::ServerFuture;
use super::layer::Options;

/// A service that [`ServerLayer`](super::ServerLayer) has put its layer around.
#[derive(Clone)]
pub struct ServerService<S> {
    inner: S,
    options: Arc<Options>,
}

impl<S> ServerService<S> {
    pub(super) fn new(inner: S, options: Arc<Options>) -> Self {
        Self { inner, options }
    }
}

impl<S, A, B> Service<Request<A>> for ServerService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: fmt::Display + 'static,
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ServerBody<B>>;
    type Error = S::Error;
    type Future = ServerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let exchange = Exchange::begin(&self.options, &mut parts);
        let request = Request::from_parts(parts, body);
        let inner = {
            let _inside = exchange.enter();
            catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))
        };
        ServerFuture::new(inner, exchange)
    }
}

impl<S> fmt::Debug for ServerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerService").finish_non_exhaustive()
    }
}
