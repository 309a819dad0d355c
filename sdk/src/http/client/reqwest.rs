//! The layer for reqwest: as a middleware of `reqwest-middleware`, and as a Tower layer on
//! `reqwest::Client`.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::reqwest::{Request, Response};
use http::Extensions;
use pin_project_lite::pin_project;
use reqwest_middleware::{Middleware, Next};
use tower_service::Service;
use tracing::Instrument;

use super::attempt::{self, Attempt, Prepared};
use super::destination::Destination;
use super::failure::Failure;
use super::service::ClientService;
use super::{ClientLayer, Config, UrlTemplate};

/// In the extensions of a request that went through: how often.
#[derive(Clone, Copy)]
struct Sent(u32);

/// A middleware of `reqwest-middleware` 0.5. Added after `reqwest-retry`'s it makes a span for
/// each try, with `http.request.resend_count`; redirects are reqwest's own, and within one.
/// A [`UrlTemplate`] is given by `RequestBuilder::with_extension`.
///
/// ```
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     // .with(RetryTransientMiddleware::new_with_policy(policy))
///     .with(throughline::http::client())
///     .build();
/// # drop(client);
/// ```
#[async_trait::async_trait]
impl Middleware for ClientLayer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let resends = resends(extensions);
        let template = extensions.get().copied();
        let Some(attempt) = begin(&mut request, template, resends, &self.config) else {
            return next.run(request, extensions).await;
        };
        let span = attempt.span.clone();
        let result = next.run(request, extensions).instrument(span).await;
        match &result {
            Ok(response) => answered(attempt, response),
            Err(reqwest_middleware::Error::Reqwest(error)) => attempt.failed(&failure(error)),
            Err(reqwest_middleware::Error::Middleware(error)) => {
                attempt.failed(&Failure::of(&**error));
            }
        }
        result
    }
}

/// Counts this time; the tries of one request share their extensions.
fn resends(extensions: &mut Extensions) -> Option<u32> {
    let before = extensions.get().map_or(0, |Sent(times)| *times);
    extensions.insert(Sent(before.saturating_add(1)));
    (before > 0).then_some(before)
}

/// On `reqwest::Client`, without `reqwest-middleware`. Its requests have no extensions, so
/// there is neither a template nor a count of resends.
///
/// ```
/// use tower_layer::Layer;
///
/// let client = throughline::http::client().layer(reqwest::Client::new());
/// // client.oneshot(request).await, with `tower::ServiceExt`
/// # drop(client);
/// ```
impl<S> Service<Request> for ClientService<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = ReqwestFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let attempt = begin(&mut request, None, None, &self.config);
        let inner = {
            let _entered = attempt.as_ref().map(|attempt| attempt.span.enter());
            self.inner.call(request)
        };
        ReqwestFuture { inner, attempt }
    }
}

pin_project! {
    /// The future of [`ClientService`] around `reqwest::Client`.
    #[derive(Debug)]
    pub struct ReqwestFuture<F> {
        #[pin]
        inner: F,
        attempt: Option<Attempt>,
    }
}

impl<F, E> Future for ReqwestFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response, Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = {
            let _entered = this.attempt.as_ref().map(|attempt| attempt.span.enter());
            ready!(this.inner.poll(cx))
        };
        let result = result.map_err(Into::into);
        if let Some(attempt) = this.attempt.take() {
            match &result {
                Ok(response) => answered(attempt, response),
                Err(error) => attempt.failed(&match error.downcast_ref() {
                    Some(error) => failure(error),
                    None => Failure::of(&**error),
                }),
            }
        }
        Poll::Ready(result)
    }
}

fn begin(
    request: &mut Request,
    template: Option<UrlTemplate>,
    resends: Option<u32>,
    config: &Config,
) -> Option<Attempt> {
    let body = request.body();
    let described = attempt::Request {
        method: request.method(),
        destination: Destination::of_url(request.url()),
        is_grpc: false,
        template,
        resends,
        body_size: body.map_or(Some(0), |body| Some(body.as_bytes()?.len() as u64)),
    };
    let mut prepared = Prepared::new(&described, config)?;
    let span = prepared.span.clone();
    let _entered = span.enter();
    let kept = prepared.send(request.headers_mut());
    Some(prepared.started(kept))
}

fn answered(attempt: Attempt, response: &Response) {
    attempt.answered(
        response.status(),
        response.version(),
        response.content_length(),
    );
}

/// reqwest knows of its own errors what their chain does not tell.
fn failure(error: &::reqwest::Error) -> Failure {
    let mut failure = Failure::of(error);
    if error.is_timeout() {
        failure.kind = super::failure::TIMEOUT;
    } else if error.is_dns() {
        failure.kind = super::failure::NAME_RESOLUTION;
    } else if error.is_redirect() {
        failure.kind = super::failure::REDIRECT;
    }
    failure
}
