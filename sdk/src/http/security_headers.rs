//! What tells a browser to be careful with a service's pages, on every answer.
//!
//! The values are `helmet-core`'s. Its own layer for axum writes over what a handler has set,
//! promises https where there is none, and copies all of its headers for each request before
//! there is an answer to put them on; this one does not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use helmet_core::{
    ContentSecurityPolicy, CrossOriginOpenerPolicy, CrossOriginResourcePolicy, Header,
    ReferrerPolicy, StrictTransportSecurity, XContentTypeOptions, XFrameOptions,
    XPermittedCrossDomainPolicies, XXSSProtection,
};
use http::header::{HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::{Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Two years, which browsers' preload lists ask for at least half of.
const HTTPS_FOR_SECONDS: u32 = 63_072_000;

/// A Tower layer that puts security headers on every answer, where the handler has not set
/// them itself.
///
/// | header | default |
/// |---|---|
/// | `Content-Security-Policy` | only this site's own: `default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'` |
/// | `Strict-Transport-Security` | `max-age=63072000; includeSubDomains`, over https alone |
/// | `X-Content-Type-Options` | `nosniff` |
/// | `X-Frame-Options` | `deny`, for browsers that do not know `frame-ancestors` |
/// | `Referrer-Policy` | `strict-origin-when-cross-origin` |
/// | `Cross-Origin-Opener-Policy`, `Cross-Origin-Resource-Policy` | `same-origin` |
/// | `X-Permitted-Cross-Domain-Policies` | `none` |
/// | `X-XSS-Protection` | `0`: the filter that it was for is gone from browsers, and could be used against a page while it was there |
///
/// A request came over https if its address says so, as with HTTP/2 in the service itself, or
/// if a proxy says so in `X-Forwarded-Proto`. Whoever forges that only deceives themselves:
/// over plain http browsers pass over the header.
///
/// ```
/// use throughline::http::{helmet, security_headers};
///
/// # fn main() -> Result<(), http::Error> {
/// let layer = security_headers()
///     .header(helmet::ContentSecurityPolicy::new().default_src(vec!["'self'", "https://cdn.example.com"]))?
///     .header(("Permissions-Policy", "camera=()".to_owned()))?
///     .without("Cross-Origin-Resource-Policy");
/// let app: axum::Router = axum::Router::new().layer(layer);
/// # Ok(())
/// # }
/// ```
pub fn security_headers() -> SecurityHeaders {
    let policy = ContentSecurityPolicy::new()
        .default_src(vec!["'self'"])
        .base_uri(vec!["'self'"])
        .form_action(vec!["'self'"])
        .frame_ancestors(vec!["'none'"])
        .object_src(vec!["'none'"]);
    let https = StrictTransportSecurity::new()
        .max_age(HTTPS_FOR_SECONDS)
        .include_sub_domains();
    let headers: [Header; 9] = [
        policy.into(),
        https.into(),
        XContentTypeOptions::nosniff().into(),
        XFrameOptions::deny().into(),
        ReferrerPolicy::strict_origin_when_cross_origin().into(),
        CrossOriginOpenerPolicy::same_origin().into(),
        CrossOriginResourcePolicy::same_origin().into(),
        XPermittedCrossDomainPolicies::none().into(),
        XXSSProtection::off().into(),
    ];
    let headers = headers.into_iter().filter_map(|header| parsed(header).ok());
    SecurityHeaders {
        headers: Arc::new(headers.collect()),
    }
}

/// The layer that [`security_headers`] makes.
#[derive(Clone, Debug)]
#[must_use = "it sets nothing before it is around a service"]
pub struct SecurityHeaders {
    headers: Arc<Headers>,
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn parsed((name, value): Header) -> Result<(HeaderName, HeaderValue), http::Error> {
    Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
}

impl SecurityHeaders {
    /// Sets a header, in place of the default of this name: one of
    /// [`helmet`](crate::http::helmet)'s, or a name with a value. `Strict-Transport-Security`
    /// stays with https.
    ///
    /// # Errors
    /// [`http::Error`] where the name or the value is none that HTTP allows.
    pub fn header(mut self, header: impl Into<Header>) -> Result<Self, http::Error> {
        let (name, value) = parsed(header.into())?;
        let headers = Arc::make_mut(&mut self.headers);
        match headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => headers.push((name, value)),
        }
        Ok(self)
    }

    /// Leaves a header out.
    pub fn without(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.headers)
            .retain(|(known, _)| !known.as_str().eq_ignore_ascii_case(name));
        self
    }
}

impl<S> Layer<S> for SecurityHeaders {
    type Service = SecurityHeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SecurityHeadersService {
            inner,
            headers: Arc::clone(&self.headers),
        }
    }
}

/// A service whose answers have security headers; made by [`SecurityHeaders`].
#[derive(Clone, Debug)]
pub struct SecurityHeadersService<S> {
    inner: S,
    headers: Arc<Headers>,
}

impl<S, B, R> Service<Request<B>> for SecurityHeadersService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = SecurityHeadersFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        SecurityHeadersFuture {
            https: is_https(request.uri(), request.headers()),
            headers: Arc::clone(&self.headers),
            inner: self.inner.call(request),
        }
    }
}

fn is_https(uri: &Uri, headers: &HeaderMap) -> bool {
    uri.scheme_str() == Some("https")
        || headers
            .get("x-forwarded-proto")
            .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

pin_project! {
    /// The future of [`SecurityHeadersService`].
    #[derive(Debug)]
    pub struct SecurityHeadersFuture<F> {
        #[pin]
        inner: F,
        headers: Arc<Headers>,
        https: bool,
    }
}

impl<F, R, E> Future for SecurityHeadersFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(context))?;
        let set = response.headers_mut();
        for (name, value) in this.headers.iter() {
            if *this.https || *name != STRICT_TRANSPORT_SECURITY {
                set.entry(name).or_insert_with(|| value.clone());
            }
        }
        Poll::Ready(Ok(response))
    }
}
