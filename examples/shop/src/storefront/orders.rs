//! What somebody has bought, gives back, or has sent each week.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::streams::{audit, business, security};
use uuid::Uuid;

use super::sessions::Session;
use super::{Storefront, goods};
use crate::database::{Database, on};
use crate::failure::Failure;
use crate::faults::Fault;
use crate::money::euros;
use crate::queue::{self, Kind};
use crate::time;

struct Order {
    id: String,
    user: String,
    status: String,
    amount: i64,
    payment: String,
}

#[derive(Deserialize)]
pub(super) struct Detail {
    /// Each order with its products, read row by row: how a page should not be made.
    #[serde(default)]
    detailed: bool,
}

pub(super) async fn list(
    State(shop): State<Storefront>,
    session: Session,
    Query(detail): Query<Detail>,
) -> Result<Json<Value>, Failure> {
    let orders: Vec<(String, String, i64)> = on!(&shop.database, db => {
        sqlx::query_as(
            "SELECT id, status, amount FROM orders WHERE user_id = $1
             ORDER BY placed_at DESC LIMIT 20",
        )
        .bind(&session.user)
        .fetch_all(db)
        .await?
    });
    if detail.detailed || shop.faults.strikes(Fault::QueryStorm) {
        let suggested = suggestions(&shop.database).await?;
        return Ok(Json(json!({ "orders": orders, "suggested": suggested })));
    }
    Ok(Json(json!({ "orders": orders })))
}

/// The shop's other bug: a query for each product where one for all would do.
async fn suggestions(database: &Database) -> Result<Vec<String>, sqlx::Error> {
    let mut names = Vec::new();
    for id in 1..=goods::PRODUCTS {
        let name: Option<String> = on!(database, db => {
            sqlx::query_scalar("SELECT name FROM products WHERE id = $1 AND stock > 0")
                .bind(id)
                .fetch_optional(db)
                .await?
        });
        names.extend(name);
    }
    Ok(names)
}

/// Somebody's own order. Anybody else's is denied, and told.
async fn own(
    shop: &Storefront,
    session: &Session,
    id: &str,
    action: &str,
) -> Result<Order, Failure> {
    let found: Option<(String, String, String, i64, String)> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, user_id, status, amount, payment_id FROM orders WHERE id = $1")
            .bind(id)
            .fetch_optional(db)
            .await?
    });
    let Some((id, user, status, amount, payment)) = found else {
        return Err(Failure::Refused(StatusCode::NOT_FOUND, "no such order"));
    };
    if user != session.user && !session.is_staff() {
        security::permission_denied(action)
            .roles(&session.role)
            .resource("order", &id)
            .emit();
        return Err(Failure::Refused(StatusCode::FORBIDDEN, "not your order"));
    }
    Ok(Order {
        id,
        user,
        status,
        amount,
        payment,
    })
}

pub(super) async fn show(
    State(shop): State<Storefront>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let order = own(&shop, &session, &id, "view order").await?;
    if order.user != session.user {
        audit::viewed("order", &order.id).emit();
    }
    let shown = json!({ "id": order.id, "status": order.status, "amount": order.amount });
    Ok(Json(shown))
}

#[derive(Deserialize)]
pub(super) struct Refund {
    reason: String,
}

pub(super) async fn refund(
    State(shop): State<Storefront>,
    session: Session,
    Path(id): Path<String>,
    Json(refund): Json<Refund>,
) -> Result<StatusCode, Failure> {
    let order = own(&shop, &session, &id, "refund order").await?;
    if order.status != "paid" {
        return Err(Failure::Refused(StatusCode::CONFLICT, "not to be refunded"));
    }
    if !shop.payments.refund(&order.payment, &refund.reason).await? {
        return Err(Failure::Refused(StatusCode::CONFLICT, "payments refused"));
    }
    on!(&shop.database, db => {
        sqlx::query("UPDATE orders SET status = 'refunded' WHERE id = $1")
            .bind(&order.id)
            .execute(db)
            .await?;
    });
    business::order_status_changed(&order.id, "refunded")
        .from("paid")
        .emit();
    audit::updated("order", &order.id)
        .action("refund")
        .changes("status")
        .reason(&refund.reason)
        .emit();
    Ok(StatusCode::ACCEPTED)
}

const PLANS: [(&str, i64); 2] = [("weekly-box", 2_490), ("fortnightly-box", 2_790)];

#[derive(Deserialize)]
pub(super) struct Subscribe {
    plan: String,
}

pub(super) async fn subscribe(
    State(shop): State<Storefront>,
    session: Session,
    Json(asked): Json<Subscribe>,
) -> Result<StatusCode, Failure> {
    let plan = PLANS.iter().find(|(plan, _)| *plan == asked.plan);
    let Some(&(plan, price)) = plan else {
        return Err(Failure::Refused(StatusCode::NOT_FOUND, "no such plan"));
    };
    let id = format!("sub-{}", Uuid::now_v7().simple());
    on!(&shop.database, db => {
        sqlx::query("INSERT INTO subscriptions VALUES ($1, $2, $3, $4)")
            .bind(&id)
            .bind(&session.user)
            .bind(plan)
            .bind(time::now())
            .execute(db)
            .await?;
    });
    business::subscription_created(&id)
        .plan(plan)
        .amount(euros(price))
        .emit();
    queue::enqueue(&shop.database, Kind::Digest, &session.user).await?;
    Ok(StatusCode::CREATED)
}
