//! A job that says that it began, or how it ended:
//! <https://develop.sentry.dev/sdk/telemetry/check-ins/>.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CheckIn {
    pub(crate) id: Option<String>,
    pub(crate) monitor_slug: String,
    pub(crate) status: CheckInStatus,
    pub(crate) duration: Option<Duration>,
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckInStatus {
    InProgress,
    Ok,
    Error,
}

impl CheckIn {
    /// `None` where it does not say which job, or how it is.
    pub(super) fn of(check_in: &Value) -> Option<Self> {
        let text = |name| {
            check_in
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some(Self {
            id: text("check_in_id"),
            monitor_slug: text("monitor_slug")?,
            status: match check_in.get("status")?.as_str()? {
                "in_progress" => CheckInStatus::InProgress,
                "ok" => CheckInStatus::Ok,
                "error" => CheckInStatus::Error,
                _ => return None,
            },
            duration: check_in
                .get("duration")
                .and_then(Value::as_f64)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            release: text("release"),
            environment: text("environment"),
        })
    }
}
