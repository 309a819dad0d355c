//! From a basket to an order that is paid.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use metrics::{counter, histogram};
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::performance;
use throughline::streams::business;
use uuid::Uuid;

use super::Storefront;
use super::basket::{self, Line};
use super::payment_client::Payment;
use super::sessions::Session;
use crate::database::{self, Database, on};
use crate::failure::Failure;
use crate::measures::{self, CHECKOUT_VALUE, CHECKOUTS};
use crate::money::euros;
use crate::payments::Card;
use crate::queue::{self, Kind};
use crate::time;

#[derive(Deserialize)]
pub(super) struct Checkout {
    card: Card,
}

pub(super) async fn check_out(
    State(shop): State<Storefront>,
    session: Session,
    Json(asked): Json<Checkout>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let lines = basket::lines(&shop.database, &session.user).await?;
    if lines.is_empty() {
        return Err(Failure::Refused(
            StatusCode::CONFLICT,
            "the basket is empty",
        ));
    }
    let items: i64 = lines.iter().map(|line| line.quantity).sum();
    let items = u64::try_from(items).unwrap_or_default();
    let amount: i64 = lines.iter().map(|line| line.price * line.quantity).sum();
    business::checkout_started()
        .items(items)
        .amount(euros(amount))
        .emit();
    if lines.iter().any(|line| line.stock < line.quantity) {
        return Err(failed(StatusCode::CONFLICT, "out of stock", amount));
    }

    let order = format!("o-{}", Uuid::now_v7().simple());
    let payment = performance::try_timed(
        "checkout_payment",
        shop.payments.take(&order, amount, &asked.card),
    );
    let payment = match payment.await {
        Ok(Payment::Taken(payment)) => payment,
        // Payments has told its error, and an answer from 500 on would make a second one of it
        // here, where it is a sale that did not come about.
        Ok(Payment::NotTaken(why)) => {
            return Err(failed(StatusCode::PAYMENT_REQUIRED, why, amount));
        }
        Err(error) => {
            failed(StatusCode::BAD_GATEWAY, "payments unavailable", amount);
            return Err(Failure::broken(StatusCode::BAD_GATEWAY, error));
        }
    };
    place(&shop.database, &session.user, &order, &payment, &lines).await?;
    business::order_status_changed(&order, "paid").emit();
    business::checkout_completed(&order)
        .payment(&payment)
        .items(items)
        .amount(euros(amount))
        .emit();
    counter!(CHECKOUTS, "checkout.outcome" => "completed").increment(1);
    histogram!(CHECKOUT_VALUE).record(measures::euros(amount));
    queue::enqueue(&shop.database, Kind::Receipt, &order).await?;
    let placed = json!({ "order": order, "amount": amount });
    Ok((StatusCode::CREATED, Json(placed)))
}

fn failed(status: StatusCode, why: &'static str, amount: i64) -> Failure {
    business::checkout_failed(why).amount(euros(amount)).emit();
    counter!(CHECKOUTS, "checkout.outcome" => why).increment(1);
    Failure::Refused(status, why)
}

/// The order, its items and what is left in stock: all of it or nothing.
async fn place(
    database: &Database,
    user: &str,
    order: &str,
    payment: &str,
    lines: &[Line],
) -> Result<(), sqlx::Error> {
    let amount: i64 = lines.iter().map(|line| line.price * line.quantity).sum();
    on!(database, db => {
        let mut transaction = database::begin(db).await?;
        sqlx::query("INSERT INTO orders VALUES ($1, $2, 'paid', $3, $4, $5)")
            .bind(order)
            .bind(user)
            .bind(amount)
            .bind(payment)
            .bind(time::now())
            .execute(&mut transaction)
            .await?;
        for line in lines {
            sqlx::query("INSERT INTO order_items VALUES ($1, $2, $3, $4)")
                .bind(order)
                .bind(line.product)
                .bind(line.quantity)
                .bind(line.price)
                .execute(&mut transaction)
                .await?;
            sqlx::query("UPDATE products SET stock = stock - $1 WHERE id = $2")
                .bind(line.quantity)
                .bind(line.product)
                .execute(&mut transaction)
                .await?;
        }
        sqlx::query("DELETE FROM basket_items WHERE user_id = $1")
            .bind(user)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    })
}
