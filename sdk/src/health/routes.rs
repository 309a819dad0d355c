//! The four endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::page::{Status, detailed, summary};
use super::probe::{Finding, Probe};
use super::running;
use super::system::System;
use super::token;
use crate::diagnostics::{self, Level};
use crate::shutdown;

pub(super) struct Pages {
    pub(super) probes: Vec<Arc<Probe>>,
    pub(super) application: Vec<Arc<Probe>>,
    pub(super) cached_for: Duration,
    pub(super) token: Option<String>,
    pub(super) system: System,
}

pub(super) fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/health", get(public))
        .route("/health/detailed", get(details))
        .with_state(Arc::new(pages))
}

/// Alive is whoever answers, also one that ends: to kill it would cost the requests at hand.
async fn live() -> Response<Body> {
    answer(StatusCode::OK, &json!({ "status": "alive" }))
}

async fn ready(State(pages): State<Arc<Pages>>) -> Response<Body> {
    let not_ready = |reason| {
        let body = json!({ "status": "not_ready", "reason": reason });
        answer(StatusCode::SERVICE_UNAVAILABLE, &body)
    };
    if shutdown::has_begun() {
        return not_ready("shutting_down");
    }
    match pages.status(&pages.checks().await) {
        Status::Unhealthy => not_ready("check_failed"),
        Status::Healthy | Status::Degraded => answer(StatusCode::OK, &json!({ "status": "ready" })),
    }
}

async fn public(State(pages): State<Arc<Pages>>) -> Response<Body> {
    let status = pages.status(&pages.checks().await);
    let page = summary(status, shutdown::has_begun());
    answer(code(status), &Value::Object(page))
}

async fn details(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response<Body> {
    let of_variable = || running::in_force().and_then(|running| running.token.as_deref());
    let Some(token) = pages.token.as_deref().or_else(of_variable) else {
        diagnostics::say_within_limits("health token", Level::Warn, || {
            "/health/detailed was asked for and is closed; name what opens it with THROUGHLINE_HEALTH_TOKEN, or with health::checks().token(..)".to_owned()
        });
        let body = json!({ "error": "closed: no token is configured" });
        return answer(StatusCode::FORBIDDEN, &body);
    };
    if !token::is_given(&headers, token) {
        let body = json!({ "error": "expected the header Authorization: Bearer <token>" });
        let mut refused = answer(StatusCode::UNAUTHORIZED, &body);
        let bearer = HeaderValue::from_static("Bearer");
        refused
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
        return refused;
    }
    let (checks, figures) = (pages.checks(), pages.figures());
    let (checks, figures) = (checks.await, figures.await);
    let status = pages.status(&checks);
    let ending = shutdown::has_begun();
    let page = detailed(status, ending, &checks, &figures, &pages.system);
    answer(code(status), &page)
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::Healthy | Status::Degraded => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

type Found<'p> = Vec<(&'p Arc<Probe>, Arc<Finding>)>;

impl Pages {
    fn checks(&self) -> impl Future<Output = Found<'_>> + Send {
        self.all(&self.probes)
    }

    fn figures(&self) -> impl Future<Output = Found<'_>> + Send {
        self.all(&self.application)
    }

    /// All of them run from here on; awaiting one after another takes as long as the slowest.
    fn all<'p>(
        &self,
        probes: &'p [Arc<Probe>],
    ) -> impl Future<Output = Found<'p>> + Send + use<'p> {
        let running: Vec<_> = probes
            .iter()
            .map(|probe| (probe, probe.finding(self.cached_for)))
            .collect();
        async move {
            let mut found = Vec::with_capacity(running.len());
            for (probe, finding) in running {
                found.push((probe, finding.await));
            }
            found
        }
    }

    fn status(&self, checks: &Found<'_>) -> Status {
        if shutdown::has_begun() {
            return Status::Unhealthy;
        }
        let found = checks.iter();
        Status::of(found.map(|(probe, finding)| (probe.kind(), &**finding)))
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    // An answer of a minute ago sends requests to who is gone.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
