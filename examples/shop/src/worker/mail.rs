//! The mails that the shop sends, to a relay that the shop plays itself.

use std::io;
use std::time::Duration;

use throughline::performance::{self, Unit, measured};
use throughline::streams::{audit, business};
use tokio::time::sleep;
use uuid::Uuid;

use crate::database::{Database, on};
use crate::faults::{Fault, Faults};
use crate::money::euros;

#[derive(Debug, thiserror::Error)]
pub(super) enum MailError {
    #[error("user {0} has no address")]
    NoAddress(String),
    #[error("the mail relay did not take the mail")]
    Relay(#[source] io::Error),
    #[error("what to write could not be read")]
    Database(#[from] sqlx::Error),
}

const RELAY_TAKES: Duration = Duration::from_millis(8);

/// Gives the mail to the relay.
async fn send(faults: &Faults, text: &str) -> Result<(), MailError> {
    sleep(RELAY_TAKES).await;
    if faults.strikes(Fault::JobFailures) {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        return Err(MailError::Relay(refused));
    }
    measured("mail.size", text.len() as f64, Unit::Bytes);
    tracing::info!("mail was sent");
    Ok(())
}

async fn address(database: &Database, user: &str) -> Result<String, MailError> {
    let address: Option<Option<String>> = on!(database, db => {
        sqlx::query_scalar("SELECT email FROM users WHERE id = $1")
            .bind(user)
            .fetch_optional(db)
            .await?
    });
    address
        .flatten()
        .ok_or_else(|| MailError::NoAddress(user.to_owned()))
}

pub(super) async fn send_digest(
    database: &Database,
    faults: &Faults,
    user: &str,
) -> Result<(), MailError> {
    address(database, user).await?;
    let orders: Vec<(String, i64)> = on!(database, db => {
        sqlx::query_as(
            "SELECT id, amount FROM orders WHERE user_id = $1 ORDER BY placed_at DESC LIMIT 10",
        )
        .bind(user)
        .fetch_all(db)
        .await?
    });
    let text = performance::timed_sync("digest_rendering", || {
        let lines = orders
            .iter()
            .map(|(id, amount)| format!("{id}: {}\n", euros(*amount)));
        lines.collect::<String>()
    });
    send(faults, &text).await
}

pub(super) async fn send_welcome(
    database: &Database,
    faults: &Faults,
    user: &str,
) -> Result<(), MailError> {
    address(database, user).await?;
    send(faults, "welcome").await
}

/// Writes the invoice of an order and sends it. A second try finds it written.
pub(super) async fn send_receipt(
    database: &Database,
    faults: &Faults,
    order: &str,
) -> Result<(), MailError> {
    let invoice = format!("i-{}", Uuid::now_v7().simple());
    let written: Option<i64> = on!(database, db => {
        sqlx::query_scalar(
            "INSERT INTO invoices (id, order_id, amount)
             SELECT $1, id, amount FROM orders WHERE id = $2
             AND NOT EXISTS (SELECT 1 FROM invoices WHERE order_id = $2)
             RETURNING amount",
        )
        .bind(&invoice)
        .bind(order)
        .fetch_optional(db)
        .await?
    });
    if let Some(amount) = written {
        business::invoice_created(&invoice)
            .order(order)
            .amount(euros(amount))
            .emit();
        audit::created("invoice", &invoice).emit();
    }
    send(faults, order).await
}
