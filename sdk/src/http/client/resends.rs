//! How often a request was sent before: what only who tries again knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

/// A count of the times that one request was sent, as an extension of the request. Clones
/// share the count, so it survives the clone that a retry layer keeps for its next try.
///
/// [`count_resends`] puts one into each request. Who makes the copies by hand can do so too:
///
/// ```
/// use throughline::http::Resends;
///
/// let request = http::Request::get("http://payments/accounts/7")
///     .extension(Resends::default())
///     .body(())
///     .unwrap();
/// let again = request.clone();
/// # drop(again);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Resends(Arc<AtomicU32>);

impl Resends {
    /// Counts this time, and says how many were before; `None` for the first, and where
    /// nobody counts.
    pub(super) fn count(extensions: &Extensions) -> Option<u32> {
        let before = extensions.get::<Self>()?.0.fetch_add(1, Ordering::Relaxed);
        (before > 0).then_some(before)
    }
}

/// A layer that goes above the one that tries again, as [`client`](super::client) goes below
/// it. Each try's span then has `http.request.resend_count`, but for the first.
///
/// For reqwest there is no need: with `reqwest-retry`'s middleware above the client's, the tries
/// share their extensions.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower::retry::Policy;
/// # #[derive(Clone)]
/// # struct Twice;
/// # impl<B: Clone, R, E> Policy<http::Request<B>, R, E> for Twice {
/// #     type Future = std::future::Ready<()>;
/// #     fn retry(&mut self, _: &mut http::Request<B>, _: &mut Result<R, E>) -> Option<Self::Future> {
/// #         None
/// #     }
/// #     fn clone_request(&mut self, request: &http::Request<B>) -> Option<http::Request<B>> {
/// #         Some(request.clone())
/// #     }
/// # }
///
/// let layers = ServiceBuilder::new()
///     .layer(throughline::http::count_resends())
///     .retry(Twice)
///     .layer(throughline::http::client());
/// # drop(layers);
/// ```
pub fn count_resends() -> CountResendsLayer {
    CountResendsLayer::default()
}

/// Made by [`count_resends`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct CountResendsLayer {
    _private: (),
}

impl<S> Layer<S> for CountResendsLayer {
    type Service = CountResends<S>;

    fn layer(&self, inner: S) -> CountResends<S> {
        CountResends { inner }
    }
}

/// The service of [`count_resends`].
#[derive(Clone, Debug)]
pub struct CountResends<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CountResends<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if request.extensions().get::<Resends>().is_none() {
            request.extensions_mut().insert(Resends::default());
        }
        self.inner.call(request)
    }
}
