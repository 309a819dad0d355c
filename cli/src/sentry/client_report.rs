//! What an SDK threw away, by its own account:
//! <https://develop.sentry.dev/sdk/telemetry/client-reports/>.

use serde::Serialize;
use serde_json::Value;

use super::time;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct ClientReport {
    /// Nanoseconds since 1970.
    pub(crate) timestamp: Option<u64>,
    pub(crate) discarded: Vec<Discarded>,
}

/// So many of one category, for one reason.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Discarded {
    /// `queue_overflow`, `network_error`, `sample_rate`, `before_send` …
    pub(crate) reason: String,
    /// `error`, `transaction`, `log_item` …
    pub(crate) category: String,
    pub(crate) quantity: u64,
}

impl ClientReport {
    pub(super) fn of(report: &Value) -> Self {
        let events = report.get("discarded_events").and_then(Value::as_array);
        Self {
            timestamp: report.get("timestamp").and_then(time::nanos),
            discarded: events.into_iter().flatten().filter_map(discarded).collect(),
        }
    }
}

fn discarded(entry: &Value) -> Option<Discarded> {
    let text = |name| {
        let text = entry.get(name).and_then(Value::as_str);
        text.unwrap_or("unknown").to_owned()
    };
    Some(Discarded {
        reason: text("reason"),
        category: text("category"),
        quantity: entry.get("quantity")?.as_u64()?,
    })
}
