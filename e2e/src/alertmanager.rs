//! Alerts on their way from Prometheus to a webhook.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::ask::{Answer, Api};

#[derive(Clone, Debug)]
pub struct Alertmanager {
    api: Api,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Alertmanager {
    #[must_use]
    pub fn new(base: String) -> Self {
        Self {
            api: Api::new("alertmanager", base),
        }
    }

    /// The alerts that are active and carry this label.
    ///
    /// # Errors
    /// If Alertmanager does not answer as expected.
    pub async fn active(&self, label: &str, value: &str) -> Result<Answer<Vec<Alert>>> {
        let filter = format!("{label}=\"{value}\"");
        self.api
            .get("/api/v2/alerts", &[("active", "true"), ("filter", &filter)])
            .await?
            .try_map(|body| Ok(Vec::deserialize(body)?))
    }
}
