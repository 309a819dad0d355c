//! The end of a service: the signal that asks for it, and the work that must fit before it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::diagnostics;
use crate::export::Delivery;

/// What became of everything, when telemetry ended.
///
/// For each signal `emitted = delivered + dropped`, to the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Spans.
    pub traces: Delivery,
    /// Metric data points. A failed export is superseded by the next, as values are
    /// cumulative by default; it is counted all the same.
    pub metrics: Delivery,
    /// Log records.
    pub logs: Delivery,
    /// Envelopes to Sentry.
    pub errors: Delivery,
    /// The signals that had not ended when the deadline came.
    pub timed_out: Vec<&'static str>,
}

impl ShutdownReport {
    /// Whether each item that the service made was acknowledged by its receiver.
    pub fn is_lossless(&self) -> bool {
        self.signals()
            .iter()
            .all(|(_, delivery)| delivery.dropped_total() == 0)
    }

    fn signals(&self) -> [(&'static str, &Delivery); 4] {
        [
            ("traces", &self.traces),
            ("metrics", &self.metrics),
            ("logs", &self.logs),
            ("errors", &self.errors),
        ]
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (signal, delivery)) in self.signals().into_iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(
                f,
                "{signal}: {} of {} delivered",
                delivery.delivered, delivery.emitted
            )?;
            for (reason, items) in &delivery.dropped {
                write!(f, ", {items} dropped ({reason})")?;
            }
        }
        Ok(())
    }
}

/// A step that ends one signal; it is given the time that it has.
pub(crate) type Step = Box<dyn FnOnce(Duration) -> Ended + Send>;

/// What became of a step.
pub(crate) enum Ended {
    Done,
    /// Its time was over first.
    Late,
    Failed(String),
}

/// What the steps said within the deadline.
pub(crate) struct Outcome {
    pub(crate) waiting: Vec<&'static str>,
    pub(crate) failed: Vec<String>,
}

/// The part of the time that is kept for the steps to say that theirs is over.
const RESERVE: Duration = Duration::from_millis(50);

/// No wait is longer: whoever gives `Duration::MAX` means one without an end, and no clock
/// can tell that time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When this time is over.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// Runs the steps side by side under one deadline. One of the SDK's providers ignores its
/// timeout, and one after another three hung ones take three times as long, so each gets a
/// thread, and a thread that does not answer is left behind.
pub(crate) fn in_parallel(steps: Vec<(&'static str, Step)>, timeout: Duration) -> Outcome {
    let timeout = timeout.min(LONGEST);
    let deadline = deadline(timeout);
    let given = timeout - RESERVE.min(timeout / 4);
    let mut waiting = Vec::new();
    let mut done = Vec::new();
    let mut failed = Vec::new();
    let (said, answers) = channel();
    for (signal, step) in steps {
        let said = said.clone();
        let thread = std::thread::Builder::new()
            .name(format!("throughline-{signal}"))
            .spawn(move || {
                // The other end may have stopped waiting.
                let _ = said.send((signal, step(given)));
            });
        match thread {
            Ok(_) => waiting.push(signal),
            Err(error) => failed.push(format!("{signal}: no thread to end it on: {error}")),
        }
    }
    drop(said);
    let mut answered = 0;
    while answered < waiting.len() {
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((signal, ended)) => {
                answered += 1;
                match ended {
                    Ended::Done => done.push(signal),
                    Ended::Late => {}
                    Ended::Failed(reason) => {
                        done.push(signal);
                        failed.push(format!("{signal}: {reason}"));
                    }
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    // In the order of the steps, whoever answered first.
    waiting.retain(|signal| !done.contains(signal));
    Outcome { waiting, failed }
}

/// Resolves when the process is asked to end: SIGTERM or SIGINT (Ctrl-C elsewhere).
///
/// For `axum::serve(..).with_graceful_shutdown(throughline::shutdown_signal())`. It listens
/// on a thread of its own, so it works on any runtime, and it may be awaited many times:
/// after the first signal it resolves at once. From the first call on, the signals no
/// longer end the process by themselves.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let mut ended = std::pin::pin!(throughline::shutdown_signal());
/// // Nothing has been asked yet.
/// assert!(futures::poll!(&mut ended).is_pending());
/// # });
/// ```
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    let mut asked = asked();
    async move {
        // An error means that the listening thread ended: then nothing will ever ask.
        if asked.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Calls this with the number of the first signal, on the thread that listens for them.
pub(crate) fn on_signal(act: impl FnOnce(i32) + Send + 'static) {
    *ACT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(act));
    asked();
}

type Act = Box<dyn FnOnce(i32) + Send>;

static ACT: Mutex<Option<Act>> = Mutex::new(None);

static ASKED: OnceLock<watch::Receiver<Option<i32>>> = OnceLock::new();

/// Whether telemetry has begun to end, which is the last that a service does.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// From now on [`has_begun`].
pub(crate) fn begin() {
    BEGUN.store(true, Ordering::Relaxed);
}

/// Whether the process was asked to end, or telemetry ends. Nobody starts to listen for
/// signals by asking this: they would no longer end the process by themselves.
#[cfg(feature = "health")]
pub(crate) fn has_begun() -> bool {
    BEGUN.load(Ordering::Relaxed) || ASKED.get().is_some_and(|asked| asked.borrow().is_some())
}

/// The number of the first signal, from when the process was asked to end.
fn asked() -> watch::Receiver<Option<i32>> {
    ASKED.get_or_init(listen).clone()
}

fn listen() -> watch::Receiver<Option<i32>> {
    let (ask, asked) = watch::channel(None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let listening = runtime.and_then(|runtime| {
        let entered = runtime.enter();
        let signal = signals()?;
        drop(entered);
        std::thread::Builder::new()
            .name("throughline-signals".to_owned())
            .spawn(move || {
                let signal = runtime.block_on(signal);
                // Stays for all who ask later; the sender lives on in the channel.
                let _ = ask.send(Some(signal));
                let act = ACT.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(act) = act {
                    act(signal);
                }
                loop {
                    std::thread::park();
                }
            })
    });
    if let Err(error) = listening {
        diagnostics::say(&format!("cannot listen for signals: {error}"));
    }
    asked
}

#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = i32>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    })
}

#[cfg(not(unix))]
fn signals() -> std::io::Result<impl Future<Output = i32>> {
    const INTERRUPT: i32 = 2;
    Ok(async {
        // An error means that no handler could be set: then nothing will ever ask.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPT
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_share_one_deadline_and_a_hung_one_is_left_behind() {
        let (release, hold) = channel::<()>();
        let steps: Vec<(&'static str, Step)> = vec![
            ("traces", Box::new(|_| Ended::Done)),
            (
                "metrics",
                Box::new(move |_| match hold.recv() {
                    Ok(()) => Ended::Done,
                    Err(error) => Ended::Failed(error.to_string()),
                }),
            ),
            ("logs", Box::new(|_| Ended::Failed("refused".to_owned()))),
            ("errors", Box::new(|_| Ended::Late)),
        ];
        let start = Instant::now();
        let outcome = in_parallel(steps, Duration::from_millis(200));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(outcome.waiting, ["metrics", "errors"]);
        assert_eq!(outcome.failed, ["logs: refused"]);
        drop(release);
    }

    #[test]
    fn a_report_tells_loss_by_signal_and_reason() {
        let mut report = ShutdownReport::default();
        assert!(report.is_lossless());
        report.logs = Delivery {
            emitted: 5,
            delivered: 3,
            dropped: [(crate::DropReason::ExportFailed, 2)].into(),
        };
        assert!(!report.is_lossless());
        let said = report.to_string();
        assert!(
            said.contains("logs: 3 of 5 delivered, 2 dropped (export_failed)"),
            "{said}"
        );
    }
}
