//! Money that goes back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use metrics::histogram;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::streams::{audit, business};
use uuid::Uuid;

use super::Payments;
use super::gateway::NAME;
use crate::database::{self, on};
use crate::failure::Failure;
use crate::measures::{self, REFUNDED};
use crate::money::euros;

#[derive(Deserialize)]
pub(super) struct Refund {
    reason: String,
}

pub(super) async fn refund(
    State(payments): State<Payments>,
    Path(payment): Path<String>,
    Json(asked): Json<Refund>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let id = format!("re-{}", Uuid::now_v7().simple());
    // A payment goes back once, whoever else asks at the same time.
    let returned: Option<i64> = on!(&payments.database, db => {
        let mut transaction = database::begin(db).await?;
        let amount: Option<i64> = sqlx::query_scalar(
            "UPDATE payments SET status = 'refunded' WHERE id = $1 AND status = 'completed'
             RETURNING amount",
        )
        .bind(&payment)
        .fetch_optional(&mut transaction)
        .await?;
        if let Some(amount) = amount {
            sqlx::query("INSERT INTO refunds VALUES ($1, $2, $3, $4)")
                .bind(&id)
                .bind(&payment)
                .bind(amount)
                .bind(&asked.reason)
                .execute(&mut transaction)
                .await?;
        }
        transaction.commit().await?;
        amount
    });
    let Some(amount) = returned else {
        return Err(Failure::Refused(
            StatusCode::CONFLICT,
            "no payment to return",
        ));
    };
    business::payment_status_changed(&payment, "refunded")
        .from("completed")
        .amount(euros(amount))
        .gateway(NAME)
        .refund(&id, &asked.reason)
        .emit();
    audit::created("refund", &id).reason(&asked.reason).emit();
    histogram!(REFUNDED).record(measures::euros(amount));
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}
