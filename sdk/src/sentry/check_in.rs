//! Check-ins of jobs with Sentry's cron monitoring:
//! <https://develop.sentry.dev/sdk/telemetry/check-ins/>.

use std::sync::Arc;
use std::time::Duration;

use sentry_core::protocol::{
    MonitorCheckIn, MonitorCheckInStatus, MonitorConfig, MonitorIntervalUnit, MonitorSchedule,
};
use sentry_core::types::Uuid;
use sentry_core::{Client, Envelope, Hub};

use crate::diagnostics;
use crate::jobs::{Schedule, When};

/// Characters of a monitor's slug.
const LONGEST_SLUG: usize = 50;

/// A job that has checked in and not yet out.
pub(crate) struct CheckIn {
    client: Arc<Client>,
    id: Uuid,
    slug: String,
}

impl CheckIn {
    /// Says that the job has begun; `None` where there is no Sentry.
    pub(crate) fn begin(job: &str, schedule: &Schedule) -> Option<Self> {
        let client = Hub::main().client().filter(|client| client.is_enabled())?;
        let check_in = Self {
            client,
            id: Uuid::new_v4(),
            slug: slug(job),
        };
        check_in.send(
            MonitorCheckInStatus::InProgress,
            None,
            config(job, schedule),
        );
        Some(check_in)
    }

    pub(crate) fn end(self, succeeded: bool, duration: Duration) {
        let status = if succeeded {
            MonitorCheckInStatus::Ok
        } else {
            MonitorCheckInStatus::Error
        };
        self.send(status, Some(duration.as_secs_f64()), None);
    }

    fn send(
        &self,
        status: MonitorCheckInStatus,
        duration: Option<f64>,
        monitor_config: Option<MonitorConfig>,
    ) {
        let environment = self.client.options().environment.as_deref();
        let mut envelope = Envelope::new();
        envelope.add_item(MonitorCheckIn {
            check_in_id: self.id,
            monitor_slug: self.slug.clone(),
            status,
            environment: environment.map(str::to_owned),
            duration,
            monitor_config,
        });
        self.client.send_envelope(envelope);
    }
}

/// Letters, digits, `_` and `-` are what a slug may have.
fn slug(job: &str) -> String {
    job.chars()
        .take(LONGEST_SLUG)
        .map(|it| {
            if it.is_ascii_alphanumeric() || it == '_' {
                it.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}

fn config(job: &str, schedule: &Schedule) -> Option<MonitorConfig> {
    let when = match &schedule.when {
        When::Every(interval) => MonitorSchedule::Interval {
            value: minutes(*interval),
            unit: MonitorIntervalUnit::Minute,
        },
        When::Crontab(line) => match MonitorSchedule::from_crontab(line) {
            Ok(when) => when,
            Err(_) => {
                diagnostics::say_once(&format!("crontab of {job}"), || {
                    format!(
                        "the schedule {line:?} of the job `{job}` is no line of a crontab; its check-ins go without, for a monitor that exists: expected five fields such as `30 2 * * *`"
                    )
                });
                return None;
            }
        },
    };
    Some(MonitorConfig {
        schedule: when,
        checkin_margin: schedule.margin.map(minutes),
        max_runtime: schedule.max_runtime.map(minutes),
        timezone: schedule.timezone.clone(),
        failure_issue_threshold: None,
        recovery_threshold: None,
    })
}

/// Rounded up, at least one.
fn minutes(duration: Duration) -> u64 {
    let part = u64::from(duration.subsec_nanos() > 0);
    (duration.as_secs() + part).div_ceil(60).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_rounded_up_and_at_least_one() {
        let of = |millis| minutes(Duration::from_millis(millis));
        assert_eq!([0, 1, 60_000, 60_001, 3_600_000].map(of), [1, 1, 1, 2, 60]);
    }

    #[test]
    fn a_slug_has_what_a_slug_may_have() {
        assert_eq!(slug("Send.email digest_2"), "send-email-digest_2");
        assert_eq!(slug(&"é".repeat(80)).len(), LONGEST_SLUG);
    }

    #[test]
    fn a_schedule_is_told_whole_and_a_wrong_crontab_not_at_all() {
        let nightly = Schedule::crontab("30 2 * * *")
            .timezone("Europe/Berlin")
            .margin(Duration::from_secs(600))
            .max_runtime(Duration::from_secs(3_601));
        let told = serde_json::to_value(config("digest", &nightly).unwrap()).unwrap();
        let expected = serde_json::json!({
            "schedule": { "type": "crontab", "value": "30 2 * * *" },
            "checkin_margin": 10,
            "max_runtime": 61,
            "timezone": "Europe/Berlin",
        });
        assert_eq!(told, expected);
        assert_eq!(config("digest", &Schedule::crontab("every night")), None);
    }
}
