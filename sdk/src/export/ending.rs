//! When telemetry began to end, for those who would otherwise go on trying.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// At the end, how long a receiver is tried that never answered: most likely there is none,
/// and nobody wants to wait the whole deadline for it on a laptop.
pub(super) const NEVER_REACHED: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Ending(Arc<watch::Sender<Option<Instant>>>);

impl Default for Ending {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Ending {
    pub(crate) fn begin(&self) {
        self.0.send_if_modified(|since| {
            let first = since.is_none();
            since.get_or_insert_with(Instant::now);
            first
        });
    }

    /// For how long; `None` before it began.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.0.borrow().map(|since| since.elapsed())
    }

    /// Waits for so long, or until it begins.
    pub(super) async fn begun_within(&self, time: Duration) {
        let mut begun = self.0.subscribe();
        // Either way it is time to look again.
        let _ = tokio::time::timeout(time, begun.wait_for(Option::is_some)).await;
    }
}
