//! What the pages say, from what the checks found.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::probe::{Finding, Kind, Probe};
use super::running;
use super::system::System;
use crate::redaction;

/// In one word, how the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Healthy,
    /// Something optional fails; requests are welcome.
    Degraded,
    /// Something critical fails, or the service ends.
    Unhealthy,
}

impl Status {
    pub(super) fn of<'f>(found: impl IntoIterator<Item = (Kind, &'f Finding)>) -> Self {
        let mut status = Self::Healthy;
        for (kind, finding) in found {
            match kind {
                _ if finding.result.is_ok() => {}
                Kind::Critical => return Self::Unhealthy,
                Kind::Optional => status = Self::Degraded,
                Kind::Figure => {}
            }
        }
        status
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What every page of health begins with: the whole of the public one.
pub(super) fn summary(status: Status, ending: bool) -> Map<String, Value> {
    let running = running::in_force();
    let mut page = Map::new();
    page.insert("status".to_owned(), status.as_str().into());
    page.insert(
        "timestamp".to_owned(),
        format!("{:.0}", Timestamp::now()).into(),
    );
    page.insert(
        "service".to_owned(),
        running.map_or("unknown_service", |it| &it.service).into(),
    );
    let version = running.and_then(|it| it.version.as_deref());
    page.insert("version".to_owned(), version.into());
    if ending {
        page.insert("reason".to_owned(), "shutting_down".into());
    }
    page
}

pub(super) fn detailed(
    status: Status,
    ending: bool,
    checks: &[(&Arc<Probe>, Arc<Finding>)],
    application: &[(&Arc<Probe>, Arc<Finding>)],
    system: &System,
) -> Value {
    let mut page = summary(status, ending);
    let running = running::in_force();
    let environment = running.and_then(|it| it.environment.as_deref());
    page.insert("environment".to_owned(), environment.into());
    let uptime = running.map(running::Running::uptime_seconds);
    page.insert("uptime_seconds".to_owned(), uptime.into());
    let checks = checks
        .iter()
        .map(|(probe, finding)| (probe.name().to_owned(), check(probe, finding)));
    page.insert("checks".to_owned(), Value::Object(checks.collect()));
    let figures = application.iter().map(|(probe, finding)| {
        let figure = finding.result.as_ref().cloned().unwrap_or_default();
        (probe.name().to_owned(), figure)
    });
    let metrics = json!({
        "system": system.read(),
        "application": Value::Object(figures.collect()),
    });
    page.insert("metrics".to_owned(), metrics);
    let queue = running.map(running::Running::queue);
    page.insert("telemetry".to_owned(), json!({ "queue": queue }));
    Value::Object(page)
}

fn check(probe: &Probe, finding: &Finding) -> Value {
    let mut check = Map::new();
    check.insert("healthy".to_owned(), finding.result.is_ok().into());
    let millis = (finding.duration.as_secs_f64() * 100_000.0).round() / 100.0;
    check.insert("duration_ms".to_owned(), millis.into());
    let critical = probe.kind() == Kind::Critical;
    check.insert("critical".to_owned(), critical.into());
    match &finding.result {
        Ok(Value::Object(more)) => check.extend(more.clone()),
        Ok(_) => {}
        Err(why) => {
            // An error of a driver may repeat the address that it was given, with a password.
            let why = redaction::known_value("exception.message", why);
            check.insert("error".to_owned(), (*why).into());
        }
    }
    Value::Object(check)
}
