//! Takes money, and gives it back.

mod gateway;
mod refunds;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use metrics::counter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use throughline::streams::business;
use throughline::{http::security_headers, performance};
use uuid::Uuid;

use crate::database::{Database, on};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::measures::PAYMENTS;
use crate::money::euros;
use crate::process::{self, Ended};
use crate::settings::Settings;
use crate::{schema, time};
pub(crate) use gateway::{DECLINED, TIMES_OUT};
use gateway::{Gateway, GatewayError, NAME};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// What is printed on a card. No `Debug`, so that no record has it by mistake.
#[derive(Deserialize, Serialize)]
pub(crate) struct Card {
    pub(crate) number: String,
    pub(crate) expires: String,
    pub(crate) cvc: String,
}

impl Card {
    fn last_four(&self) -> &str {
        let digits = self.number.len();
        self.number
            .get(digits.saturating_sub(4)..)
            .unwrap_or_default()
    }
}

#[derive(Clone)]
struct Payments {
    database: Database,
    gateway: Gateway,
}

pub(crate) async fn run(arguments: Arguments) -> Ended {
    let telemetry = process::observe("payments")?;
    let settings = arguments.settings;
    let database =
        Database::open(settings.database_url.as_deref(), &settings.data, "payments").await?;
    schema::create(&database, schema::PAYMENTS).await?;
    let faults = Faults::new(&settings.faults);
    let payments = Payments {
        database: database.clone(),
        gateway: Gateway::new(faults.clone()),
    };
    let routes = Router::new()
        .route("/payments", post(take))
        .route("/payments/{id}/refunds", post(refunds::refund))
        .with_state(payments)
        .merge(process::health(&database, &faults))
        .layer(security_headers());
    let nothing = std::future::ready(());
    process::serve("payments", settings.listen, routes, &faults, nothing).await?;
    process::end("payments", &database, telemetry).await;
    Ok(())
}

#[derive(Deserialize)]
struct Asked {
    order: String,
    amount: i64,
    card: Card,
}

async fn take(
    State(payments): State<Payments>,
    Json(asked): Json<Asked>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let id = format!("p-{}", Uuid::now_v7().simple());
    on!(&payments.database, db => {
        sqlx::query("INSERT INTO payments VALUES ($1, $2, $3, 'requested', $4, $5)")
            .bind(&id)
            .bind(&asked.order)
            .bind(asked.amount)
            .bind(asked.card.last_four())
            .bind(time::now())
            .execute(db)
            .await?;
    });
    business::payment_status_changed(&id, "requested")
        .order(&asked.order)
        .amount(euros(asked.amount))
        .gateway(NAME)
        .emit();
    // A careless line, as there is one in most services: the number does not leave the process.
    tracing::info!(
        payment.id = id,
        payment.card_number = asked.card.number,
        "asking the gateway"
    );

    let authorised = payments.gateway.authorise(&asked.card);
    let authorised = performance::try_timed("gateway_authorisation", authorised).await;
    let status = if authorised.is_ok() {
        "completed"
    } else {
        "failed"
    };
    on!(&payments.database, db => {
        sqlx::query("UPDATE payments SET status = $1 WHERE id = $2")
            .bind(status)
            .bind(&id)
            .execute(db)
            .await?;
    });
    let changed = business::payment_status_changed(&id, status)
        .from("requested")
        .order(&asked.order)
        .amount(euros(asked.amount))
        .gateway(NAME);
    match &authorised {
        Ok(()) => changed.emit(),
        Err(error) => changed.reason(error.reason()).emit(),
    }
    let outcome = authorised
        .as_ref()
        .map_or_else(GatewayError::reason, |()| "completed");
    counter!(PAYMENTS, "payment.outcome" => outcome).increment(1);
    match authorised {
        Ok(()) => Ok((StatusCode::CREATED, Json(json!({ "id": id })))),
        Err(GatewayError::Declined) => {
            let why = "the card was declined";
            Err(Failure::Refused(StatusCode::PAYMENT_REQUIRED, why))
        }
        Err(error @ GatewayError::Timeout(_)) => {
            Err(Failure::broken(StatusCode::GATEWAY_TIMEOUT, error))
        }
        Err(error @ GatewayError::Unreachable(_)) => {
            Err(Failure::broken(StatusCode::BAD_GATEWAY, error))
        }
    }
}
