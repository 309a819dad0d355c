//! What the staff may do, and others may not.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline::performance;
use throughline::streams::{audit, security};

use super::Storefront;
use super::sessions::Session;
use crate::database::on;
use crate::failure::Failure;

fn staff_only(session: &Session, action: &str) -> Result<(), Failure> {
    if session.is_staff() {
        return Ok(());
    }
    security::permission_denied(action)
        .roles(&session.role)
        .emit();
    Err(Failure::Refused(StatusCode::FORBIDDEN, "for the staff"))
}

pub(super) async fn users(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<Json<Value>, Failure> {
    staff_only(&session, "list users")?;
    let users: Vec<(String, String, i64)> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, role, enabled FROM users ORDER BY name LIMIT 50")
            .fetch_all(db)
            .await?
    });
    audit::viewed("users", "all").emit();
    Ok(Json(json!({ "users": users })))
}

#[derive(Deserialize)]
pub(super) struct Enabled {
    enabled: bool,
    reason: String,
}

pub(super) async fn enable(
    State(shop): State<Storefront>,
    session: Session,
    Path(name): Path<String>,
    Json(asked): Json<Enabled>,
) -> Result<StatusCode, Failure> {
    let action = if asked.enabled {
        "enable user"
    } else {
        "disable user"
    };
    staff_only(&session, action)?;
    let account: Option<String> = on!(&shop.database, db => {
        sqlx::query_scalar("UPDATE users SET enabled = $1 WHERE name = $2 RETURNING id")
            .bind(i64::from(asked.enabled))
            .bind(&name)
            .fetch_optional(db)
            .await?
    });
    let Some(account) = account else {
        return Err(Failure::Refused(StatusCode::NOT_FOUND, "no such user"));
    };
    let changed = if asked.enabled {
        security::account_enabled(&account)
    } else {
        security::account_disabled(&account)
    };
    changed.by(&session.user).reason(&asked.reason).emit();
    audit::updated("user", &account)
        .action(action)
        .changes("enabled")
        .reason(&asked.reason)
        .emit();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn sales(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<Json<Value>, Failure> {
    staff_only(&session, "sales report")?;
    let rows = performance::timed("report_generation", async {
        let rows: Vec<(String, i64, i64)> = on!(&shop.database, db => {
            sqlx::query_as(
                "SELECT products.category, count(*),
                    CAST(sum(order_items.quantity * order_items.price) AS BIGINT)
                 FROM order_items JOIN products ON products.id = order_items.product_id
                 GROUP BY products.category ORDER BY products.category",
            )
            .fetch_all(db)
            .await?
        });
        Ok::<_, sqlx::Error>(rows)
    })
    .await?;
    throughline::performance!(
        "operation.measured",
        operation.name = "report_generation",
        operation.value = rows.len(),
        operation.unit = "{row}",
        report.type = "sales",
        "sales report"
    );
    throughline::audit!(
        "report.generated",
        user.id = session.user,
        audit.action = "generate report",
        audit.resource.type = "report",
        audit.resource.id = "sales",
        audit.outcome = "success",
        report.record.count = rows.len(),
        "sales report was generated"
    );
    Ok(Json(json!({ "sales": rows })))
}
