//! Log records, as Grafana's explore page asks for them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ask::{Answer, Api},
    run::Run,
};

/// Loki's own upper limit for a query.
const LIMIT: &str = "5000";

#[derive(Clone, Debug)]
pub struct Loki {
    api: Api,
}

/// A record with its labels and its structured metadata in one map, which is how a query
/// gives them back.
#[derive(Clone, Debug)]
pub struct Record {
    /// Nanoseconds since the epoch.
    pub time: String,
    pub line: String,
    pub labels: BTreeMap<String, String>,
}

impl Record {
    /// A label or a field of the structured metadata; empty if there is none.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Loki {
    #[must_use]
    pub fn new(base: String) -> Self {
        Self {
            api: Api::new("loki", base),
        }
    }

    /// Every record of a run's service.
    ///
    /// # Errors
    /// If Loki does not answer as expected.
    pub async fn records(&self, run: &Run) -> Result<Answer<Vec<Record>>> {
        self.query(&format!(r#"{{service_name="{}"}}"#, run.service), run)
            .await
    }

    /// The records of a query that selects lines.
    ///
    /// # Errors
    /// If Loki does not answer as expected.
    pub async fn query(&self, query: &str, run: &Run) -> Result<Answer<Vec<Record>>> {
        self.range(query, run.window(), LIMIT)
            .await?
            .try_map(|body| {
                let mut records = Vec::new();
                for stream in streams(&body)? {
                    let labels = BTreeMap::deserialize(&stream["stream"])?;
                    for entry in stream["values"]
                        .as_array()
                        .context("a stream without values")?
                    {
                        let line = entry[1]
                            .as_str()
                            .context("an entry without a line")?
                            .to_owned();
                        records.push(Record {
                            time: String::deserialize(&entry[0])?,
                            line,
                            labels: labels.clone(),
                        });
                    }
                }
                Ok(records)
            })
    }

    /// The labels of each stream of a run's service, without the structured metadata that
    /// a query mixes with them.
    ///
    /// # Errors
    /// If Loki does not answer as expected.
    pub async fn streams(&self, run: &Run) -> Result<Answer<Vec<BTreeMap<String, String>>>> {
        let (start, end) = nanoseconds(run.window());
        let selector = format!(r#"{{service_name="{}"}}"#, run.service);
        let parameters = [
            ("match[]", selector.as_str()),
            ("start", &start),
            ("end", &end),
        ];
        self.api
            .get("/loki/api/v1/series", &parameters)
            .await?
            .try_map(|body| Ok(Vec::deserialize(&body["data"])?))
    }

    /// How many series or streams a query gives, as Grafana runs it for a panel.
    ///
    /// # Errors
    /// If Loki does not answer as expected.
    pub async fn panel(
        &self,
        query: &str,
        window: (Duration, Duration),
        lines: u64,
    ) -> Result<Answer<usize>> {
        self.range(query, window, &lines.to_string())
            .await?
            .try_map(|body| Ok(streams(&body)?.len()))
    }

    /// The values of a label, among the streams that `selector` selects if there is one.
    ///
    /// # Errors
    /// If Loki does not answer as expected.
    pub async fn label_values(
        &self,
        label: &str,
        selector: Option<&str>,
        window: (Duration, Duration),
    ) -> Result<Answer<Vec<String>>> {
        let (start, end) = nanoseconds(window);
        let mut query = vec![("start", start.as_str()), ("end", end.as_str())];
        query.extend(selector.map(|selector| ("query", selector)));
        self.api
            .get(&format!("/loki/api/v1/label/{label}/values"), &query)
            .await?
            .try_map(|body| Ok(Option::deserialize(&body["data"])?.unwrap_or_default()))
    }

    async fn range(
        &self,
        query: &str,
        window: (Duration, Duration),
        limit: &str,
    ) -> Result<Answer<Value>> {
        let (start, end) = nanoseconds(window);
        let parameters = [
            ("query", query),
            ("limit", limit),
            ("start", start.as_str()),
            ("end", end.as_str()),
        ];
        self.api.get("/loki/api/v1/query_range", &parameters).await
    }
}

fn streams(body: &Value) -> Result<&Vec<Value>> {
    body["data"]["result"].as_array().context("no data.result")
}

fn nanoseconds((start, end): (Duration, Duration)) -> (String, String) {
    (start.as_nanos().to_string(), end.as_nanos().to_string())
}
