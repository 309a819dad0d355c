//! The body of a response. That of a gRPC call has the call's status at its end.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::attempt::Attempt;
use super::failure::Failure;
use super::grpc;

pin_project! {
    /// The inner service's body, unchanged. Of a gRPC call it also ends the span: with the
    /// trailers, with an error, or as cancelled where it is dropped before.
    pub struct ClientBody<B> {
        #[pin]
        inner: B,
        // Boxed, as most bodies have none.
        call: Option<Box<Attempt>>,
    }
}

impl<B> ClientBody<B> {
    pub(super) fn unwatched(inner: B) -> Self {
        Self { inner, call: None }
    }

    pub(super) fn watched(inner: B, call: Attempt) -> Self {
        let call = Some(Box::new(call));
        Self { inner, call }
    }

    /// The inner service's body.
    ///
    /// A gRPC call is cancelled by this, as by a drop.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: fmt::Debug> fmt::Debug for ClientBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<B: Default> Default for ClientBody<B> {
    fn default() -> Self {
        Self::unwatched(B::default())
    }
}

impl<B> Body for ClientBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = self.project();
        Poll::Ready(match ready!(this.inner.poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref()
                    && let Some(call) = this.call.take()
                {
                    call.completed(grpc::status(trailers).unwrap_or(grpc::UNKNOWN));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error: Self::Error = error.into();
                if let Some(call) = this.call.take() {
                    call.failed(&Failure::of(&*error));
                }
                Some(Err(error))
            }
            None => {
                if let Some(call) = this.call.take() {
                    call.completed(grpc::UNKNOWN);
                }
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
