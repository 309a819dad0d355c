//! Questions to a server over HTTP, with answers that remember the question.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};
use reqwest::{Client, Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// Longer than any query of these tests takes, short enough to notice a server that hangs.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How much of a body a failure shows.
const BODY_SHOWN: usize = 6_000;

/// A server's HTTP interface.
#[derive(Clone, Debug)]
pub struct Api {
    server: &'static str,
    base: String,
    headers: HeaderMap,
    client: Client,
}

/// What a server answered, made into a `T`, with the question and the raw answer.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub value: T,
    exchange: Exchange,
}

/// One question and its raw answer.
#[derive(Clone, Debug)]
struct Exchange {
    server: &'static str,
    question: String,
    status: Option<StatusCode>,
    body: String,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  asked {}: {}", self.server, self.question)?;
        let status = self
            .status
            .map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        let shown: String = self.body.chars().take(BODY_SHOWN).collect();
        write!(f, "  it answered {status}: {shown}")?;
        if shown.len() < self.body.len() {
            write!(f, "… ({} bytes in all)", self.body.len())?;
        }
        Ok(())
    }
}

impl Api {
    #[must_use]
    pub fn new(server: &'static str, base: String) -> Self {
        Self::with_client(server, base, Client::new())
    }

    /// With a client that has, say, cookies.
    #[must_use]
    pub fn with_client(server: &'static str, base: String, client: Client) -> Self {
        Self {
            server,
            base,
            headers: HeaderMap::new(),
            client,
        }
    }

    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// GETs a path and reads the answer as JSON.
    ///
    /// # Errors
    /// If there is no answer, if it is not a success, or if it is not JSON.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer<Value>> {
        self.text(Method::GET, path, query)
            .await?
            .try_map(|body| Ok(serde_json::from_str(&body)?))
    }

    /// Sends a request and gives back the body as it came.
    ///
    /// # Errors
    /// If there is no answer, or if it is not a success.
    pub async fn text(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer<String>> {
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .query(query)
            .headers(self.headers.clone())
            .timeout(TIMEOUT)
            .build()?;
        let mut exchange = Exchange {
            server: self.server,
            question: format!("{} {}", request.method(), request.url()),
            status: None,
            body: String::new(),
        };
        for (name, value) in query {
            // The same again in a form that a person can read and paste.
            exchange
                .question
                .push_str(&format!("\n    {name} = {value}"));
        }
        let response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => bail!("no answer: {error:?}\n{exchange}"),
        };
        exchange.status = Some(response.status());
        exchange.body = response
            .text()
            .await
            .unwrap_or_else(|error| format!("(no body: {error})"));
        if !exchange.status.is_some_and(|status| status.is_success()) {
            bail!("not a success\n{exchange}");
        }
        Ok(Answer {
            value: exchange.body.clone(),
            exchange,
        })
    }
}

impl<T> Answer<T> {
    /// The same answer, seen as something else.
    pub fn map<U>(self, see: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: see(self.value),
            exchange: self.exchange,
        }
    }

    /// The same, where the answer may not have the expected shape.
    ///
    /// # Errors
    /// If it has not; with the exchange.
    pub fn try_map<U>(self, see: impl FnOnce(T) -> Result<U>) -> Result<Answer<U>> {
        match see(self.value) {
            Ok(value) => Ok(Answer {
                value,
                exchange: self.exchange,
            }),
            Err(error) => bail!("unexpected shape: {error:#}\n{}", self.exchange),
        }
    }

    /// Asserts something of the answer.
    ///
    /// # Errors
    /// With the exchange, if it does not hold.
    pub fn must(&self, what: &str, holds: impl FnOnce(&T) -> bool) -> Result<()> {
        if holds(&self.value) {
            return Ok(());
        }
        bail!("does not hold: {what}\n{}", self.exchange)
    }

    /// Asserts that what was found in the answer is as expected.
    ///
    /// # Errors
    /// With the exchange, if it is not.
    pub fn must_equal<A, E>(&self, what: &str, found: A, expected: E) -> Result<()>
    where
        A: PartialEq<E> + fmt::Debug,
        E: fmt::Debug,
    {
        if found == expected {
            return Ok(());
        }
        bail!(
            "{what}: found {found:?}, expected {expected:?}\n{}",
            self.exchange
        )
    }

    /// The answer as it came.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.exchange.body
    }

    /// The question and the raw answer, for messages.
    #[must_use]
    pub fn exchange(&self) -> String {
        self.exchange.to_string()
    }
}
