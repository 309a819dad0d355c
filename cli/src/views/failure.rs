//! What a view shows where the store cannot answer it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use crate::{
    page::{PageRequest, Shell, View},
    store::StoreError,
};

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    error: String,
}

/// The page of a question that failed, in the frame of its view, so that one can go on from it.
pub(super) fn failure(request: &PageRequest, view: View, error: &StoreError) -> Response {
    tracing::warn!(%error, path = request.path, "cannot show a page");
    Shell::new(request, view, "This cannot be shown now")
        .status(StatusCode::SERVICE_UNAVAILABLE)
        .respond(&Failure {
            error: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Query;

    #[tokio::test]
    async fn a_store_that_cannot_answer_has_a_page_that_says_why() {
        let request = PageRequest {
            path: "/logs".into(),
            query: Query::default(),
            fragment: false,
        };
        let response = failure(&request, View::Logs, &StoreError::Ended);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        let html = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(html.contains("the store has ended"), "{html}");
        assert!(html.contains("aria-current=\"page\">Logs"), "{html}");
    }
}
