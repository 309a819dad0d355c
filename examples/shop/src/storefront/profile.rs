//! What the shop knows of somebody, for that somebody.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::performance;
use throughline::streams::{analytics, audit};

use super::Storefront;
use super::sessions::Session;
use crate::database::on;
use crate::failure::Failure;

pub(super) async fn show(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<Json<Value>, Failure> {
    let (name, display_name): (String, String) = on!(&shop.database, db => {
        sqlx::query_as("SELECT name, display_name FROM users WHERE id = $1")
            .bind(&session.user)
            .fetch_one(db)
            .await?
    });
    audit::viewed("profile", &session.user).emit();
    analytics::page_viewed("profile").emit();
    session.saw_page(&shop.database).await?;
    Ok(Json(json!({ "name": name, "display_name": display_name })))
}

#[derive(Deserialize)]
pub(super) struct Profile {
    display_name: String,
}

pub(super) async fn update(
    State(shop): State<Storefront>,
    session: Session,
    Json(profile): Json<Profile>,
) -> Result<Json<Value>, Failure> {
    on!(&shop.database, db => {
        sqlx::query("UPDATE users SET display_name = $1 WHERE id = $2")
            .bind(&profile.display_name)
            .bind(&session.user)
            .execute(db)
            .await?;
    });
    audit::updated("profile", &session.user)
        .changes("display_name")
        .emit();
    Ok(Json(json!({ "display_name": profile.display_name })))
}

/// All of it as a file, which is somebody's right to have and the auditors' to know of.
pub(super) async fn export(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<Response, Failure> {
    let orders: Vec<(String, String, i64)> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, status, amount FROM orders WHERE user_id = $1")
            .bind(&session.user)
            .fetch_all(db)
            .await?
    });
    let file = performance::timed_sync("export_generation", || {
        let lines = orders
            .iter()
            .map(|(id, status, amount)| format!("{id},{status},{amount}\n"));
        std::iter::once("order,status,cents\n".to_owned())
            .chain(lines)
            .collect::<String>()
    });
    performance::measured("export.size", file.len() as f64, performance::Unit::Bytes);
    audit::exported("profile", &session.user).emit();
    analytics::feature_used("profile export").emit();
    Ok(([(header::CONTENT_TYPE, "text/csv")], file).into_response())
}
