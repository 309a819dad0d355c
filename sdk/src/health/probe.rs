//! One check: run once however many ask, within its time, and what it found kept for a while.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError};

use crate::metrics::{Description, Registry};

/// What a failed check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The service cannot have requests.
    Critical,
    /// The service does less.
    Optional,
    /// Nothing: it is a figure, and no check.
    Figure,
}

const STATUS: &str = "throughline.health.check.status";
const DURATION: &str = "throughline.health.check.duration";

/// Units that the facade does not know.
pub(super) fn describe(registry: &Registry) {
    let said = [
        (
            STATUS,
            "{check}",
            "Whether a check of the service's health is passed",
        ),
        (
            DURATION,
            "s",
            "How long a check of the service's health took",
        ),
    ];
    for (name, unit, text) in said {
        let description = Description {
            unit: unit.into(),
            text: text.to_owned(),
        };
        registry.describe(name, description);
    }
}

type Asked = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

pub(super) struct Probe {
    name: String,
    kind: Kind,
    limit: Duration,
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
    state: Mutex<State>,
}

/// What a check said, with what it says beside, or why it failed.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) result: Result<Value, String>,
    pub(super) duration: Duration,
    at: Instant,
}

#[derive(Default)]
struct State {
    last: Option<Arc<Finding>>,
    /// For those who come while it runs.
    running: Option<watch::Receiver<Option<Arc<Finding>>>>,
    /// A run that was given up, and may not have noticed.
    given_up: Option<AbortHandle>,
}

/// What there is for who asks.
enum Next {
    Known(Arc<Finding>),
    Runs(watch::Receiver<Option<Arc<Finding>>>),
}

impl Probe {
    pub(super) fn new<A, F>(name: String, kind: Kind, limit: Duration, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Value, String>> + Send + 'static,
    {
        Self {
            name,
            kind,
            limit,
            ask: Box::new(move || Box::pin(ask())),
            state: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it says, not older than `fresh_for`. It runs from this call on, so that several
    /// probes that are called before the first is awaited run side by side.
    pub(super) fn finding(
        self: &Arc<Self>,
        fresh_for: Duration,
    ) -> impl Future<Output = Arc<Finding>> + Send + use<> {
        let probe = Arc::clone(self);
        let next = self.next(fresh_for);
        async move {
            let mut runs = match next {
                Next::Known(finding) => return finding,
                Next::Runs(runs) => runs,
            };
            let ended = runs.wait_for(Option::is_some).await;
            match ended.ok().and_then(|finding| finding.clone()) {
                Some(finding) => finding,
                // The runtime that it ran on has ended.
                None => probe.settle(Err("the check was cancelled".to_owned()), Duration::ZERO),
            }
        }
    }

    fn next(self: &Arc<Self>, fresh_for: Duration) -> Next {
        let mut state = self.state();
        if let Some(last) = &state.last
            && last.at.elapsed() < fresh_for
        {
            return Next::Known(Arc::clone(last));
        }
        if let Some(running) = &state.running
            && running.has_changed().is_ok()
        {
            return Next::Runs(running.clone());
        }
        let Ok(runtime) = Handle::try_current() else {
            drop(state);
            let why = "checks need a Tokio runtime, and there is none here".to_owned();
            return Next::Known(self.settle(Err(why), Duration::ZERO));
        };
        // Started again, each would take one more thread of the runtime.
        if state
            .given_up
            .as_ref()
            .is_some_and(|run| !run.is_finished())
        {
            drop(state);
            let why = "an earlier run blocks its thread, and has not returned yet".to_owned();
            return Next::Known(self.settle(Err(why), self.limit));
        }
        let (tell, running) = watch::channel(None);
        state.running = Some(running.clone());
        drop(state);
        let probe = Arc::clone(self);
        // Of its own, since the request that asked may be cancelled while others wait.
        runtime.spawn(async move {
            let started = Instant::now();
            let result = probe.run().await;
            let finding = probe.settle(result, started.elapsed());
            tell.send_replace(Some(finding));
        });
        Next::Runs(running)
    }

    async fn run(self: &Arc<Self>) -> Result<Value, String> {
        let probe = Arc::clone(self);
        let quiet = Context::new().with_telemetry_suppressed();
        // A task of its own, so that a panic ends no more than this run.
        let mut run = tokio::spawn(async move { (probe.ask)().await }.with_context(quiet));
        match tokio::time::timeout(self.limit, &mut run).await {
            Ok(Ok(result)) => result,
            Ok(Err(ended)) => Err(why(ended)),
            Err(_) => {
                run.abort();
                self.state().given_up = Some(run.abort_handle());
                Err(format!("no answer within {:?}", self.limit))
            }
        }
    }

    /// Keeps what was found, and tells it.
    fn settle(&self, result: Result<Value, String>, duration: Duration) -> Arc<Finding> {
        let finding = Arc::new(Finding {
            result,
            duration,
            at: Instant::now(),
        });
        let before = {
            let mut state = self.state();
            state.running = None;
            state.last.replace(Arc::clone(&finding))
        };
        if self.kind != Kind::Figure {
            self.measure(&finding);
            self.tell_of_change(before.as_deref(), &finding);
        }
        finding
    }

    fn measure(&self, finding: &Finding) {
        let name = || self.name.clone();
        let status = f64::from(u8::from(finding.result.is_ok()));
        metrics::gauge!(STATUS, "health.check.name" => name()).set(status);
        metrics::histogram!(DURATION, "health.check.name" => name())
            .record(finding.duration.as_secs_f64());
    }

    /// A record at each change, not at each probe. A service that starts healthy is no news.
    fn tell_of_change(&self, before: Option<&Finding>, now: &Finding) {
        let was_healthy = before.is_none_or(|before| before.result.is_ok());
        match &now.result {
            Err(why) if was_healthy => tracing::warn!(
                name: "health.check.failed",
                {
                    health.check.name = self.name,
                    health.check.critical = self.kind == Kind::Critical,
                    health.check.duration = now.duration.as_secs_f64(),
                    exception.message = why,
                },
                "the health check {} fails",
                self.name
            ),
            Ok(_) if !was_healthy => tracing::info!(
                name: "health.check.recovered",
                {
                    health.check.name = self.name,
                    health.check.critical = self.kind == Kind::Critical,
                    health.check.duration = now.duration.as_secs_f64(),
                },
                "the health check {} is passed again",
                self.name
            ),
            _ => {}
        }
    }
}

fn why(ended: JoinError) -> String {
    if !ended.is_panic() {
        return "the check was cancelled".to_owned();
    }
    let panic = ended.into_panic();
    match text(panic.as_ref()) {
        Some(message) => format!("the check panicked: {message}"),
        None => "the check panicked".to_owned(),
    }
}

fn text(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests;
