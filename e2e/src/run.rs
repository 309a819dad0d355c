//! One test's identity in servers that keep what earlier tests sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Room for clocks that differ between this process and a container.
const MARGIN: Duration = Duration::from_secs(60);

/// A service name, a release and an environment that no other run has.
#[derive(Clone, Debug)]
pub struct Run {
    pub service: String,
    pub release: String,
    pub environment: String,
    started: SystemTime,
}

impl Run {
    /// `purpose` is a word that tells a person which test the data is from.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let service = format!("e2e-{purpose}-{}", &id[..8]);
        Self {
            release: format!("{service}@1.0.0"),
            environment: "e2e".into(),
            service,
            started: SystemTime::now(),
        }
    }

    /// The same run, for another service of it.
    #[must_use]
    pub fn of(&self, service: &str) -> Self {
        Self {
            service: service.to_owned(),
            ..self.clone()
        }
    }

    /// A word that no other run has, and that is to be found nowhere.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("hunter2.{}", self.service.replace('-', "."))
    }

    /// The window to query, as time since the epoch: from before the run to after now.
    #[must_use]
    pub fn window(&self) -> (Duration, Duration) {
        let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
        (
            since_epoch(self.started - MARGIN),
            since_epoch(SystemTime::now() + MARGIN),
        )
    }
}
