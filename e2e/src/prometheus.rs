//! Metrics, exemplars and alerts.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::ask::{Answer, Api};

#[derive(Clone, Debug)]
pub struct Prometheus {
    api: Api,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Exemplar {
    pub labels: BTreeMap<String, String>,
}

/// A native histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    pub count: f64,
    pub sum: f64,
    /// How many there are in each bucket that has any, by the bucket's upper bound.
    pub buckets: Vec<(f64, f64)>,
}

/// What a series says at one time.
#[derive(Clone, Debug)]
pub enum Reading {
    Number(f64),
    Native(Native),
}

/// The bounds of a native histogram's buckets are powers, which two programs compute with
/// different last digits.
const SAME_BOUND: f64 = 1e-9;

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Native(one), Self::Native(other)) => {
                let near = |(one, other): (f64, f64)| {
                    (one - other).abs() <= SAME_BOUND * one.abs().max(other.abs())
                };
                let pairs = || one.buckets.iter().zip(&other.buckets);
                one.count == other.count
                    && one.sum == other.sum
                    && one.buckets.len() == other.buckets.len()
                    && pairs().all(|(one, other)| near((one.0, other.0)) && one.1 == other.1)
            }
            _ => false,
        }
    }
}

impl Native {
    /// How many are no greater than a bound that a bucket ends with.
    #[must_use]
    pub fn up_to(&self, bound: f64) -> f64 {
        let below = self.buckets.iter().filter(|(upper, _)| *upper <= bound);
        below.map(|(_, count)| count).sum()
    }
}

impl Prometheus {
    #[must_use]
    pub fn new(base: String) -> Self {
        Self {
            api: Api::new("prometheus", base),
        }
    }

    /// An instant query, now.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn query(&self, query: &str) -> Result<Answer<Vec<Sample>>> {
        self.api
            .get("/api/v1/query", &[("query", query)])
            .await?
            .try_map(|body| {
                results(&body)?
                    .iter()
                    .map(|series| {
                        let value = series["value"][1]
                            .as_str()
                            .context("a series without a value")?;
                        Ok(Sample {
                            labels: BTreeMap::deserialize(&series["metric"])?,
                            value: value.parse()?,
                        })
                    })
                    .collect()
            })
    }

    /// The native histograms of an instant query, by name.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected, also if a series is of another kind.
    pub async fn native(&self, query: &str) -> Result<Answer<BTreeMap<String, Native>>> {
        self.api
            .get("/api/v1/query", &[("query", query)])
            .await?
            .try_map(|body| {
                results(&body)?
                    .iter()
                    .map(|series| {
                        let name = String::deserialize(&series["metric"]["__name__"])?;
                        Ok((name, native(&series["histogram"][1])?))
                    })
                    .collect()
            })
    }

    /// The series of an instant query, of either kind, each with its labels.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn readings(
        &self,
        query: &str,
    ) -> Result<Answer<Vec<(BTreeMap<String, String>, Reading)>>> {
        self.api
            .get("/api/v1/query", &[("query", query)])
            .await?
            .try_map(|body| {
                results(&body)?
                    .iter()
                    .map(|series| {
                        let reading = match series["value"][1].as_str() {
                            Some(value) => Reading::Number(value.parse()?),
                            None => Reading::Native(native(&series["histogram"][1])?),
                        };
                        Ok((BTreeMap::deserialize(&series["metric"])?, reading))
                    })
                    .collect()
            })
    }

    /// The one value of an instant query that aggregates; `None` if it selects nothing.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn value(&self, query: &str) -> Result<Answer<Option<f64>>> {
        let answer = self.query(query).await?;
        Ok(answer.map(|samples| samples.first().map(|sample| sample.value)))
    }

    /// The values of an instant query by one of its labels.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn by_label(
        &self,
        query: &str,
        label: &str,
    ) -> Result<Answer<BTreeMap<String, f64>>> {
        let answer = self.query(query).await?;
        Ok(answer.map(|samples| {
            samples
                .into_iter()
                .map(|sample| {
                    (
                        sample.labels.get(label).cloned().unwrap_or_default(),
                        sample.value,
                    )
                })
                .collect()
        }))
    }

    /// How many series with a number in them a query gives, as Grafana runs it for a panel.
    /// NaN, which a ratio of nothing gives, is drawn as "No data".
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn panel(
        &self,
        query: &str,
        window: (Duration, Duration),
        step: &str,
    ) -> Result<Answer<usize>> {
        let (start, end) = seconds(window);
        let parameters = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", step),
        ];
        self.api
            .get("/api/v1/query_range", &parameters)
            .await?
            .try_map(|body| {
                let with_number = results(&body)?.iter().filter(|series| {
                    let values = series["values"].as_array().into_iter().flatten();
                    let native = series["histograms"]
                        .as_array()
                        .is_some_and(|list| !list.is_empty());
                    native
                        || values
                            .filter_map(|value| value[1].as_str())
                            .any(|value| value != "NaN")
                });
                Ok(with_number.count())
            })
    }

    /// The exemplars of the series that a query selects.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn exemplars(
        &self,
        query: &str,
        window: (Duration, Duration),
    ) -> Result<Answer<Vec<Exemplar>>> {
        let (start, end) = seconds(window);
        let parameters = [
            ("query", query),
            ("start", start.as_str()),
            ("end", end.as_str()),
        ];
        self.api
            .get("/api/v1/query_exemplars", &parameters)
            .await?
            .try_map(|body| {
                let series = body["data"].as_array().context("no data")?;
                let exemplars = series
                    .iter()
                    .flat_map(|series| series["exemplars"].as_array())
                    .flatten();
                exemplars
                    .map(|exemplar| Ok(Exemplar::deserialize(exemplar)?))
                    .collect()
            })
    }

    /// The values of a label, among the series that `selector` selects if there is one.
    ///
    /// # Errors
    /// If Prometheus does not answer as expected.
    pub async fn label_values(
        &self,
        label: &str,
        selector: Option<&str>,
        window: (Duration, Duration),
    ) -> Result<Answer<Vec<String>>> {
        let (start, end) = seconds(window);
        let mut query = vec![("start", start.as_str()), ("end", end.as_str())];
        query.extend(selector.map(|selector| ("match[]", selector)));
        self.api
            .get(&format!("/api/v1/label/{label}/values"), &query)
            .await?
            .try_map(|body| Ok(Vec::deserialize(&body["data"])?))
    }
}

fn results(body: &Value) -> Result<&Vec<Value>> {
    body["data"]["result"].as_array().context("no data.result")
}

fn native(histogram: &Value) -> Result<Native> {
    let number = |value: &Value| -> Result<f64> {
        let text = value.as_str().context("not a native histogram")?;
        Ok(text.parse()?)
    };
    let buckets = histogram["buckets"].as_array();
    Ok(Native {
        count: number(&histogram["count"])?,
        sum: number(&histogram["sum"])?,
        buckets: buckets
            .context("a native histogram without buckets")?
            .iter()
            // Which ends are in it, the lower bound, the upper bound, the count.
            .map(|bucket| Ok((number(&bucket[2])?, number(&bucket[3])?)))
            .collect::<Result<_>>()?,
    })
}

fn seconds((start, end): (Duration, Duration)) -> (String, String) {
    (start.as_secs().to_string(), end.as_secs().to_string())
}
