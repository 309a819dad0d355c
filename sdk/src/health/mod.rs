//! What a load balancer, an orchestrator and an operator ask a service: is it alive, may it
//! have requests, and what is wrong. Each of the former systems wrote these endpoints by hand.
//!
//! ```
//! use std::time::Duration;
//! use throughline::health;
//!
//! # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
//! let routes = health::checks()
//!     .check("database", || ping(), Duration::from_secs(1))
//!     .optional_check("mailer", || ping(), Duration::from_secs(1))
//!     .application("tasks", || async { serde_json::json!({"overdue": 5}) }, Duration::from_secs(1))
//!     .router();
//! let app: axum::Router = axum::Router::new().merge(routes);
//! ```
//!
//! | path | who asks | what it says |
//! |---|---|---|
//! | `/livez` | the orchestrator | `200` as long as the process answers |
//! | `/readyz` | the load balancer | `200`, or `503` while a critical check fails, or from the moment on that the service ends |
//! | `/health` | anybody | the same in one word, with service and version |
//! | `/health/detailed` | an operator with the bearer token | every check, the machine, the service's own figures, the way to the collector |
//!
//! Without a token (`THROUGHLINE_HEALTH_TOKEN`, or [`Checks::token`]) the detailed page is
//! closed: it answers `403`, and standard error says once why.
//!
//! # Checks
//! They are functions of the service, run when one of the pages is asked for, all at once, each
//! with a time limit. What they found is kept for two seconds ([`Checks::cache_for`]), and a
//! check that runs is not started again, so that no flood of requests becomes one of queries.
//! A check that panics or is late is unhealthy; one that blocks its thread beyond its limit is
//! not started again before it has returned. They run with telemetry suppressed, since a trace
//! of each probe is noise: what they found is told as `throughline.health.check.status` and
//! `throughline.health.check.duration`, and as a record when it changes.
//!
//! Two are there without a word: `filesystem`, which wants 5 % of the working directory's
//! disk to be free, and `collector`, which says what the export knows: it asks nobody. Neither
//! is critical.
//!
//! With `sqlx`, a check of the database is a closure:
//!
//! ```
//! # use std::time::Duration;
//! # use throughline::health;
//! # fn routes(pool: &sqlx::SqlitePool) -> axum::Router {
//! let database = pool.clone();
//! health::checks()
//!     .check(
//!         "database",
//!         move || {
//!             let database = database.clone();
//!             async move { sqlx::query("SELECT 1").execute(&database).await.map(drop) }
//!         },
//!         Duration::from_secs(1),
//!     )
//!     .router()
//! # }
//! ```

mod builder;
mod page;
mod probe;
mod routes;
mod running;
mod system;
mod token;

pub use builder::Checks;
pub(crate) use running::put_in_force;
#[cfg(fuzzing)]
pub(crate) use token::is_given as is_token_given;

/// The endpoints of a service that has no checks of its own.
///
/// ```
/// let app: axum::Router = axum::Router::new().merge(throughline::health::router());
/// ```
pub fn router() -> axum::Router {
    checks().router()
}

/// Checks of the service's own, and how they are asked.
pub fn checks() -> Checks {
    Checks::default()
}
