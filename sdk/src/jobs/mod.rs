//! Background work: each job a trace of its own, linked with the request that asked for it,
//! with its outcome, its duration and its errors.
//!
//! ```
//! # #[derive(Debug, thiserror::Error)]
//! # #[error("no mail server")]
//! # struct NoMailServer;
//! # async fn send_digest(_user: u64) -> Result<(), NoMailServer> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use throughline::jobs;
//!
//! // Where the work is asked for: what the worker has to know goes into the message.
//! let carrier = jobs::context();
//! let message = serde_json::json!({ "user": 7, "context": carrier });
//!
//! // Where it is done.
//! let carrier: jobs::Carrier = serde_json::from_value(message["context"].clone()).unwrap();
//! let sent = jobs::builder("send_email_digest")
//!     .enqueued_by(&carrier)
//!     .argument("user", 7)
//!     .run(send_digest(7))
//!     .await;
//! assert!(sent.is_ok());
//! # }
//! ```
//!
//! # What a job leaves
//!
//! - a root span with the job's name, `job.name`, `job.arguments`, `job.outcome` and, where
//!   there is a [`Carrier`], the kind `consumer` and a link to the span that it was enqueued in;
//! - `user.id`, `session.id` and `request.id` of the request that asked for it, on the span and
//!   on every record of the job;
//! - the records `job.started`, `job.completed` and `job.failed`, and from
//!   `THROUGHLINE_SLOW_OPERATION_MS` (1000) on `operation.slow`;
//! - the histogram `throughline.job.duration` in seconds, by `job.name`, `job.outcome` and
//!   `error.type`;
//! - for an error one ERROR record, and so one Sentry event with the job's name and arguments;
//! - with [`check_in`](Job::check_in), what Sentry's cron monitoring wants to know.
//!
//! The outcome is `success`, `error`, `cancelled` (the future was dropped before it was done)
//! or `panic`. A panic goes on to whoever runs the future, as without this; it is reported
//! once, by the hook that reports all panics, so that its `job.failed` is a warning.
//!
//! Retries and queues are not this module's business: each try is a job, with
//! [`attempt`](Job::attempt).

mod arguments;
mod carrier;
mod running;
mod schedule;

use std::error::Error;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;

use tracing::Instrument;

use arguments::Arguments;
pub use carrier::Carrier;
#[cfg(fuzzing)]
pub(crate) use carrier::fuzz_messages;
use running::{Ended, Running};
pub use schedule::Schedule;
#[cfg(feature = "sentry")]
pub(crate) use schedule::When;

pub(crate) const JOB_DURATION: &str = "throughline.job.duration";

/// Runs a future as a job; [`builder`] has options.
///
/// The name is a constant of the program, as each is a series. Where this is called in a
/// request, the request's span is linked and its user, session and id are kept.
///
/// A job that cannot fail ends in `Ok::<_, std::convert::Infallible>(())`.
///
/// # Errors
/// The future's own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let counted = throughline::jobs::run("count", async { "7".parse::<u32>() }).await;
/// assert_eq!(counted, Ok(7));
/// # }
/// ```
pub async fn run<F, T, E>(name: &'static str, future: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    builder(name).run(future).await
}

/// A job with options, which [`Job::run`] runs.
pub fn builder(name: &'static str) -> Job {
    Job {
        name,
        carrier: None,
        child: false,
        arguments: Arguments::default(),
        attempt: None,
        schedule: None,
    }
}

/// What the worker of a job has to know, for its message: the trace and the user, session and
/// request at hand.
///
/// ```
/// let carrier = throughline::jobs::context();
/// let message = serde_json::json!({ "order": 7, "context": carrier });
/// ```
pub fn context() -> Carrier {
    Carrier::current()
}

/// A job that has not been run; made by [`builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run`"]
pub struct Job {
    name: &'static str,
    carrier: Option<Carrier>,
    child: bool,
    arguments: Arguments,
    attempt: Option<u32>,
    schedule: Option<Schedule>,
}

impl Job {
    /// Who asked for it, as the message says. Default: the request at hand, if there is one.
    pub fn enqueued_by(mut self, carrier: &Carrier) -> Self {
        self.carrier = Some(carrier.clone());
        self
    }

    /// Continues the trace of who asked for it, as a child of that span. Default: a new trace
    /// with a link, since a queue may hold a message for hours, and one request may ask for a
    /// thousand jobs.
    pub fn as_child(mut self) -> Self {
        self.child = true;
        self
    }

    /// What it is to work on: `job.arguments`, one JSON object of all. Secrets in it are
    /// replaced by the key and by the value, as everywhere; a value is cut after 256
    /// characters, and 32 are kept.
    pub fn argument(mut self, key: &str, value: impl Display) -> Self {
        self.arguments.add(key, value);
        self
    }

    /// The how many-eth try this is: `job.attempt`.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Checks in with Sentry's cron monitoring, at the begin and at the end, which then knows
    /// of a job that did not run. The monitor's slug is the job's name, with `-` for what a
    /// slug cannot have; the schedule makes or updates it. Without a `SENTRY_DSN` nothing
    /// happens.
    ///
    /// Check-ins count as `errors` in the books of
    /// [`shutdown`](crate::Telemetry::shutdown), whose way they go.
    pub fn check_in(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// The future's own.
    pub async fn run<F, T, E>(self, future: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        self.run_as(future, Ended::failed).await
    }

    /// [`run`](Self::run) for errors that hold another and are none themselves:
    /// `anyhow::Error`, `eyre::Report`, `Box<dyn Error + Send + Sync>`.
    ///
    /// # Errors
    /// The future's own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::error::Error;
    ///
    /// let failed: Result<(), Box<dyn Error + Send + Sync>> = throughline::jobs::builder("digest")
    ///     .run_dyn(async { Err("no mail server".into()) })
    ///     .await;
    /// assert!(failed.is_err());
    /// # }
    /// ```
    pub async fn run_dyn<F, T, E>(self, future: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Deref<Target = dyn Error + Send + Sync>,
    {
        self.run_as(future, Ended::failed_dyn).await
    }

    async fn run_as<F, T, E>(self, future: F, failed: fn(&Ended, &E)) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (span, running) = Running::begin(self);
        async move {
            let mut running = running;
            running.started();
            let mut future = pin!(future);
            let result = poll_fn(|context| running.at_work(|| future.as_mut().poll(context))).await;
            match &result {
                Ok(_) => running.completed(),
                Err(error) => running.failed(error, failed),
            }
            result
        }
        .instrument(span)
        .await
    }
}
