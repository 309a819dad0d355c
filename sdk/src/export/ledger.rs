//! What became of every item: `emitted = delivered + Σ dropped{reason}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an item was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// The receiver could not be reached, or refused the item, and retries were used up.
    ExportFailed,
    /// The queue before the exporter was full.
    QueueFull,
    /// The deadline of the shutdown came first.
    ShutdownTimeout,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExportFailed => "export_failed",
            Self::QueueFull => "queue_full",
            Self::ShutdownTimeout => "shutdown_timeout",
        })
    }
}

/// One signal's books at the end. Units: spans, log records, metric data points, or Sentry
/// envelopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Items that the service made.
    pub emitted: u64,
    /// Items that the receiver acknowledged.
    pub delivered: u64,
    /// Items that were lost, by reason; reasons without a loss are left out.
    pub dropped: BTreeMap<DropReason, u64>,
}

impl Delivery {
    /// All losses together.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }
}

/// The running books of one signal.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    emitted: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl Ledger {
    pub(crate) fn emitted(&self, items: u64) {
        self.emitted.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, items: u64) {
        self.delivered.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, items: u64) {
        self.failed.fetch_add(items, Ordering::Relaxed);
    }

    /// The queue had no room.
    #[cfg(any(test, feature = "sentry"))]
    pub(crate) fn refused(&self, items: u64) {
        self.refused.fetch_add(items, Ordering::Relaxed);
    }

    /// Closes the books. The stock batch processors do not say what they dropped, so what
    /// was neither delivered nor failed was either still waiting when time ran out, or had
    /// found the queue full.
    pub(crate) fn close(&self, timed_out: bool) -> Delivery {
        let emitted = self.emitted.load(Ordering::Relaxed);
        let delivered = self.delivered.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        let refused = self.refused.load(Ordering::Relaxed);
        let missing = emitted.saturating_sub(delivered + failed + refused);
        let (timeout, full) = if timed_out {
            (missing, refused)
        } else {
            (0, missing + refused)
        };
        let dropped = [
            (DropReason::ExportFailed, failed),
            (DropReason::QueueFull, full),
            (DropReason::ShutdownTimeout, timeout),
        ];
        Delivery {
            emitted,
            delivered,
            dropped: dropped
                .into_iter()
                .filter(|(_, items)| *items > 0)
                .collect(),
        }
    }
}

/// The books of all signals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledgers {
    pub(crate) traces: Arc<Ledger>,
    pub(crate) metrics: Arc<Ledger>,
    pub(crate) logs: Arc<Ledger>,
    pub(crate) errors: Arc<Ledger>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_balance_whatever_happened() {
        let ledger = Ledger::default();
        ledger.emitted(10);
        ledger.delivered(4);
        ledger.failed(3);
        ledger.refused(1);
        for timed_out in [false, true] {
            let closed = ledger.close(timed_out);
            assert_eq!(closed.emitted, closed.delivered + closed.dropped_total());
        }
        assert_eq!(ledger.close(false).dropped[&DropReason::QueueFull], 3);
        assert_eq!(ledger.close(true).dropped[&DropReason::ShutdownTimeout], 2);
    }

    #[test]
    fn a_reason_without_a_loss_is_left_out() {
        let ledger = Ledger::default();
        ledger.emitted(1);
        ledger.delivered(1);
        assert_eq!(ledger.close(false).dropped, BTreeMap::new());
    }
}
