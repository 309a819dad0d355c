//! An issue marked as resolved, or as open again.

use axum::{
    Form,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};

use crate::{
    issue::Fingerprint,
    page::{PageRequest, View, not_found},
    views::{App, errors::address, failure::failure},
};

/// What a form says of an issue.
#[derive(Debug, serde::Deserialize)]
pub(in crate::views) struct Resolve {
    resolved: bool,
}

/// Marks an issue as resolved or as open again, and shows it. That no other site's page asks is
/// looked at before.
pub(in crate::views) async fn resolve(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
    Form(form): Form<Resolve>,
) -> Response {
    let found = app
        .readers
        .ask(move |reader| match id.parse::<Fingerprint>() {
            Ok(fingerprint) => reader.issue(fingerprint),
            Err(_) => Ok(None),
        })
        .await;
    let issue = match found {
        Ok(Some(issue)) => issue,
        Ok(None) => {
            return not_found(&request, View::Errors, "such error", "It was deleted.");
        }
        Err(error) => return failure(&request, View::Errors, &error),
    };
    match app.store.resolve(issue.id, form.resolved).await {
        Ok(()) => Redirect::to(&address(&issue)).into_response(),
        Err(error) => failure(&request, View::Errors, &error),
    }
}
