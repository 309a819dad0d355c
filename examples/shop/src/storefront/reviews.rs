//! What customers think of a product.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::streams::{analytics, audit};
use uuid::Uuid;

use super::Storefront;
use super::sessions::Session;
use crate::database::on;
use crate::failure::Failure;

#[derive(Deserialize)]
pub(super) struct Review {
    stars: i64,
    text: String,
}

pub(super) async fn write(
    State(shop): State<Storefront>,
    session: Session,
    Path(product): Path<i64>,
    Json(review): Json<Review>,
) -> Result<StatusCode, Failure> {
    if !(1..=5).contains(&review.stars) || review.text.len() > 2_000 {
        let why = "a review has one to five stars and 2000 characters at most";
        return Err(Failure::Refused(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let id = format!("r-{}", Uuid::now_v7().simple());
    on!(&shop.database, db => {
        sqlx::query("INSERT INTO reviews VALUES ($1, $2, $3, $4, $5)")
            .bind(&id)
            .bind(product)
            .bind(&session.user)
            .bind(review.stars)
            .bind(&review.text)
            .execute(db)
            .await?;
    });
    audit::created("review", &id).emit();
    analytics::feature_used("review").emit();
    // What users write is on a record as they wrote it, so that who reads records can see how
    // one copes with it.
    tracing::info!(
        product.id = product,
        review.text = review.text,
        "review written"
    );
    Ok(StatusCode::CREATED)
}

/// The shop's bug: nobody thought of a product without a review.
pub(super) async fn rating(
    State(shop): State<Storefront>,
    Path(product): Path<i64>,
) -> Result<Json<Value>, Failure> {
    let stars: Vec<i64> = on!(&shop.database, db => {
        sqlx::query_scalar("SELECT stars FROM reviews WHERE product_id = $1")
            .bind(product)
            .fetch_all(db)
            .await?
    });
    let count = i64::try_from(stars.len())?;
    let tenths = stars.iter().sum::<i64>() * 10 / count;
    Ok(Json(json!({ "tenths": tenths, "reviews": count })))
}
