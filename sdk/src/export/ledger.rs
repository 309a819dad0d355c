//! What became of every item: `emitted = delivered + Σ dropped{reason}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::transport::Signal;

/// Why an item was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// The memory budget (`THROUGHLINE_MEMORY_BUDGET_BYTES`) or the queue's own limit was
    /// used up when the item came.
    QueueFull,
    /// The receiver answered that it does not want the item.
    Rejected,
    /// It was sent, and no answer came before telemetry ended or, for metrics, before their
    /// timeout: it may have arrived.
    Unconfirmed,
    /// The deadline of the shutdown came first.
    ShutdownTimeout,
    /// It came after the shutdown.
    AfterShutdown,
    /// There was no receiver until the end; for metrics, until their timeout. Of error
    /// reports, which are tried once: the server could not be reached, failed, or asked to be
    /// left alone.
    ExportFailed,
    /// Making it ready to be sent panicked.
    Panicked,
    /// It was made in a process that was forked off, where the threads that send do not
    /// exist.
    Forked,
}

impl DropReason {
    const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::Rejected,
        Self::Unconfirmed,
        Self::ShutdownTimeout,
        Self::AfterShutdown,
        Self::ExportFailed,
        Self::Panicked,
        Self::Forked,
    ];

    /// The word in reports, and the attribute `reason` of `throughline.export.items`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
            Self::ShutdownTimeout => "shutdown_timeout",
            Self::AfterShutdown => "after_shutdown",
            Self::ExportFailed => "export_failed",
            Self::Panicked => "panicked",
            Self::Forked => "forked",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Ledger {
    pub(crate) fn emitted(&self, items: u64) {
        self.emitted.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, items: u64) {
        self.delivered.fetch_add(items, Ordering::Release);
    }

    pub(crate) fn dropped(&self, reason: DropReason, items: u64) {
        self.dropped[reason as usize].fetch_add(items, Ordering::Release);
    }

    /// What was dropped for this reason so far.
    pub(crate) fn count(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> Delivery {
        // The fates first: an item is counted before its fate, so that however many threads
        // go on meanwhile, no more fates are read than items.
        let dropped = DropReason::ALL
            .into_iter()
            .zip(&self.dropped)
            .map(|(reason, items)| (reason, items.load(Ordering::Acquire)))
            .filter(|(_, items)| *items > 0)
            .collect();
        let delivered = self.delivered.load(Ordering::Acquire);
        Delivery {
            emitted: self.emitted.load(Ordering::Relaxed),
            delivered,
            dropped,
        }
    }

    /// The books at the end: what has no fate yet found the deadline of the shutdown.
    ///
    /// That is told, but not entered: a thread that was left behind may still find out its
    /// fate, and whoever closes the books after that would count it twice.
    pub(crate) fn close(&self) -> Delivery {
        let mut delivery = self.read();
        let known = delivery.delivered + delivery.dropped_total();
        let missing = delivery.emitted.saturating_sub(known);
        if missing > 0 {
            *delivery
                .dropped
                .entry(DropReason::ShutdownTimeout)
                .or_default() += missing;
        }
        delivery
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

impl Ledgers {
    pub(super) fn of(&self, signal: Signal) -> &Arc<Ledger> {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// The books by the attribute `signal` of `throughline.export.items`.
    pub(crate) fn by_signal(&self) -> [(&'static str, &Ledger); 4] {
        [
            ("traces", &self.traces),
            ("metrics", &self.metrics),
            ("logs", &self.logs),
            ("errors", &self.errors),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_books_balance_whatever_happened() {
        let ledger = Ledger::default();
        ledger.emitted(10);
        ledger.delivered(4);
        ledger.dropped(DropReason::Rejected, 3);
        ledger.dropped(DropReason::QueueFull, 1);
        let closed = ledger.close();
        assert_eq!(closed.emitted, closed.delivered + closed.dropped_total());
        assert_eq!(closed.dropped[&DropReason::ShutdownTimeout], 2);
        assert_eq!(ledger.close(), closed, "closing twice changes nothing");
    }

    #[test]
    fn the_books_balance_for_who_reads_them_while_others_go_on() {
        let ledger = Ledger::default();
        let balance = |it: Delivery| assert_eq!(it.emitted, it.delivered + it.dropped_total());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let emitting = || {
                while !done.load(Ordering::Relaxed) {
                    ledger.emitted(2);
                    ledger.dropped(DropReason::AfterShutdown, 1);
                    ledger.delivered(1);
                }
            };
            scope.spawn(emitting);
            scope.spawn(emitting);
            while ledger.read().emitted == 0 {
                std::thread::yield_now();
            }
            let read: Vec<_> = (0..10_000).map(|_| ledger.close()).collect();
            done.store(true, Ordering::Relaxed);
            read.into_iter().for_each(balance);
        });
        balance(ledger.close());
    }

    #[test]
    fn a_fate_that_is_found_after_the_end_is_not_counted_twice() {
        let ledger = Ledger::default();
        ledger.emitted(3);
        assert_eq!(ledger.close().dropped[&DropReason::ShutdownTimeout], 3);
        ledger.delivered(3);
        let again = ledger.close();
        assert_eq!((again.delivered, again.dropped_total()), (3, 0));
    }

    #[test]
    fn each_reason_has_a_place_of_its_own_and_none_without_a_loss_is_told() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let ledger = Ledger::default();
            ledger.emitted(1);
            ledger.dropped(reason, 1);
            assert_eq!(ledger.close().dropped, [(reason, 1)].into());
        }
    }
}
