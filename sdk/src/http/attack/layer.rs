//! The layer around a service.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::evidence::shown;
use super::inspect::{Rules, inspect};
use super::kind::Attack;
use super::record::{Asked, Reason, count, tell};
use super::visitors::{Limit, Pace, Visitors};
use crate::http::ClientAddress;

/// What all requests of one layer share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) requests: Option<Limit>,
    pub(super) failed_logins: Option<Limit>,
    pub(super) login_paths: Vec<String>,
    pub(super) blocked: u8,
    pub(super) visitors: Arc<Visitors>,
}

/// Put into the extensions of a response, says that a login failed, where the status does not:
///
/// ```
/// use axum::response::IntoResponse;
/// use throughline::http::LoginFailed;
///
/// async fn login() -> impl IntoResponse {
///     (axum::Extension(LoginFailed), "wrong name or password")
/// }
/// # let _ = login;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginFailed;

/// A service whose suspicious requests are told of; made by
/// [`AttackSignals`](super::AttackSignals).
#[derive(Clone)]
pub struct AttackService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> AttackService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for AttackService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttackService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for AttackService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AttackFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = request.extensions().get::<ClientAddress>();
        let client = client.map(|client| client.0);
        let (method, uri) = (request.method(), request.uri());
        let (is_login, refused) = self.shared.request(client, method, uri, request.headers());
        if let Some(refused) = refused {
            return AttackFuture {
                state: State::Refused { refused },
            };
        }
        let login = match (client, self.shared.failed_logins) {
            (Some(client), Some(limit)) => Some(Login {
                shared: Arc::clone(&self.shared),
                client,
                limit,
                is_login,
                // Handles to what the request shares anyway.
                method: method.clone(),
                uri: uri.clone(),
                user_agent: request.headers().get(header::USER_AGENT).cloned(),
            }),
            _ => None,
        };
        let inner = self.inner.call(request);
        AttackFuture {
            state: State::Passed { inner, login },
        }
    }
}

impl Shared {
    /// Whether it is one to log in, and why it is not let through.
    fn request(
        &self,
        client: Option<IpAddr>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> (bool, Option<Refused>) {
        let is_login = self.is_login(uri.path());
        let mut refused = None;
        let mut asked = None;
        let mut found = |reason: Reason<'_>, is_told: bool| {
            let kind = reason.kind();
            let blocked = self.blocked & kind.bit() != 0;
            if blocked && refused.is_none() {
                refused = Some(Refused::new(&reason));
            }
            count(kind, blocked);
            if is_told && let Some(untold) = self.visitors.record(client) {
                let agent = headers.get(header::USER_AGENT);
                let asked = asked.get_or_insert_with(|| asked_of(client, method, uri, agent));
                tell(asked, &reason, blocked, untold);
            }
        };
        for evidence in &inspect(uri, headers, &self.rules) {
            found(Reason::Evidence(evidence), true);
        }
        let Some(client) = client else {
            return (is_login, refused);
        };
        if let Some(limit) = self.requests {
            let kind = Attack::Burst;
            match self.visitors.request(client, limit) {
                Pace::Within => {}
                Pace::Crossed(count) => found(Reason::Pace { kind, count, limit }, true),
                Pace::Over(count) => found(Reason::Pace { kind, count, limit }, false),
            }
        }
        // What failed was told when it did; here it is only kept out.
        let kind = Attack::FailedLogins;
        if is_login
            && self.blocked & kind.bit() != 0
            && let Some(limit) = self.failed_logins
            && let Some(count) = self.visitors.too_many_failures(client, limit)
        {
            found(Reason::Pace { kind, count, limit }, false);
        }
        (is_login, refused)
    }

    fn is_login(&self, path: &str) -> bool {
        let last = path.trim_end_matches('/').rsplit('/').next();
        last.is_some_and(|last| self.login_paths.iter().any(|end| end == last))
    }
}

fn asked_of<'a>(
    client: Option<IpAddr>,
    method: &'a Method,
    uri: &Uri,
    agent: Option<&HeaderValue>,
) -> Asked<'a> {
    let agent = agent.map(HeaderValue::as_bytes).unwrap_or_default();
    Asked {
        client,
        method: method.as_str(),
        path: shown("url.path", uri.path().as_bytes()),
        user_agent: shown("user_agent.original", agent),
    }
}

/// How a request is answered that is not let through.
#[derive(Clone, Copy, Debug)]
struct Refused {
    status: StatusCode,
    retry_after: Option<u64>,
}

impl Refused {
    fn new(reason: &Reason<'_>) -> Self {
        Self {
            status: reason.kind().refusal(),
            retry_after: match reason {
                Reason::Pace { limit, .. } => Some(limit.within.as_secs().max(1)),
                Reason::Evidence(_) => None,
            },
        }
    }

    fn response<R: Default>(self) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// Looks at the answer for a failed login.
struct Login {
    shared: Arc<Shared>,
    client: IpAddr,
    limit: Limit,
    is_login: bool,
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
}

impl Login {
    fn answered<R>(&self, response: &Response<R>) {
        let failed = self.is_login && response.status() == StatusCode::UNAUTHORIZED
            || response.extensions().get::<LoginFailed>().is_some();
        if !failed {
            return;
        }
        let kind = Attack::FailedLogins;
        let limit = self.limit;
        let (number, is_told) = match self.shared.visitors.failed_login(self.client, limit) {
            Pace::Within => return,
            Pace::Crossed(number) => (number, true),
            Pace::Over(number) => (number, false),
        };
        let blocked = self.shared.blocked & kind.bit() != 0;
        count(kind, blocked);
        if is_told && let Some(untold) = self.shared.visitors.record(Some(self.client)) {
            let reason = Reason::Pace {
                kind,
                count: number,
                limit,
            };
            let agent = self.user_agent.as_ref();
            let asked = asked_of(Some(self.client), &self.method, &self.uri, agent);
            tell(&asked, &reason, blocked, untold);
        }
    }
}

pin_project! {
    /// The future of [`AttackService`].
    pub struct AttackFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Passed { #[pin] inner: F, login: Option<Login> },
        Refused { refused: Refused },
    }
}

impl<F> std::fmt::Debug for AttackFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttackFuture").finish_non_exhaustive()
    }
}

impl<F, R, E> Future for AttackFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Refused { refused } => Poll::Ready(Ok(refused.response())),
            Projected::Passed { inner, login } => {
                let response = ready!(inner.poll(context))?;
                if let Some(login) = login {
                    login.answered(&response);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}
