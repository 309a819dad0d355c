//! What there is to buy: the home page, the search, a product's page.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use metrics::counter;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::streams::analytics;

use super::Storefront;
use super::sessions::Session;
use crate::database::on;
use crate::failure::Failure;
use crate::faults::Fault;
use crate::measures::SEARCHES;

/// What a page is told of a product: id, name, price and stock.
type Row = (i64, String, i64, i64);

fn product_json((id, name, price, stock): Row) -> Value {
    json!({ "id": id, "name": name, "price": price, "stock": stock })
}

/// A page was seen: by whom, if that is known.
async fn seen(shop: &Storefront, session: Option<&Session>, page: &str) -> Result<(), Failure> {
    analytics::page_viewed(page).emit();
    if let Some(session) = session {
        session.saw_page(&shop.database).await?;
    }
    shop.faults.on_page().await?;
    Ok(())
}

pub(super) async fn home(
    State(shop): State<Storefront>,
    session: Option<Session>,
) -> Result<Json<Value>, Failure> {
    seen(&shop, session.as_ref(), "home").await?;
    let products: Vec<Row> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, name, price, stock FROM products ORDER BY stock LIMIT 12")
            .fetch_all(db)
            .await?
    });
    Ok(Json(products.into_iter().map(product_json).collect()))
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    category: Option<String>,
}

pub(super) async fn search(
    State(shop): State<Storefront>,
    session: Option<Session>,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Failure> {
    seen(&shop, session.as_ref(), "search").await?;
    if shop.faults.strikes(Fault::SlowQueries) {
        count_everything(&shop).await?;
    }
    let words = format!("%{}%", search.q.to_lowercase());
    let products: Vec<Row> = on!(&shop.database, db => {
        sqlx::query_as(
            "SELECT id, name, price, stock FROM products
             WHERE lower(name) LIKE $1 AND category = coalesce($2, category)
             ORDER BY name LIMIT 40",
        )
        .bind(words)
        .bind(search.category)
        .fetch_all(db)
        .await?
    });
    let found = if products.is_empty() {
        "nothing"
    } else {
        "something"
    };
    counter!(SEARCHES, "search.found" => found).increment(1);
    analytics::feature_used("search").emit();
    // Not what was looked for, which may be anything.
    throughline::analytics!("search.answered", search.result.count = products.len());
    Ok(Json(products.into_iter().map(product_json).collect()))
}

/// Stands for a search without an index: as many rows, and as long.
async fn count_everything(shop: &Storefront) -> Result<(), sqlx::Error> {
    on!(&shop.database, db => {
        sqlx::query(
            "WITH RECURSIVE counter(n) AS (
                SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 2000000
             ) SELECT count(*) FROM counter",
        )
        .fetch_one(db)
        .await
        .map(drop)
    })
}

pub(super) async fn product(
    State(shop): State<Storefront>,
    session: Option<Session>,
    Path(id): Path<i64>,
) -> Result<Json<Value>, Failure> {
    seen(&shop, session.as_ref(), "product").await?;
    let product: Option<Row> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, name, price, stock FROM products WHERE id = $1")
            .bind(id)
            .fetch_optional(db)
            .await?
    });
    let Some(product) = product else {
        return Err(Failure::Refused(StatusCode::NOT_FOUND, "no such product"));
    };
    let reviews: Vec<(i64, String)> = on!(&shop.database, db => {
        sqlx::query_as("SELECT stars, text FROM reviews WHERE product_id = $1 LIMIT 20")
            .bind(id)
            .fetch_all(db)
            .await?
    });
    let mut page = product_json(product);
    page["reviews"] = json!(reviews);
    Ok(Json(page))
}
