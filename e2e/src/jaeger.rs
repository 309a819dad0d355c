//! Traces, as Jaeger's own page asks for them.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ask::{Answer, Api},
    run::Run,
};

/// Above any count that a test drives, so that one too many would be seen.
const LIMIT: &str = "5000";

#[derive(Clone, Debug)]
pub struct Jaeger {
    api: Api,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Trace {
    #[serde(rename = "traceID")]
    pub id: String,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Span {
    #[serde(rename = "spanID")]
    pub id: String,
    #[serde(rename = "operationName")]
    pub name: String,
    #[serde(default)]
    references: Vec<Value>,
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tag {
    key: String,
    value: Value,
}

impl Span {
    /// An attribute, if it is an integer.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        self.tags.iter().find(|tag| tag.key == key)?.value.as_i64()
    }

    /// An attribute as text, whatever its type.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<String> {
        let tag = self.tags.iter().find(|tag| tag.key == key)?;
        Some(
            tag.value
                .as_str()
                .map_or_else(|| tag.value.to_string(), str::to_owned),
        )
    }
}

impl Trace {
    /// The span without a parent.
    #[must_use]
    pub fn root(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.references.is_empty())
    }

    /// The order id that the request of this trace was for.
    #[must_use]
    pub fn order(&self) -> Option<String> {
        self.root()?.tag("order.id")
    }
}

impl Jaeger {
    #[must_use]
    pub fn new(base: String) -> Self {
        Self {
            api: Api::new("jaeger", base),
        }
    }

    /// The traces of a run with a span of this name.
    ///
    /// # Errors
    /// If Jaeger does not answer as expected.
    pub async fn traces(&self, run: &Run, operation: &str) -> Result<Answer<Vec<Trace>>> {
        let (start, end) = run.window();
        let query = [
            ("service", run.service.as_str()),
            ("operation", operation),
            ("limit", LIMIT),
            ("start", &start.as_micros().to_string()),
            ("end", &end.as_micros().to_string()),
        ];
        self.search(&query).await
    }

    /// A search with the parameters of `/api/traces`.
    ///
    /// # Errors
    /// If Jaeger does not answer as expected.
    pub async fn search(&self, query: &[(&str, &str)]) -> Result<Answer<Vec<Trace>>> {
        self.api
            .get("/api/traces", query)
            .await?
            .try_map(|body| Ok(Vec::<Trace>::deserialize(&body["data"])?))
    }

    /// One trace.
    ///
    /// # Errors
    /// If Jaeger has no such trace.
    pub async fn trace(&self, id: &str) -> Result<Answer<Trace>> {
        self.api
            .get(&format!("/api/traces/{id}"), &[])
            .await?
            .try_map(|body| Ok(Trace::deserialize(&body["data"][0])?))
    }
}

/// The trace id of each order, of traces that have one.
#[must_use]
pub fn by_order(traces: &[Trace]) -> BTreeMap<String, String> {
    traces
        .iter()
        .filter_map(|trace| Some((trace.order()?, trace.id.clone())))
        .collect()
}
