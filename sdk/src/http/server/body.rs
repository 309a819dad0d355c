//! The body of an answer, whose end is the end of the request.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::Exchange;
use super::failure::{Failure, Told};

/// What any body's error becomes on its way in.
type BoxError = Box<dyn Error + Send + Sync>;

/// Why an answer's body broke off: the service's error, or its panic.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ServerBodyError(BoxError);

pin_project! {
    /// An answer's body: the service's own as it is, with its frames counted.
    pub struct ServerBody<B> {
        #[pin]
        inner: Kind<B>,
        // `None` where nothing is left to tell.
        exchange: Option<Exchange>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Service { #[pin] body: B },
        // The layer's own.
        Given { bytes: Bytes },
    }
}

impl<B> ServerBody<B> {
    pub(super) fn of_service(body: B, exchange: Option<Exchange>) -> Self {
        Self {
            inner: Kind::Service { body },
            exchange,
        }
    }

    pub(super) fn given(bytes: Bytes, exchange: Option<Exchange>) -> Self {
        Self {
            inner: Kind::Given { bytes },
            exchange,
        }
    }
}

impl<B> Body for ServerBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = ServerBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, ServerBodyError>>> {
        let mut this = self.project();
        let inner = this.inner.as_mut();
        let Some(exchange) = this.exchange else {
            return inner.poll(cx);
        };
        let polled = {
            let _inside = exchange.enter();
            catch_unwind(AssertUnwindSafe(|| inner.poll(cx)))
        };
        let polled = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(polled)) => polled,
            Err(_) => {
                exchange.panicked();
                // The headers are gone, so all that is left is to break off.
                Some(Err(ServerBodyError("the handler panicked".into())))
            }
        };
        match &polled {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    exchange.sent(data.remaining());
                }
                if let Some(trailers) = frame.trailers_ref() {
                    exchange.trailers(trailers);
                }
                if !this.inner.is_end_stream() && frame.trailers_ref().is_none() {
                    return Poll::Ready(polled);
                }
            }
            Some(Err(ServerBodyError(error))) => exchange.broke_off(error),
            None => {}
        }
        if let Some(exchange) = this.exchange.take() {
            exchange.end();
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Kind::Service { body } => body.is_end_stream(),
            Kind::Given { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Kind::Service { body } => body.size_hint(),
            Kind::Given { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl<B> Kind<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, ServerBodyError>>> {
        match self.project() {
            KindProjection::Service { body } => body
                .poll_frame(cx)
                .map_err(|error| ServerBodyError(error.into())),
            KindProjection::Given { bytes } => {
                let bytes = std::mem::take(bytes);
                let frame = (!bytes.is_empty()).then(|| Ok(Frame::data(bytes.into())));
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Service { body } => body.is_end_stream(),
            Self::Given { bytes } => bytes.is_empty(),
        }
    }
}

impl Exchange {
    /// The body has an error instead of its end. A panic has been told.
    fn broke_off(&mut self, error: &BoxError) {
        if !self.has_panicked() {
            self.failed(Failure::Service(Told::of(error)));
        }
    }
}

impl<B> fmt::Debug for ServerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBody")
            .field("inner", &type_name::<B>())
            .finish_non_exhaustive()
    }
}
