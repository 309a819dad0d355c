//! Small pages with known faults, for the tests of the harness itself.

use std::collections::HashMap;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The policy that the viewer has.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A web site on a free port, with a policy or without.
pub(crate) struct Site {
    base: String,
    server: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start(pages: &[(&'static str, &'static str)]) -> Self {
        Self::serve(pages, None).await
    }

    pub(crate) async fn start_with_policy(pages: &[(&'static str, &'static str)]) -> Self {
        Self::serve(pages, Some(POLICY)).await
    }

    async fn serve(pages: &[(&'static str, &'static str)], policy: Option<&'static str>) -> Self {
        let pages: HashMap<_, _> = pages.iter().copied().collect();
        let answer = move |path: &str| -> Response {
            let Some(body) = pages.get(path) else {
                return StatusCode::NOT_FOUND.into_response();
            };
            let page = Html(format!(
                "<!doctype html><html lang=en><title>a page</title><link rel=icon href=data:,>{body}"
            ));
            match policy {
                Some(policy) => ([(CONTENT_SECURITY_POLICY, policy)], page).into_response(),
                None => page.into_response(),
            }
        };
        let app = Router::new().fallback(move |uri: axum::http::Uri| {
            let answer = answer(uri.path());
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, server }
    }

    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}
