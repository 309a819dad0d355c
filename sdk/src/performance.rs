//! Measuring what a service does, where neither a request nor a query tells it: an operation
//! as a span, a metric and, where it was slow, a record; and values with their units.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use throughline::performance::{Unit, measured, timed, timed_sync};
//!
//! let story = timed("story_generation", async { "once upon a time" }).await;
//! let pages = timed_sync("pdf_generation", || story.len() / 4);
//! measured("pdf.pages", pages as f64, Unit::Count);
//! # }
//! ```
//!
//! # What each leaves
//!
//! - a span with the operation's name, `operation.name` and `operation.outcome`;
//! - the histogram `throughline.operation.duration` in seconds, by `operation.name`,
//!   `operation.outcome` and `error.type`;
//! - from `THROUGHLINE_SLOW_OPERATION_MS` (1000) on a record `operation.slow` at WARN, with the
//!   memory and the CPU that the process used meanwhile (`process.memory.usage` in bytes,
//!   `process.cpu.utilization` from 0 to 1; on Linux);
//! - a record `operation.measured` at DEBUG, which the default filter leaves out.
//!
//! The outcome is `success`, `error` (of the `try_` functions), `cancelled` (the future was
//! dropped before it was done) or `panic`. An operation's error is not reported: whoever gets
//! it knows whether it is one.
//!
//! Names are constants of the program, as each is a series.

mod load;
mod outcome;

use std::any::type_name;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use metrics::{Key, Label, Metadata, with_recorder};
use tracing::field::Empty;
use tracing::{Instrument, Span};

pub use metrics::Unit;

pub(crate) use load::Mark;
pub(crate) use outcome::Outcome;

use crate::metrics::ucum;
use crate::settings;

pub(crate) const OPERATION_DURATION: &str = "throughline.operation.duration";

/// Measures a future, from its first poll to its end, as a span with this name.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = throughline::performance::timed("report_generation", async { 42 }).await;
/// assert_eq!(report, 42);
/// # }
/// ```
pub async fn timed<F: Future>(name: &'static str, future: F) -> F::Output {
    run(name, future, |_| None).await
}

/// [`timed`] for what can fail: an error fails the span, with the error's text, and is told by
/// its type in `error.type`. It is not a record, and not reported.
///
/// # Errors
/// The future's own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use throughline::performance::try_timed;
///
/// let parsed = try_timed("parse", async { "seven".parse::<u8>() }).await;
/// assert!(parsed.is_err());
/// # }
/// ```
pub async fn try_timed<F, T, E>(name: &'static str, future: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: fmt::Display,
{
    run(name, future, failure).await
}

/// [`timed`] for what runs to its end without waiting.
///
/// ```
/// let sum = throughline::performance::timed_sync("sum", || (1..=4).sum::<u32>());
/// assert_eq!(sum, 10);
/// ```
pub fn timed_sync<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    run_sync(name, work, |_| None)
}

/// [`try_timed`] for what runs to its end without waiting.
///
/// # Errors
/// The work's own.
///
/// ```
/// let parsed = throughline::performance::try_timed_sync("parse", || "7".parse::<u8>());
/// assert_eq!(parsed, Ok(7));
/// ```
pub fn try_timed_sync<T, E: fmt::Display>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    run_sync(name, work, failure)
}

/// Records a value: the histogram `name` in this unit, and a record `operation.measured` with
/// `operation.name`, `operation.value` and `operation.unit` (in UCUM: `s`, `By`, `{count}`).
///
/// The first use of a name fixes its unit. NaN and infinities are on the record alone.
///
/// ```
/// use throughline::performance::{Unit, measured};
///
/// measured("report.size", 81_920.0, Unit::Bytes);
/// ```
pub fn measured(name: &'static str, value: f64, unit: Unit) {
    with_recorder(|recorder| recorder.describe_histogram(name.into(), Some(unit), "".into()));
    record(Key::from_static_name(name), value);
    crate::performance!(
        "operation.measured",
        operation.name = name,
        operation.value = value,
        operation.unit = ucum(unit),
        "{name} is {value} {}",
        ucum(unit)
    );
}

/// What an error says of itself: its text and its type.
type Failure = (String, &'static str);

fn failure<T, E: fmt::Display>(output: &Result<T, E>) -> Option<Failure> {
    let error = output.as_ref().err()?;
    Some((error.to_string(), type_name::<E>()))
}

async fn run<F: Future>(
    name: &'static str,
    future: F,
    failure: impl FnOnce(&F::Output) -> Option<Failure>,
) -> F::Output {
    let span = span(name);
    let operation = Operation::begin(name, span.clone());
    async move {
        let mut operation = operation;
        let mut future = pin!(future);
        let output = poll_fn(|context| operation.at_work(|| future.as_mut().poll(context))).await;
        operation.end(failure(&output));
        output
    }
    .instrument(span)
    .await
}

fn run_sync<T>(
    name: &'static str,
    work: impl FnOnce() -> T,
    failure: impl FnOnce(&T) -> Option<Failure>,
) -> T {
    let span = span(name);
    span.clone().in_scope(|| {
        let mut operation = Operation::begin(name, span);
        operation.at_work = true;
        let output = work();
        operation.end(failure(&output));
        output
    })
}

fn span(name: &'static str) -> Span {
    tracing::info_span!(
        "operation",
        otel.name = name,
        otel.status_code = Empty,
        otel.status_description = Empty,
        operation.name = name,
        operation.outcome = Empty,
        error.type = Empty,
    )
}

/// One that is being measured. Dropped before its end, it was cancelled, or panicked.
struct Operation {
    name: &'static str,
    span: Span,
    watch: Watch,
    /// Whether its own code is running: only then can it panic.
    at_work: bool,
    ended: bool,
}

impl Operation {
    fn begin(name: &'static str, span: Span) -> Self {
        Self {
            name,
            span,
            watch: Watch::start(),
            at_work: false,
            ended: false,
        }
    }

    fn at_work<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.at_work = true;
        let polled = poll();
        self.at_work = false;
        polled
    }

    fn end(&mut self, failure: Option<Failure>) {
        match failure {
            None => self.tell(Outcome::Success, None),
            Some((text, kind)) => {
                self.span.record("otel.status_code", "error");
                self.span.record("otel.status_description", text);
                self.tell(Outcome::Error, Some(kind));
            }
        }
    }

    fn tell(&mut self, outcome: Outcome, error: Option<&'static str>) {
        self.ended = true;
        let (name, duration) = (self.name, self.watch.elapsed());
        let error = error.or(outcome.error_type());
        self.span.record("operation.outcome", outcome.as_str());
        if let Some(error) = error {
            self.span.record("error.type", error);
        }
        let labels = labels("operation.name", name, "operation.outcome", outcome, error);
        record(
            Key::from_parts(OPERATION_DURATION, labels),
            duration.as_secs_f64(),
        );
        tracing::debug!(
            name: "operation.measured",
            {
                log.category = "performance",
                operation.name = name,
                operation.duration = duration.as_secs_f64(),
                operation.outcome = outcome.as_str(),
            },
            "{name} took {duration:.1?}"
        );
        self.watch.tell_if_slow(name, outcome);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(given_up(self.at_work), None);
        }
    }
}

/// What became of work that did not come to its end.
pub(crate) const fn given_up(at_work: bool) -> Outcome {
    if at_work {
        Outcome::Panic
    } else {
        Outcome::Cancelled
    }
}

/// How long work takes, and what the process uses meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    started: Instant,
    load: Mark,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let started = Instant::now();
        Self {
            started,
            load: Mark::at(started),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// An `operation.slow` record where it took `THROUGHLINE_SLOW_OPERATION_MS` or longer.
    pub(crate) fn tell_if_slow(&self, name: &'static str, outcome: Outcome) {
        let now = Instant::now();
        let duration = now.saturating_duration_since(self.started);
        if settings::in_force()
            .slow_operation
            .is_none_or(|limit| duration < limit)
        {
            return;
        }
        crate::performance!(
            "operation.slow",
            operation.name = name,
            operation.duration = duration.as_secs_f64(),
            operation.outcome = outcome.as_str(),
            process.memory.usage = load::memory(),
            process.cpu.utilization = self.load.utilization(now),
            "{name} took {duration:.1?}"
        );
    }
}

/// The labels of a duration. Without an error there is no `error.type`, as the semantic
/// conventions want it.
pub(crate) fn labels(
    name_key: &'static str,
    name: &'static str,
    outcome_key: &'static str,
    outcome: Outcome,
    error: Option<&'static str>,
) -> Vec<Label> {
    let mut labels = Vec::with_capacity(3);
    labels.push(Label::from_static_parts(name_key, name));
    labels.push(Label::from_static_parts(outcome_key, outcome.as_str()));
    if let Some(error) = error {
        labels.push(Label::from_static_parts("error.type", error));
    }
    labels
}

/// Records into a histogram. The recorder's own look-up is as quick as a cache of ours would
/// be, and a test's capture gets what belongs to it.
pub(crate) fn record(key: Key, value: f64) {
    const METADATA: Metadata<'static> = Metadata::new(module_path!(), metrics::Level::INFO, None);
    with_recorder(|recorder| recorder.register_histogram(&key, &METADATA).record(value));
}
