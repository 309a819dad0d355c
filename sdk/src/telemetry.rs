//! The handle of a running telemetry: what a service keeps until its `main` returns.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;

use crate::diagnostics::{self, Level};
use crate::error::{FilterError, FlushError};
use crate::event::BurstLimit;
use crate::export::{Ending, ExportRuntime, Ledgers, Pipeline};
use crate::filter::FilterHandle;
use crate::fork;
use crate::sentry;
use crate::settings::Setting;
use crate::shutdown;
use crate::shutdown::{Ended, Outcome, ShutdownReport, Step, deadline, in_parallel, on_signal};

/// Telemetry that runs. Keep it until `main` returns, then shut it down; dropping it does
/// the same within the default deadline (`THROUGHLINE_SHUTDOWN_MS`, 5000).
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let telemetry = throughline::init("checkout")?;
///     tracing::info!("ready");
///     let report = telemetry.shutdown();
///     assert!(report.is_lossless(), "{report}");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "telemetry ends when its handle is dropped; keep it until main returns"]
pub struct Telemetry {
    pub(crate) pipelines: Option<Pipelines>,
    pub(crate) filter: FilterHandle,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) settings: Vec<Setting>,
}

/// Why nothing can be sent.
const FORKED: &str = "this process was forked off the one that started telemetry, which alone has the threads that send; start it after the fork";

/// All that has to be ended.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub(crate) tracers: Option<SdkTracerProvider>,
    pub(crate) spans: Option<Arc<Pipeline>>,
    pub(crate) metrics: Option<SdkMeterProvider>,
    pub(crate) records: Option<Arc<Pipeline>>,
    pub(crate) sentry: Option<Arc<sentry::Client>>,
    /// Tells what it suppressed before the records are sent.
    pub(crate) bursts: Option<Arc<BurstLimit>>,
    pub(crate) ledgers: Ledgers,
    pub(crate) ending: Ending,
    /// Last, as the others send through it.
    pub(crate) runtime: Option<ExportRuntime>,
}

impl Telemetry {
    /// Sends what has been collected so far, all signals in parallel.
    ///
    /// Blocks the calling thread up to `timeout`; in async code use
    /// [`flush_async`](Self::flush_async).
    ///
    /// # Errors
    /// [`FlushError::Timeout`] names the signals that were not done in time;
    /// [`FlushError::Failed`] says what a receiver refused.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let Some(pipelines) = &self.pipelines else {
            return Ok(());
        };
        flushed(pipelines.flush(timeout), timeout)
    }

    /// [`flush`](Self::flush) without blocking the calling task.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn flush_async(&self, timeout: Duration) -> Result<(), FlushError> {
        let Some(pipelines) = &self.pipelines else {
            return Ok(());
        };
        if fork::in_child() {
            return flushed(pipelines.flush(timeout), timeout);
        }
        let steps = pipelines.steps(Doing::Flush);
        let work = on_a_thread(move || in_parallel(steps, timeout));
        match work.await {
            Some(outcome) => flushed(outcome, timeout),
            None => Err(FlushError::Failed(vec!["no thread to flush on".to_owned()])),
        }
    }

    /// Ends telemetry within the default deadline (`THROUGHLINE_SHUTDOWN_MS`, 5000).
    ///
    /// Flushes all signals in parallel and says what became of every item. Blocks the
    /// calling thread; in async code use [`shutdown_async`](Self::shutdown_async). Works on
    /// any runtime, or without one: nothing that it waits for runs on the service's.
    pub fn shutdown(self) -> ShutdownReport {
        let timeout = self.shutdown_timeout;
        self.shutdown_within(timeout)
    }

    /// [`shutdown`](Self::shutdown) with a deadline of the caller's.
    pub fn shutdown_within(mut self, timeout: Duration) -> ShutdownReport {
        self.pipelines
            .take()
            .map(|pipelines| pipelines.shutdown(timeout))
            .unwrap_or_default()
    }

    /// [`shutdown`](Self::shutdown) without blocking the calling task.
    pub async fn shutdown_async(mut self) -> ShutdownReport {
        let timeout = self.shutdown_timeout;
        let Some(pipelines) = self.pipelines.take() else {
            return ShutdownReport::default();
        };
        if fork::in_child() {
            return pipelines.shutdown(timeout);
        }
        on_a_thread(move || pipelines.shutdown(timeout))
            .await
            .unwrap_or_default()
    }

    /// Ends telemetry within the default deadline, and then the process with this code.
    ///
    /// For where `std::process::exit` would be called: that runs no destructor, and what is
    /// still in memory would be lost.
    ///
    /// ```no_run
    /// let telemetry = throughline::init("digest").unwrap();
    /// if let Err(error) = std::fs::read("orders.csv") {
    ///     tracing::error!(error = throughline::error(&error), "no orders");
    ///     telemetry.exit(2);
    /// }
    /// ```
    pub fn exit(self, code: i32) -> ! {
        drop(self);
        std::process::exit(code)
    }

    /// Replaces the filter of events while the service runs, in the syntax of `RUST_LOG`.
    /// Spans are not governed by it: `warn` must not end tracing.
    ///
    /// # Errors
    /// [`FilterError`] where the directives cannot be parsed; the filter stays as it was.
    pub fn set_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.filter.set(directives)
    }

    /// What was decided at start, and from where each decision came: the code, a variable
    /// or the default. No value is a secret.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let telemetry = throughline::init("checkout")?;
    /// for setting in telemetry.settings() {
    ///     println!("{setting}"); // OTEL_BSP_SCHEDULE_DELAY=1000 (default)
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl Telemetry {
    /// See [`Builder::exit_on_signal`](crate::Builder::exit_on_signal).
    pub(crate) fn exit_on_signal(&self) {
        let Some(pipelines) = &self.pipelines else {
            return;
        };
        let pipelines = pipelines.shared();
        let timeout = self.shutdown_timeout;
        on_signal(move |signal| {
            tell_of_loss(&pipelines.shutdown(timeout));
            std::process::exit(128 + signal)
        });
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(pipelines) = self.pipelines.take() {
            tell_of_loss(&pipelines.shutdown(self.shutdown_timeout));
        }
    }
}

/// Where nobody holds the report, a loss would be silent.
fn tell_of_loss(report: &ShutdownReport) {
    if !report.is_lossless() {
        diagnostics::say_at(Level::Error, &format!("at the end, {report}"));
    }
}

fn flushed(outcome: Outcome, after: Duration) -> Result<(), FlushError> {
    let Outcome { waiting, failed } = outcome;
    if !waiting.is_empty() {
        return Err(FlushError::Timeout { after, waiting });
    }
    if !failed.is_empty() {
        return Err(FlushError::Failed(failed));
    }
    Ok(())
}

/// Runs blocking work on a thread of its own; `None` where the system has none to give.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("throughline-wait".to_owned())
        .spawn(move || {
            // The task may have been cancelled meanwhile.
            let _ = done.send(work());
        })
        .ok()?;
    answer.await.ok()
}

/// The SDK wraps its timeouts into text, so the time tells.
fn said(result: OTelSdkResult, deadline: Instant) -> Ended {
    match result {
        Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ended::Done,
        Err(_) if Instant::now() >= deadline => Ended::Late,
        Err(error) => Ended::Failed(error.to_string()),
    }
}

fn drained(drained: bool) -> Ended {
    if drained { Ended::Done } else { Ended::Late }
}

/// How long metrics wait for the other signals, whose books they tell. A receiver that
/// answers has taken them by then.
const OTHERS_FIRST: Duration = Duration::from_millis(500);

/// What is done to each signal.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Flush,
    Shutdown,
}

impl Pipelines {
    /// The same pipelines, to end them from elsewhere. The runtime stays with its owner.
    fn shared(&self) -> Self {
        Self {
            tracers: self.tracers.clone(),
            spans: self.spans.clone(),
            metrics: self.metrics.clone(),
            records: self.records.clone(),
            sentry: self.sentry.clone(),
            bursts: self.bursts.clone(),
            ledgers: self.ledgers.clone(),
            ending: self.ending.clone(),
            runtime: None,
        }
    }

    fn steps(&self, doing: Doing) -> Vec<(&'static str, Step)> {
        if let Some(bursts) = &self.bursts {
            match doing {
                Doing::Flush => bursts.tell(),
                Doing::Shutdown => bursts.close(),
            }
        }
        let mut steps: Vec<(&'static str, Step)> = Vec::new();
        // What became of the other signals is told by metrics, so they go last.
        let (ends, others) = channel::<Infallible>();
        if let Some(tracers) = self.tracers.clone() {
            let spans = self.spans.clone();
            let ends = ends.clone();
            let step = move |left| {
                let _ends = ends;
                let sent = spans.is_none_or(|spans| match doing {
                    Doing::Flush => spans.flush(left),
                    Doing::Shutdown => spans.shutdown(left),
                });
                if doing == Doing::Shutdown {
                    // Spans that start from now on are not recorded.
                    let _ = tracers.shutdown_with_timeout(left);
                }
                drained(sent)
            };
            steps.push(("traces", Box::new(step)));
        }
        if let Some(provider) = self.metrics.clone() {
            let step = move |left: Duration| {
                let deadline = deadline(left);
                // Nobody says anything: it ends when the last of them does.
                let _ = others.recv_timeout(OTHERS_FIRST.min(left / 4));
                let left = deadline.saturating_duration_since(Instant::now());
                let result = match doing {
                    Doing::Flush => provider.force_flush(),
                    Doing::Shutdown => provider.shutdown_with_timeout(left),
                };
                said(result, deadline)
            };
            steps.push(("metrics", Box::new(step)));
        }
        if let Some(records) = self.records.clone() {
            let ends = ends.clone();
            let step = move |left| {
                let _ends = ends;
                drained(match doing {
                    Doing::Flush => records.flush(left),
                    Doing::Shutdown => records.shutdown(left),
                })
            };
            steps.push(("logs", Box::new(step)));
        }
        if let Some(client) = self.sentry.clone() {
            let step = move |left| {
                let _ends = ends;
                drained(match doing {
                    Doing::Flush => client.flush(Some(left)),
                    Doing::Shutdown => client.close(Some(left)),
                })
            };
            steps.push(("errors", Box::new(step)));
        }
        steps
    }

    fn flush(&self, timeout: Duration) -> Outcome {
        // The threads that would do it are the parent's.
        if fork::in_child() {
            return Outcome {
                waiting: Vec::new(),
                failed: vec![FORKED.to_owned()],
            };
        }
        in_parallel(self.steps(Doing::Flush), timeout)
    }

    fn shutdown(mut self, timeout: Duration) -> ShutdownReport {
        if fork::in_child() {
            let report = self.report(Vec::new());
            // Dropped, the providers would wait for threads that do not exist here.
            std::mem::forget(self);
            return report;
        }
        shutdown::begin();
        self.ending.begin();
        let outcome = in_parallel(self.steps(Doing::Shutdown), timeout);
        if !outcome.waiting.is_empty() {
            // Threads of the SDK may still wait for exports on it. They end with the process,
            // which is about to.
            std::mem::forget(self.runtime.take());
        }
        let report = self.report(outcome.waiting);
        drop(self.runtime.take());
        report
    }

    fn report(&self, timed_out: Vec<&'static str>) -> ShutdownReport {
        ShutdownReport {
            traces: self.ledgers.traces.close(),
            metrics: self.ledgers.metrics.close(),
            logs: self.ledgers.logs.close(),
            errors: self.ledgers.errors.close(),
            timed_out,
        }
    }
}
