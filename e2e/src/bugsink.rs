//! Errors, in the Sentry-compatible server.

use anyhow::{Context, Result};
use jiff::Timestamp;
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ask::{Answer, Api},
    run::Run,
};

/// What docker-compose.yml seeds unless variables say otherwise.
const KEY: &str = "74687265616400000000000000000001";
const TOKEN: &str = "7468726f7567686c696e65000000000000000001";
const PROJECT: &str = "1";
const ADMIN: &str = "admin@example.org";
const PASSWORD: &str = "throughline";

#[derive(Clone, Debug)]
pub struct Bugsink {
    api: Api,
    port: u16,
}

/// Events of one error.
#[derive(Clone, Debug, Deserialize)]
pub struct Issue {
    pub id: String,
    #[serde(rename = "calculated_type")]
    pub kind: String,
    #[serde(rename = "calculated_value")]
    pub value: String,
}

/// An issue with those of its events that one run sent, each as the SDK made it.
#[derive(Clone, Debug)]
pub struct Reported {
    pub issue: Issue,
    pub events: Vec<Value>,
}

impl Bugsink {
    /// # Errors
    /// Never, unless the token above is not fit for a header.
    pub fn new(port: u16) -> Result<Self> {
        let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}"))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let base = format!("http://127.0.0.1:{port}/api/canonical/0");
        Ok(Self {
            api: Api::new("bugsink", base).with_headers(headers),
            port,
        })
    }

    /// The DSN of the seeded project.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("http://{KEY}@127.0.0.1:{}/{PROJECT}", self.port)
    }

    /// Where its pages are.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A page as the administrator sees it.
    ///
    /// # Errors
    /// If logging in fails, or the page is not to be had.
    pub async fn page(&self, address: &str) -> Result<Answer<String>> {
        let client = Client::builder().cookie_store(true).build()?;
        let login = format!("{}/accounts/login/", self.base());
        let form = client
            .get(&login)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        let token = form
            .split_once("name=\"csrfmiddlewaretoken\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .context("bugsink's login page has no token")?
            .0;
        let fields = [
            ("username", ADMIN),
            ("password", PASSWORD),
            ("csrfmiddlewaretoken", token),
        ];
        client
            .post(&login)
            .form(&fields)
            .send()
            .await?
            .error_for_status()?;
        let path = address
            .strip_prefix(&self.base())
            .with_context(|| format!("{address} is not one of bugsink's, {}", self.base()))?;
        Api::with_client("bugsink", self.base(), client)
            .text(Method::GET, path, &[])
            .await
    }

    /// Every issue of the seeded project.
    ///
    /// # Errors
    /// If Bugsink does not answer as expected.
    pub async fn issues(&self) -> Result<Answer<Vec<Issue>>> {
        self.list("/issues/", &[("project", PROJECT)])
            .await?
            .try_map(|issues| {
                issues
                    .iter()
                    .map(|issue| Ok(Issue::deserialize(issue)?))
                    .collect()
            })
    }

    /// The issues that have events of this run's release, with those events.
    ///
    /// # Errors
    /// If Bugsink does not answer as expected.
    pub async fn reported(&self, run: &Run) -> Result<Answer<Vec<Reported>>> {
        self.since(run, |event| event["release"] == run.release.as_str())
            .await
    }

    /// The issues that have events of this run's environment, with those events.
    ///
    /// # Errors
    /// If Bugsink does not answer as expected.
    pub async fn reported_from(&self, run: &Run) -> Result<Answer<Vec<Reported>>> {
        self.since(run, |event| {
            event["environment"] == run.environment.as_str()
        })
        .await
    }

    /// The issues that have had such events since the run began, with those events.
    async fn since(
        &self,
        run: &Run,
        such: impl Fn(&Value) -> bool,
    ) -> Result<Answer<Vec<Reported>>> {
        let issues = self.issues().await?;
        let mut reported = Vec::new();
        for issue in &issues.value {
            let listed = self.list("/events/", &[("issue", &issue.id)]).await?;
            let mut events = Vec::new();
            for event in &listed.value {
                let ingested: Timestamp = event["ingested_at"]
                    .as_str()
                    .context("an event without a time")?
                    .parse()?;
                if ingested.as_duration().unsigned_abs() < run.window().0 {
                    // Newest first: all that follow are from earlier runs.
                    break;
                }
                let id = event["id"].as_str().context("an event without an id")?;
                let event = self.api.get(&format!("/events/{id}/"), &[]).await?.value;
                if such(&event["data"]) {
                    events.push(event["data"].clone());
                }
            }
            if !events.is_empty() {
                reported.push(Reported {
                    issue: issue.clone(),
                    events,
                });
            }
        }
        Ok(issues.map(|_| reported))
    }

    /// Deletes an issue, so that its error is a new one again.
    ///
    /// # Errors
    /// If Bugsink refuses.
    pub async fn delete(&self, issue: &Issue) -> Result<()> {
        self.api
            .text(Method::DELETE, &format!("/issues/{}/", issue.id), &[])
            .await?;
        Ok(())
    }

    /// All pages of a list.
    async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer<Vec<Value>>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.api.get(path, &query).await?;
            all.extend(
                page.value["results"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            cursor = page.value["next"].as_str().and_then(cursor_of);
            if cursor.is_none() {
                return Ok(page.map(|_| all));
            }
        }
    }
}

/// The cursor in the link to the next page.
fn cursor_of(link: &str) -> Option<String> {
    let link = reqwest::Url::parse(link).ok()?;
    link.query_pairs()
        .find(|(name, _)| name == "cursor")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_its_link() {
        let link = "http://127.0.0.1:8000/api/canonical/0/events/?cursor=cD0z%3D&issue=x";
        assert_eq!(cursor_of(link).as_deref(), Some("cD0z="));
        assert_eq!(cursor_of("http://127.0.0.1:8000/?issue=x"), None);
    }
}
