//! OTLP as a client without an SDK writes it: in JSON, by hand. For tests that need what no
//! SDK would send, and need it at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::Dev;

/// A request at once, or never.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// The signals, by their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// A service that sends.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: String,
    resource: Value,
}

impl Client {
    /// A service of this name that sends to `dev`.
    #[must_use]
    pub fn new(dev: &Dev, service: &str) -> Self {
        Self {
            endpoint: dev.addresses().otlp_http.clone(),
            resource: json!({ "attributes": attributes(&json!({ "service.name": service })) }),
        }
    }

    /// Sends spans, each as OTLP's JSON has it: [`span`] makes one.
    ///
    /// # Errors
    /// If they are not acknowledged.
    pub async fn spans(&self, spans: &[Value]) -> Result<()> {
        self.send(
            Signal::Traces,
            "resourceSpans",
            "scopeSpans",
            &json!({ "spans": spans }),
        )
        .await
    }

    /// Sends log records: [`record`] makes one.
    ///
    /// # Errors
    /// If they are not acknowledged.
    pub async fn records(&self, records: &[Value]) -> Result<()> {
        self.send(
            Signal::Logs,
            "resourceLogs",
            "scopeLogs",
            &json!({ "logRecords": records }),
        )
        .await
    }

    /// Sends metrics: [`sum`] makes one.
    ///
    /// # Errors
    /// If they are not acknowledged.
    pub async fn metrics(&self, metrics: &[Value]) -> Result<()> {
        self.send(
            Signal::Metrics,
            "resourceMetrics",
            "scopeMetrics",
            &json!({ "metrics": metrics }),
        )
        .await
    }

    async fn send(&self, signal: Signal, outer: &str, inner: &str, items: &Value) -> Result<()> {
        let mut scope = items.clone();
        scope["scope"] = json!({ "name": "by-hand", "version": "0.1.0" });
        let request = json!({ outer: [{ "resource": self.resource, inner: [scope] }] });
        post(&self.endpoint, signal, &request).await
    }
}

/// Posts a request as it is.
///
/// # Errors
/// If it is not acknowledged, or only in part.
pub async fn post(endpoint: &str, signal: Signal, request: &Value) -> Result<()> {
    let path = match signal {
        Signal::Traces => "traces",
        Signal::Logs => "logs",
        Signal::Metrics => "metrics",
    };
    let url = format!("{endpoint}/v1/{path}");
    let body = request.to_string();
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::post(&url)
            .config()
            .timeout_global(Some(ANSWERED_WITHIN))
            .build()
            .content_type("application/json")
            .send(body)
            .with_context(|| format!("{url} does not take it"))?;
        anyhow::Ok(answer.body_mut().read_to_string()?)
    })
    .await??;
    ensure!(
        !answer.contains("partialSuccess") || answer.contains(r#""partialSuccess":{}"#),
        "not all of it was taken: {answer}"
    );
    Ok(())
}

/// A span of the last minutes that began `ago` and took `lasts`. More is added by its fields:
/// `span["status"] = json!({ "code": 2 })`.
#[must_use]
pub fn span(
    trace: &str,
    id: &str,
    parent: &str,
    name: &str,
    ago: Duration,
    lasts: Duration,
) -> Value {
    let start = now() - ago;
    json!({
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent,
        "name": name,
        "kind": if parent.is_empty() { 2 } else { 3 },
        "startTimeUnixNano": nanoseconds(start),
        "endTimeUnixNano": nanoseconds(start + lasts),
        "status": {},
    })
}

/// A record of now, by the names of `tracing`'s levels.
#[must_use]
pub fn record(level: &str, body: &str, attributes_of: &Value) -> Value {
    let severity = match level {
        "TRACE" => 1,
        "DEBUG" => 5,
        "INFO" => 9,
        "WARN" => 13,
        "ERROR" => 17,
        _ => 21,
    };
    json!({
        "timeUnixNano": nanoseconds(now()),
        "observedTimeUnixNano": nanoseconds(now()),
        "severityNumber": severity,
        "severityText": level,
        "body": { "stringValue": body },
        "attributes": attributes(attributes_of),
    })
}

/// A cumulative, monotonic sum with one data point of now.
#[must_use]
pub fn sum(name: &str, unit: &str, value: i64, attributes_of: &Value) -> Value {
    json!({
        "name": name,
        "unit": unit,
        "sum": {
            "aggregationTemporality": 2,
            "isMonotonic": true,
            "dataPoints": [{
                "attributes": attributes(attributes_of),
                "startTimeUnixNano": nanoseconds(now() - Duration::from_secs(60)),
                "timeUnixNano": nanoseconds(now()),
                "asInt": value.to_string(),
            }],
        },
    })
}

/// The attributes of a JSON object, in OTLP's form.
#[must_use]
pub fn attributes(of: &Value) -> Value {
    let none = Map::new();
    let pairs = of.as_object().unwrap_or(&none).iter();
    pairs
        .map(|(key, value)| json!({ "key": key, "value": any(value) }))
        .collect()
}

/// A JSON value as OTLP's `AnyValue`.
#[must_use]
pub fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any).collect::<Value>() } })
        }
        Value::Object(_) => json!({ "kvlistValue": { "values": attributes(value) } }),
    }
}

/// The time since the epoch.
#[must_use]
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// As OTLP's JSON has it: a number too long for a number.
#[must_use]
pub fn nanoseconds(time: Duration) -> String {
    time.as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_attributes_of_each_type() {
        let found = attributes(&json!({ "a": [1, "x"], "b": 2.5, "c": true, "d": { "e": null } }));
        let expected = json!([
            { "key": "a", "value": { "arrayValue": { "values": [{ "intValue": "1" }, { "stringValue": "x" }] } } },
            { "key": "b", "value": { "doubleValue": 2.5 } },
            { "key": "c", "value": { "boolValue": true } },
            { "key": "d", "value": { "kvlistValue": { "values": [{ "key": "e", "value": {} }] } } },
        ]);
        assert_eq!(found, expected);
    }
}
