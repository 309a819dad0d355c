//! The layer's service, for requests of the crate `http`.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::attempt::{self, Attempt, Prepared};
use super::body::ClientBody;
use super::destination::Destination;
use super::failure::Failure;
use super::resends::Resends;
use super::{Config, UrlTemplate, grpc};

/// The service of [`client`](super::client).
///
/// Its errors are boxed, as those of Tower's own layers are: what failed is read from their
/// chain. The response's body is the inner service's, in [`ClientBody`].
#[derive(Clone, Debug)]
pub struct ClientService<S> {
    pub(super) inner: S,
    pub(super) config: Arc<Config>,
}

impl<S> ClientService<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

impl<S, B, B2> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B>, Response = Response<B2>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body,
    B2: Body,
{
    type Response = Response<ClientBody<B2>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = ClientFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let is_grpc = grpc::is_call(request.headers());
        let resends = Resends::count(request.extensions());
        let origin = self.config.origin.as_ref();
        let described = attempt::Request {
            method: request.method(),
            destination: Destination::of_uri(request.uri(), request.headers(), origin),
            is_grpc,
            template: request.extensions().get::<UrlTemplate>().copied(),
            resends,
            body_size: request.body().size_hint().exact(),
        };
        let Some(mut prepared) = Prepared::new(&described, &self.config) else {
            return ClientFuture {
                inner: self.inner.call(request),
                attempt: None,
                is_grpc,
            };
        };
        let span = prepared.span.clone();
        let _entered = span.enter();
        let kept = prepared.send(request.headers_mut());
        // Before the call: a service that panics in it fails the request as well.
        let attempt = prepared.started(kept);
        ClientFuture {
            inner: self.inner.call(request),
            attempt: Some(attempt),
            is_grpc,
        }
    }
}

pin_project! {
    /// The future of [`ClientService`].
    #[derive(Debug)]
    pub struct ClientFuture<F> {
        #[pin]
        inner: F,
        attempt: Option<Attempt>,
        is_grpc: bool,
    }
}

impl<F, B, E> Future for ClientFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
    B: Body,
{
    type Output = Result<Response<ClientBody<B>>, Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = {
            let _entered = this.attempt.as_ref().map(|attempt| attempt.span.enter());
            ready!(this.inner.poll(cx))
        };
        let attempt = this.attempt.take();
        Poll::Ready(match result {
            Ok(response) => Ok(answered(response, attempt, *this.is_grpc)),
            Err(error) => {
                let error: Box<dyn Error + Send + Sync> = error.into();
                if let Some(attempt) = attempt {
                    attempt.failed(&Failure::of(&*error));
                }
                Err(error)
            }
        })
    }
}

/// A request ends here; a call goes on in its body.
fn answered<B: Body>(
    response: Response<B>,
    attempt: Option<Attempt>,
    is_grpc: bool,
) -> Response<ClientBody<B>> {
    let Some(attempt) = attempt else {
        return response.map(ClientBody::unwatched);
    };
    if !is_grpc {
        let size = response.body().size_hint().exact();
        attempt.answered(response.status(), response.version(), size);
        return response.map(ClientBody::unwatched);
    }
    let status = response.status();
    match grpc::status(response.headers()) {
        Some(code) => attempt.completed(code),
        None if !status.is_success() || response.body().is_end_stream() => {
            attempt.completed(grpc::of_http(status));
        }
        None => return response.map(|body| ClientBody::watched(body, attempt)),
    }
    response.map(ClientBody::unwatched)
}
