//! Which checks there are, and how they are asked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::probe::{Kind, Probe};
use super::routes::{self, Pages};
use super::running::{self, percent};
use super::system::{self, System};

/// How long an answer is good for: shorter than orchestrators ask apart, and long enough that
/// a flood of requests is not one of queries.
const CACHED_FOR: Duration = Duration::from_secs(2);

/// `statvfs` of a network share that is gone may take minutes.
const DISK_LIMIT: Duration = Duration::from_secs(2);

/// What a service's health depends on; see the [module](super). Made by
/// [`checks`](super::checks).
#[must_use = "it has no endpoints before `router()`"]
pub struct Checks {
    probes: Vec<Probe>,
    application: Vec<Probe>,
    disk: PathBuf,
    least_free_percent: f64,
    cached_for: Duration,
    token: Option<String>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            probes: Vec::new(),
            application: Vec::new(),
            disk: PathBuf::from("."),
            least_free_percent: 5.0,
            cached_for: CACHED_FOR,
            token: None,
        }
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.probes.iter().map(Probe::name).collect();
        f.debug_struct("Checks")
            .field("checks", &names)
            .field("cached_for", &self.cached_for)
            .finish_non_exhaustive()
    }
}

impl Checks {
    /// Something that the service cannot work without: while it fails, or has not answered
    /// within `limit`, the service is `unhealthy` and not ready (`503`).
    ///
    /// The error's text is on the detailed page alone, redacted. `name` is a metric's label
    /// and a key of the page: a constant of the program, such as `database`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// async fn ping() -> Result<(), std::io::Error> {
    ///     Ok(())
    /// }
    /// let checks = throughline::health::checks().check("cache", ping, Duration::from_secs(1));
    /// # let _ = checks;
    /// ```
    pub fn check<C, F, E>(self, name: impl Into<String>, check: C, limit: Duration) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.with(name.into(), Kind::Critical, check, limit)
    }

    /// Something that the service can do without for a while: while it fails the service is
    /// `degraded`, and still ready (`200`). Otherwise as [`check`](Self::check).
    pub fn optional_check<C, F, E>(self, name: impl Into<String>, check: C, limit: Duration) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.with(name.into(), Kind::Optional, check, limit)
    }

    fn with<C, F, E>(mut self, name: String, kind: Kind, check: C, limit: Duration) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.probes.push(Probe::new(name, kind, limit, move || {
            let asked = check();
            async move {
                let answer = asked.await;
                answer
                    .map(|()| Value::Null)
                    .map_err(|error| error.to_string())
            }
        }));
        self
    }

    /// A figure of the service's own on the detailed page, under `metrics.application`. It is
    /// asked like a check, and is `null` where it panics or is late.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::time::Duration;
    ///
    /// let checks = throughline::health::checks().application(
    ///     "users",
    ///     || async { BTreeMap::from([("total", 45), ("active_24h", 23)]) },
    ///     Duration::from_millis(200),
    /// );
    /// # let _ = checks;
    /// ```
    pub fn application<R, F, T>(mut self, name: impl Into<String>, read: R, limit: Duration) -> Self
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = T> + Send + 'static,
        T: Serialize,
    {
        let figure = move || {
            let read = read();
            async move { serde_json::to_value(read.await).map_err(|error| error.to_string()) }
        };
        let probe = Probe::new(name.into(), Kind::Figure, limit, figure);
        self.application.push(probe);
        self
    }

    /// Which disk the check `filesystem` and `metrics.system.disk` are about, by any path on
    /// it, and how much of it must be free, in percent. Default: the working directory's, 5.
    pub fn disk(mut self, path: impl AsRef<Path>, least_free_percent: f64) -> Self {
        self.disk = path.as_ref().to_owned();
        self.least_free_percent = least_free_percent;
        self
    }

    /// How long what a check found is good for. Default: two seconds. Zero asks each time,
    /// though never one that is already running.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.cached_for = time;
        self
    }

    /// What opens `/health/detailed`, as `Authorization: Bearer <token>`. Wins over
    /// `THROUGHLINE_HEALTH_TOKEN`. Default: none, and the page is closed; an empty one is none.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// The endpoints `/livez`, `/readyz`, `/health` and `/health/detailed`, to be merged into
    /// the service's own routes or served apart. `nest` puts them under another path, as in
    /// `Router::new().nest("/api", router)`.
    ///
    /// They need Tokio, as axum's own server does.
    pub fn router(self) -> axum::Router {
        let mut probes = self.probes;
        let (disk, least) = (self.disk.clone(), self.least_free_percent);
        probes.push(Probe::new(
            "filesystem".to_owned(),
            Kind::Optional,
            DISK_LIMIT,
            move || {
                let disk = disk.clone();
                async move {
                    let read = tokio::task::spawn_blocking(move || system::disk(&disk));
                    let found = read.await.map_err(|error| error.to_string())?;
                    enough(found.map_err(|error| error.to_string())?, least)
                }
            },
        ));
        let collector = || async {
            match running::in_force() {
                Some(running) => running.collector(),
                None => Ok(json!({ "reachable": null })),
            }
        };
        let limit = Duration::from_secs(1);
        probes.push(Probe::new(
            "collector".to_owned(),
            Kind::Optional,
            limit,
            collector,
        ));
        routes::routes(Pages {
            probes: probes.into_iter().map(Arc::new).collect(),
            application: self.application.into_iter().map(Arc::new).collect(),
            cached_for: self.cached_for,
            token: self.token,
            system: System::start(self.disk),
        })
    }
}

/// Elsewhere than on Linux nothing is known of the disk, and nothing is said against it.
fn enough(disk: Option<system::Disk>, least_free_percent: f64) -> Result<Value, String> {
    let Some(disk) = disk else {
        return Ok(Value::Null);
    };
    let free = percent(disk.free_bytes as f64, disk.total_bytes as f64);
    if free < least_free_percent {
        return Err(format!(
            "{free} % of the disk are free, expected at least {least_free_percent} %"
        ));
    }
    Ok(json!({ "disk_free_percent": free }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_unhealthy_and_an_unknown_one_is_not() {
        let disk = |free_bytes| {
            Some(system::Disk {
                free_bytes,
                total_bytes: 1_000,
            })
        };
        assert_eq!(
            enough(disk(500), 5.0),
            Ok(json!({ "disk_free_percent": 50.0 }))
        );
        let error = enough(disk(49), 5.0).unwrap_err();
        assert!(error.starts_with("4.9 % of the disk are free"), "{error}");
        assert_eq!(enough(None, 5.0), Ok(Value::Null));
    }
}
