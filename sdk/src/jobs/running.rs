//! A job while it runs: its span, in a context of its own, and what is told of its end.

use std::any::type_name;
use std::error::Error;
use std::ops::Deref;
use std::task::Poll;

use metrics::Key;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{Carrier, JOB_DURATION, Job};
use crate::correlation::Correlation;
use crate::database;
use crate::performance::{self, Outcome, Watch};
use crate::sentry::CheckIn;
use crate::span_layer;

/// What is told of the end of a job, in each of its records.
pub(super) struct Ended {
    name: &'static str,
    outcome: Outcome,
    duration: f64,
    arguments: Option<String>,
    attempt: Option<u32>,
}

/// The records of a job, which differ in level and name alone. The levels are those of the
/// conventions, but for a failure that has been told already, or that nobody is to blame for.
macro_rules! job_record {
    ($level:ident, $event:literal, $ended:expr, { $($fields:tt)* }, $message:literal) => {
        tracing::$level!(
            name: $event,
            target: "throughline::jobs",
            {
                log.category = "job",
                job.name = $ended.name,
                job.arguments = $ended.arguments.as_deref(),
                job.attempt = $ended.attempt,
                job.outcome = $ended.outcome.as_str(),
                job.duration = $ended.duration,
                $($fields)*
            },
            $message,
            $ended.name
        )
    };
}

impl Ended {
    fn completed(&self) {
        job_record!(info, "job.completed", self, {}, "job {} completed");
    }

    /// With an error that tells its type.
    pub(super) fn failed<E: Error + 'static>(&self, error: &E) {
        let error = crate::error(error);
        job_record!(
            error,
            "job.failed",
            self,
            { error = error },
            "job {} failed"
        );
    }

    /// With an error in something that is none.
    pub(super) fn failed_dyn<E>(&self, error: &E)
    where
        E: Deref<Target = dyn Error + Send + Sync>,
    {
        let error: &(dyn Error + 'static) = &**error;
        job_record!(
            error,
            "job.failed",
            self,
            { error = error },
            "job {} failed"
        );
    }

    fn given_up(&self) {
        let error = self.outcome.error_type();
        job_record!(warn, "job.failed", self, { error.type = error }, "job {} did not end");
    }
}

pub(super) struct Running {
    name: &'static str,
    span: Span,
    watch: Watch,
    arguments: Option<String>,
    attempt: Option<u32>,
    check_in: Option<CheckIn>,
    /// Whether its own code is running: only then can it panic.
    at_work: bool,
    ended: bool,
}

impl Running {
    /// The job's span, which is to be entered, and the job.
    pub(super) fn begin(job: Job) -> (Span, Self) {
        let arguments = job.arguments.text();
        let span = span(&job, arguments.as_deref());
        let running = Self {
            name: job.name,
            span: span.clone(),
            watch: Watch::start(),
            arguments,
            attempt: job.attempt,
            check_in: job
                .schedule
                .as_ref()
                .and_then(|schedule| CheckIn::begin(job.name, schedule)),
            at_work: false,
            ended: false,
        };
        (span, running)
    }

    pub(super) fn started(&self) {
        tracing::info!(
            name: "job.started",
            target: "throughline::jobs",
            {
                log.category = "job",
                job.name = self.name,
                job.arguments = self.arguments.as_deref(),
                job.attempt = self.attempt,
            },
            "job {} started",
            self.name
        );
    }

    pub(super) fn at_work<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.at_work = true;
        let polled = poll();
        self.at_work = false;
        polled
    }

    pub(super) fn completed(&mut self) {
        self.tell(Outcome::Success, None, Ended::completed);
    }

    pub(super) fn failed<E>(&mut self, error: &E, record: fn(&Ended, &E)) {
        let tell = |ended: &Ended| record(ended, error);
        self.tell(Outcome::Error, Some(type_name::<E>()), tell);
    }

    fn tell(&mut self, outcome: Outcome, error: Option<&'static str>, record: impl FnOnce(&Ended)) {
        self.ended = true;
        let duration = self.watch.elapsed();
        let error = error.or(outcome.error_type());
        self.span.record("job.outcome", outcome.as_str());
        if let Some(error) = error {
            self.span.record("error.type", error);
        }
        let labels = performance::labels("job.name", self.name, "job.outcome", outcome, error);
        let seconds = duration.as_secs_f64();
        performance::record(Key::from_parts(JOB_DURATION, labels), seconds);
        record(&Ended {
            name: self.name,
            outcome,
            duration: seconds,
            arguments: self.arguments.take(),
            attempt: self.attempt,
        });
        database::asked();
        self.watch.tell_if_slow(self.name, outcome);
        if let Some(check_in) = self.check_in.take() {
            check_in.end(outcome == Outcome::Success, duration);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(performance::given_up(self.at_work), None, Ended::given_up);
        }
    }
}

/// The job's span, in a context of its own: nothing of the request's that it may be run in
/// but what the carrier says, and all of the rest that a context holds.
fn span(job: &Job, arguments: Option<&str>) -> Span {
    let carrier = job.carrier.clone().unwrap_or_else(Carrier::current);
    let origin = carrier.origin();
    let correlation = Correlation::root();
    for (index, value) in carrier.known() {
        correlation.declare(index, &value);
    }
    let parent = origin.clone().filter(|_| job.child);
    let context = Context::current()
        .with_remote_span_context(parent.unwrap_or(SpanContext::NONE))
        .with_cleared_baggage()
        .with_value(correlation);
    let kind = if job.carrier.is_some() {
        "consumer"
    } else {
        "internal"
    };
    let span = span_layer::root_in(context, || {
        tracing::info_span!(
            parent: None,
            "job",
            otel.kind = kind,
            otel.name = job.name,
            job.name = job.name,
            job.arguments = arguments,
            job.attempt = job.attempt,
            job.outcome = Empty,
            error.type = Empty,
        )
    });
    if let Some(origin) = origin.filter(|_| !job.child) {
        span.add_link(origin);
    }
    span
}
