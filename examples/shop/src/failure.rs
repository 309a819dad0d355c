//! What a handler answers when it cannot do what it was asked.

use std::error::Error;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use throughline::http::HandlerError;

pub(crate) enum Failure {
    /// The user's doing. No error of the service.
    Refused(StatusCode, &'static str),
    /// What the service cannot help: the server layer reports it, with its type.
    Broken(StatusCode, HandlerError),
}

impl Failure {
    pub(crate) fn broken(status: StatusCode, error: impl Error + Send + Sync + 'static) -> Self {
        Self::Broken(status, HandlerError::new(error))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::broken(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(status, why) => (status, Json(json!({ "error": why }))).into_response(),
            Self::Broken(status, error) => {
                // Nothing of the error itself, which may tell a stranger too much.
                let why = json!({ "error": "something went wrong" });
                let mut response = (status, Json(why)).into_response();
                response.extensions_mut().insert(error);
                response
            }
        }
    }
}
