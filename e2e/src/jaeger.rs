//! Traces, as Jaeger's own page asks for them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

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
    processes: BTreeMap<String, Process>,
}

/// What a span's resource is to Jaeger.
#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    #[serde(rename = "serviceName")]
    pub service: String,
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Span {
    #[serde(rename = "spanID")]
    pub id: String,
    #[serde(rename = "operationName")]
    pub name: String,
    #[serde(default)]
    references: Vec<Reference>,
    tags: Vec<Tag>,
    #[serde(rename = "processID")]
    process: String,
}

/// Another span that a span names: its parent, or the end of a link.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Reference {
    #[serde(rename = "refType")]
    kind: String,
    #[serde(rename = "traceID")]
    pub trace: String,
    #[serde(rename = "spanID")]
    pub span: String,
}

/// An attribute with its type: `string`, `bool`, `int64` or `float64`.
#[derive(Clone, Debug, Deserialize)]
struct Tag {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

type Typed<'a> = BTreeMap<&'a str, (&'a str, Value)>;

fn typed(tags: &[Tag]) -> Typed<'_> {
    tags.iter()
        .map(|tag| (tag.key.as_str(), (tag.kind.as_str(), tag.value.clone())))
        .collect()
}

impl Process {
    /// The attributes with their types.
    #[must_use]
    pub fn tags(&self) -> Typed<'_> {
        typed(&self.tags)
    }
}

impl Span {
    /// The attributes with their types.
    #[must_use]
    pub fn tags(&self) -> Typed<'_> {
        typed(&self.tags)
    }

    #[must_use]
    pub fn parent(&self) -> Option<&Reference> {
        self.references
            .iter()
            .find(|reference| reference.kind == "CHILD_OF")
    }

    /// The spans that it links to.
    #[must_use]
    pub fn links(&self) -> Vec<&Reference> {
        self.references
            .iter()
            .filter(|reference| reference.kind == "FOLLOWS_FROM")
            .collect()
    }

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
        self.spans.iter().find(|span| span.parent().is_none())
    }

    /// The span of this name, the only one.
    #[must_use]
    pub fn span(&self, name: &str) -> Option<&Span> {
        let mut named = self.spans.iter().filter(|span| span.name == name);
        named.next().filter(|_| named.next().is_none())
    }

    /// The names of the services that it passed through.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        let processes = self.processes.values();
        processes.map(|process| process.service.as_str()).collect()
    }

    /// The resource of a span.
    #[must_use]
    pub fn process(&self, span: &Span) -> Option<&Process> {
        self.processes.get(&span.process)
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

    /// The traces of a run's environment that a service of it has this span in.
    ///
    /// # Errors
    /// If Jaeger does not answer as expected.
    pub async fn in_environment(&self, run: &Run, operation: &str) -> Result<Answer<Vec<Trace>>> {
        let (start, end) = run.window();
        let tags = json!({ "deployment.environment.name": run.environment });
        let query = [
            ("service", run.service.as_str()),
            ("operation", operation),
            ("tags", &tags.to_string()),
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

    /// The ids of all traces of a run's service.
    ///
    /// # Errors
    /// If Jaeger does not answer as expected.
    pub async fn ids(&self, run: &Run) -> Result<Answer<BTreeSet<String>>> {
        let (start, end) = run.window();
        let query = [
            ("service", run.service.as_str()),
            ("limit", LIMIT),
            ("start", &start.as_micros().to_string()),
            ("end", &end.as_micros().to_string()),
        ];
        let traces = self.search(&query).await?;
        Ok(traces.map(|traces| traces.into_iter().map(|trace| trace.id).collect()))
    }

    /// One trace as OTLP in JSON, which has times to the nanosecond.
    ///
    /// # Errors
    /// If Jaeger has no such trace.
    pub async fn otlp(&self, id: &str) -> Result<Answer<Value>> {
        self.api
            .get(&format!("/api/v3/traces/{id}"), &[])
            .await?
            .try_map(|body| Ok(body["result"].clone()))
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
