//! When a job is expected to run, for who watches that it does.

use std::time::Duration;

/// When a job is expected, for Sentry's cron monitoring:
/// <https://docs.sentry.io/product/crons/>.
///
/// ```
/// use std::time::Duration;
/// use throughline::jobs::Schedule;
///
/// let nightly = Schedule::crontab("30 2 * * *")
///     .timezone("Europe/Berlin")
///     .margin(Duration::from_secs(600))
///     .max_runtime(Duration::from_secs(3_600));
/// let often = Schedule::every(Duration::from_secs(300));
/// assert_ne!(nightly, often);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sentry"),
    allow(dead_code, reason = "nobody else watches")
)]
pub struct Schedule {
    pub(crate) when: When,
    pub(crate) timezone: Option<String>,
    pub(crate) margin: Option<Duration>,
    pub(crate) max_runtime: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sentry"),
    allow(dead_code, reason = "nobody else watches")
)]
pub(crate) enum When {
    Crontab(String),
    Every(Duration),
}

impl Schedule {
    /// As a line of a crontab: minute, hour, day of the month, month, day of the week. One
    /// that is none is said on standard error, and the check-ins go without it, for a monitor
    /// that exists.
    pub fn crontab(line: impl Into<String>) -> Self {
        Self::new(When::Crontab(line.into()))
    }

    /// So long after the last time; whole minutes, at least one, are what Sentry knows, so
    /// this is rounded up.
    pub fn every(interval: Duration) -> Self {
        Self::new(When::Every(interval))
    }

    const fn new(when: When) -> Self {
        Self {
            when,
            timezone: None,
            margin: None,
            max_runtime: None,
        }
    }

    /// The time zone of a crontab, by its name in the IANA database. Default: UTC.
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        self.timezone = Some(name.into());
        self
    }

    /// How late it may begin before it counts as missed; rounded up to minutes. Default:
    /// Sentry's.
    pub fn margin(mut self, late: Duration) -> Self {
        self.margin = Some(late);
        self
    }

    /// How long it may run before it counts as failed; rounded up to minutes. Default:
    /// Sentry's.
    pub fn max_runtime(mut self, runtime: Duration) -> Self {
        self.max_runtime = Some(runtime);
        self
    }
}
