//! What the running telemetry knows of the service and of its own way out. A router is often
//! made before telemetry is started, so it is looked up when somebody asks.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use opentelemetry_sdk::Resource;
use serde_json::{Value, json};

use super::probe;
use crate::export::{Destination, Reach, Waiting};
use crate::metrics::Registry;
use crate::resource;

static IN_FORCE: OnceLock<Running> = OnceLock::new();

pub(super) struct Running {
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) environment: Option<String>,
    /// `THROUGHLINE_HEALTH_TOKEN`
    pub(super) token: Option<String>,
    waiting: Waiting,
    metrics: Option<Arc<Destination>>,
    since: Instant,
}

/// From now on the pages tell of this telemetry. It starts once in a process.
pub(crate) fn put_in_force(
    resource: &Resource,
    token: Option<String>,
    waiting: &Waiting,
    metrics: Option<Arc<Destination>>,
    registry: &Registry,
) {
    probe::describe(registry);
    let _ = IN_FORCE.set(Running {
        service: resource::text(resource, "service.name").unwrap_or_default(),
        version: resource::text(resource, "service.version"),
        environment: resource::text(resource, "deployment.environment.name"),
        token,
        waiting: waiting.clone(),
        metrics,
        since: Instant::now(),
    });
}

pub(super) fn in_force() -> Option<&'static Running> {
    IN_FORCE.get()
}

impl Running {
    pub(super) fn uptime_seconds(&self) -> u64 {
        self.since.elapsed().as_secs()
    }

    /// Whether the collector took what it was sent last, as the check `collector` says it.
    /// Nothing is sent to find out.
    pub(super) fn collector(&self) -> Result<Value, String> {
        let spans = self.waiting.spans.as_ref().map(|it| it.destination());
        let records = self.waiting.records.as_ref().map(|it| it.destination());
        let metrics = self.metrics.as_ref();
        let receivers = spans.into_iter().chain(records).chain(metrics);
        let mut reachable = None;
        for receiver in receivers {
            match receiver.reach() {
                Reach::Failed => {
                    let origin = receiver.origin();
                    return Err(format!("nothing is delivered to {origin}"));
                }
                Reach::Reached => reachable = Some(true),
                Reach::Untried => {}
            }
        }
        // `null` until something was sent.
        Ok(json!({ "reachable": reachable }))
    }

    /// How full the memory of what waits to be sent is.
    pub(super) fn queue(&self) -> Value {
        let mut signals = serde_json::Map::new();
        for (signal, bytes, capacity) in self.waiting.fill() {
            let fill = json!({
                "bytes": bytes,
                "limit_bytes": capacity,
                "usage_percent": percent(bytes as f64, capacity as f64),
            });
            signals.insert(signal.to_owned(), fill);
        }
        Value::Object(signals)
    }
}

/// With one place after the point, which is as much as anybody reads.
pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 1_000.0).round() / 10.0
    } else {
        0.0
    }
}
