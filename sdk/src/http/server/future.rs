//! The answer to a request while it is worked on.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::answer;
use super::body::ServerBody;
use super::exchange::Exchange;
use super::failure::{Failure, Told};

pin_project! {
    /// What [`ServerService`](super::ServerService) answers with.
    pub struct ServerFuture<F> {
        // `None` where the service has panicked before there was one, or has answered.
        #[pin]
        inner: Option<F>,
        exchange: Option<Exchange>,
    }

    impl<F> PinnedDrop for ServerFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What a cancelled handler drops may have something to say of its request.
            if let Some(exchange) = this.exchange {
                let _inside = exchange.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<F> ServerFuture<F> {
    pub(super) fn new(inner: Result<F, Box<dyn Any + Send>>, exchange: Exchange) -> Self {
        Self {
            inner: inner.ok(),
            exchange: Some(exchange),
        }
    }
}

impl<F, B, E> Future for ServerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: fmt::Display + 'static,
{
    type Output = Result<Response<ServerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(exchange) = this.exchange.as_ref() else {
            // It has been answered, and nobody may ask again.
            return Poll::Pending;
        };
        let polled = {
            let _inside = exchange.enter();
            let polled = catch_unwind(AssertUnwindSafe(|| {
                this.inner.as_mut().as_pin_mut().map(|inner| inner.poll(cx))
            }));
            if matches!(polled, Ok(Some(Poll::Pending))) {
                return Poll::Pending;
            }
            // Still inside: it may have something to say when it is dropped.
            let dropped = catch_unwind(AssertUnwindSafe(|| this.inner.set(None)));
            dropped.and(polled)
        };
        let Some(mut exchange) = this.exchange.take() else {
            return Poll::Pending;
        };
        match polled {
            Ok(Some(Poll::Ready(Ok(response)))) => Poll::Ready(Ok(answered(response, exchange))),
            Ok(Some(Poll::Ready(Err(error)))) => {
                exchange.failed(Failure::Service(Told::of(&error)));
                exchange.end();
                Poll::Ready(Err(error))
            }
            Ok(Some(Poll::Pending)) => Poll::Pending,
            Ok(None) | Err(_) => Poll::Ready(Ok(instead(exchange))),
        }
    }
}

fn answered<B: Body>(response: Response<B>, mut exchange: Exchange) -> Response<ServerBody<B>> {
    let (mut parts, body) = response.into_parts();
    let without_body = exchange.answered(&mut parts);
    let exchange = if without_body || body.is_end_stream() {
        exchange.end();
        None
    } else {
        Some(exchange)
    };
    Response::from_parts(parts, ServerBody::of_service(body, exchange))
}

/// The answer in the place of a handler that has panicked.
fn instead<B>(mut exchange: Exchange) -> Response<ServerBody<B>> {
    exchange.panicked();
    let answer = if exchange.is_call() {
        answer::internal_error_of_call()
    } else {
        answer::internal_error(exchange.id())
    };
    let (mut parts, bytes) = answer.into_parts();
    let without_body = exchange.answered(&mut parts) || bytes.is_empty();
    let exchange = if without_body {
        exchange.end();
        None
    } else {
        Some(exchange)
    };
    Response::from_parts(parts, ServerBody::given(bytes, exchange))
}

impl<F> fmt::Debug for ServerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerFuture").finish_non_exhaustive()
    }
}
