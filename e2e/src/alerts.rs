//! The webhook at the end of every alert's way: what it was sent.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use crate::ask::{Answer, Api};

#[derive(Clone, Debug)]
pub struct Alerts {
    api: Api,
}

impl Alerts {
    #[must_use]
    pub fn new(base: String) -> Self {
        Self {
            api: Api::new("alerts (the webhook)", base),
        }
    }

    /// Everything that reached the webhook and is kept, oldest first.
    ///
    /// # Errors
    /// If it does not answer with JSON lines.
    pub async fn received(&self) -> Result<Answer<Vec<Value>>> {
        self.api
            .text(Method::GET, "/cgi-bin/alerts", &[])
            .await?
            .try_map(|body| {
                body.lines()
                    .map(|line| Ok(serde_json::from_str(line)?))
                    .collect()
            })
    }

    /// Alertmanager's notifications with this status (`firing`, `resolved`) that hold an
    /// alert of this name and service.
    ///
    /// # Errors
    /// If the webhook does not answer with JSON lines.
    pub async fn of_service(
        &self,
        status: &str,
        name: &str,
        service: &str,
    ) -> Result<Answer<Vec<Value>>> {
        let received = self.received().await?;
        Ok(received.map(|mut received| {
            received.retain(|notification| {
                let alerts = notification["alerts"].as_array().into_iter().flatten();
                let ours = alerts.filter(|alert| {
                    alert["labels"]["alertname"] == name
                        && alert["labels"]["service_name"] == service
                });
                ours.into_iter().any(|alert| alert["status"] == status)
            });
            received
        }))
    }
}
