//! How the storefront has payments take the money, and give it back.

use std::time::Duration;

use axum::http::StatusCode;
use reqwest_middleware::ClientWithMiddleware;
use serde_json::{Value, json};
use throughline::http::UrlTemplate;

use crate::payments::Card;

/// Longer than payments waits for its gateway.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct PaymentClient {
    http: ClientWithMiddleware,
    /// Without a slash at the end.
    address: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PaymentError {
    /// Nobody has told that yet, as nobody was there.
    #[error("payments did not answer")]
    NoAnswer(#[from] reqwest_middleware::Error),
    #[error("payments answered what is no answer")]
    Nonsense(#[from] reqwest::Error),
}

/// What became of a payment.
pub(super) enum Payment {
    Taken(String),
    /// Why not, as a checkout tells it.
    NotTaken(&'static str),
}

impl PaymentClient {
    pub(super) fn new(address: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent("storefront")
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            http: reqwest_middleware::ClientBuilder::new(client)
                .with(throughline::http::client())
                .build(),
            address: address.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) async fn take(
        &self,
        order: &str,
        amount: i64,
        card: &Card,
    ) -> Result<Payment, PaymentError> {
        let answer = self
            .http
            .post(format!("{}/payments", self.address))
            .with_extension(UrlTemplate("/payments"))
            .json(&json!({ "order": order, "amount": amount, "card": card }))
            .send()
            .await?;
        Ok(match answer.status() {
            StatusCode::CREATED => {
                let body: Value = answer.json().await.map_err(PaymentError::from)?;
                Payment::Taken(body["id"].as_str().unwrap_or_default().to_owned())
            }
            StatusCode::PAYMENT_REQUIRED => Payment::NotTaken("card declined"),
            StatusCode::GATEWAY_TIMEOUT => Payment::NotTaken("gateway timeout"),
            _ => Payment::NotTaken("gateway unavailable"),
        })
    }

    /// Whether the money is on its way back.
    pub(super) async fn refund(&self, payment: &str, reason: &str) -> Result<bool, PaymentError> {
        let answer = self
            .http
            .post(format!("{}/payments/{payment}/refunds", self.address))
            .with_extension(UrlTemplate("/payments/{id}/refunds"))
            .json(&json!({ "reason": reason }))
            .send()
            .await?;
        Ok(answer.status().is_success())
    }
}
