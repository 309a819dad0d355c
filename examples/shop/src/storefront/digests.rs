//! A digest by mail, which is asked for here and sent by the worker.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use throughline::streams::analytics;

use super::Storefront;
use super::sessions::Session;
use crate::failure::Failure;
use crate::queue::{self, Kind};

pub(super) async fn ask(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<(StatusCode, Json<Value>), Failure> {
    analytics::feature_used("digest").emit();
    let job = queue::enqueue(&shop.database, Kind::Digest, &session.user).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "job": job }))))
}
