//! What somebody is about to buy.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::performance::{Unit, measured};

use super::Storefront;
use super::sessions::Session;
use crate::database::{Database, on};
use crate::failure::Failure;

/// A line of a basket, with what it costs and whether it is to be had.
pub(super) struct Line {
    pub(super) product: i64,
    pub(super) quantity: i64,
    pub(super) price: i64,
    pub(super) stock: i64,
}

pub(super) async fn lines(database: &Database, user: &str) -> Result<Vec<Line>, sqlx::Error> {
    let rows: Vec<(i64, i64, i64, i64)> = on!(database, db => {
        sqlx::query_as(
            "SELECT products.id, basket_items.quantity, products.price, products.stock
             FROM basket_items JOIN products ON products.id = basket_items.product_id
             WHERE basket_items.user_id = $1 ORDER BY products.id",
        )
        .bind(user)
        .fetch_all(db)
        .await?
    });
    let line = |(product, quantity, price, stock)| Line {
        product,
        quantity,
        price,
        stock,
    };
    Ok(rows.into_iter().map(line).collect())
}

pub(super) async fn show(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<Json<Value>, Failure> {
    let lines = lines(&shop.database, &session.user).await?;
    let amount: i64 = lines.iter().map(|line| line.price * line.quantity).sum();
    Ok(Json(json!({ "lines": lines.len(), "amount": amount })))
}

#[derive(Deserialize)]
pub(super) struct Item {
    product: i64,
    quantity: i64,
}

pub(super) async fn add(
    State(shop): State<Storefront>,
    session: Session,
    Json(item): Json<Item>,
) -> Result<StatusCode, Failure> {
    if !(1..=20).contains(&item.quantity) {
        let why = "one to twenty of a product";
        return Err(Failure::Refused(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let added = on!(&shop.database, db => {
        sqlx::query(
            "INSERT INTO basket_items (user_id, product_id, quantity)
             SELECT $1, id, $2 FROM products WHERE id = $3
             ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = excluded.quantity",
        )
        .bind(&session.user)
        .bind(item.quantity)
        .bind(item.product)
        .execute(db)
        .await?
        .rows_affected()
    });
    if added == 0 {
        return Err(Failure::Refused(StatusCode::NOT_FOUND, "no such product"));
    }
    measured("basket.item.quantity", item.quantity as f64, Unit::Count);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(shop): State<Storefront>,
    session: Session,
    Path(product): Path<i64>,
) -> Result<StatusCode, Failure> {
    on!(&shop.database, db => {
        sqlx::query("DELETE FROM basket_items WHERE user_id = $1 AND product_id = $2")
            .bind(&session.user)
            .bind(product)
            .execute(db)
            .await?;
    });
    Ok(StatusCode::NO_CONTENT)
}
