//! The handle of a running telemetry: what a service keeps until its `main` returns.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;

use crate::diagnostics::{self, Level};
use crate::error::{FilterError, FlushError};
use crate::export::{ExportRuntime, Ledgers};
use crate::filter::FilterHandle;
use crate::sentry;
use crate::settings::Setting;
use crate::shutdown::{Outcome, ShutdownReport, Step, in_parallel};

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

/// All that has to be ended.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) metrics: Option<SdkMeterProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    pub(crate) sentry: Option<Arc<sentry::Client>>,
    pub(crate) ledgers: Ledgers,
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
        flushed(in_parallel(pipelines.flush_steps(), timeout), timeout)
    }

    /// [`flush`](Self::flush) without blocking the calling task.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn flush_async(&self, timeout: Duration) -> Result<(), FlushError> {
        let Some(pipelines) = &self.pipelines else {
            return Ok(());
        };
        let steps = pipelines.flush_steps();
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
        on_a_thread(move || pipelines.shutdown(timeout))
            .await
            .unwrap_or_default()
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
    ///     println!("{setting}"); // OTEL_BSP_SCHEDULE_DELAY=5000 (default)
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(pipelines) = self.pipelines.take() {
            let report = pipelines.shutdown(self.shutdown_timeout);
            // Nobody holds the report, so a loss would be silent.
            if !report.is_lossless() {
                diagnostics::say_at(Level::Error, &format!("at the end, {report}"));
            }
        }
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

fn said(result: OTelSdkResult) -> Result<(), String> {
    match result {
        Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn sentry_drained(drained: bool) -> Result<(), String> {
    if drained {
        Ok(())
    } else {
        Err("events were left in the queue".to_owned())
    }
}

impl Pipelines {
    fn flush_steps(&self) -> Vec<(&'static str, Step)> {
        let mut steps: Vec<(&'static str, Step)> = Vec::new();
        if let Some(provider) = self.traces.clone() {
            steps.push(("traces", Box::new(move |_| said(provider.force_flush()))));
        }
        if let Some(provider) = self.metrics.clone() {
            steps.push(("metrics", Box::new(move |_| said(provider.force_flush()))));
        }
        if let Some(provider) = self.logs.clone() {
            steps.push(("logs", Box::new(move |_| said(provider.force_flush()))));
        }
        if let Some(client) = self.sentry.clone() {
            let flush = move |left| sentry_drained(client.flush(Some(left)));
            steps.push(("errors", Box::new(flush)));
        }
        steps
    }

    fn shutdown_steps(&self) -> Vec<(&'static str, Step)> {
        let mut steps: Vec<(&'static str, Step)> = Vec::new();
        if let Some(provider) = self.traces.clone() {
            let end = move |left| said(provider.shutdown_with_timeout(left));
            steps.push(("traces", Box::new(end)));
        }
        if let Some(provider) = self.metrics.clone() {
            let end = move |left| said(provider.shutdown_with_timeout(left));
            steps.push(("metrics", Box::new(end)));
        }
        if let Some(provider) = self.logs.clone() {
            let end = move |left| said(provider.shutdown_with_timeout(left));
            steps.push(("logs", Box::new(end)));
        }
        if let Some(client) = self.sentry.clone() {
            let end = move |left| sentry_drained(client.close(Some(left)));
            steps.push(("errors", Box::new(end)));
        }
        steps
    }

    fn shutdown(mut self, timeout: Duration) -> ShutdownReport {
        let outcome = in_parallel(self.shutdown_steps(), timeout);
        let late = |signal| outcome.waiting.contains(&signal);
        if !outcome.waiting.is_empty() {
            // Threads of the SDK are still polling exports on it, and would panic without.
            // They end with the process, which is about to.
            std::mem::forget(self.runtime.take());
        }
        let report = ShutdownReport {
            traces: self.ledgers.traces.close(late("traces")),
            metrics: self.ledgers.metrics.close(late("metrics")),
            logs: self.ledgers.logs.close(late("logs")),
            errors: self.ledgers.errors.close(late("errors")),
            timed_out: outcome.waiting,
        };
        drop(self.runtime.take());
        report
    }
}
