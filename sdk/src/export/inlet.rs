//! The way in: where a request leaves its spans and records, and goes on.
//!
//! What happens here is paid by the service's own threads, so it is a lock, a push and a
//! few numbers, for what has been encoded. All after it is done by the thread that exports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::ledger::{DropReason, Ledger};
use crate::fork;

/// So many bytes are not left waiting for the delay either, nor is half of what may wait.
const LARGE: usize = 2 << 20;

/// What one signal may hold, from the moment that an item comes until its fate is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) bytes: usize,
    pub(crate) items: usize,
}

/// How much of the capacity is in use.
#[derive(Debug)]
pub(crate) struct Held {
    capacity: Capacity,
    bytes: AtomicUsize,
    items: AtomicUsize,
}

impl Held {
    fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            bytes: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
        }
    }

    /// Takes room for one item, where there is any.
    fn take(&self, bytes: usize) -> bool {
        // Not added before it is known to fit: a large item that finds no room would take it
        // from the small ones of other threads meanwhile.
        let fits = |held: usize| {
            let held = held.checked_add(bytes)?;
            (held <= self.capacity.bytes).then_some(held)
        };
        let taken = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if taken.is_err() {
            return false;
        }
        if self.items.fetch_add(1, Ordering::Relaxed) >= self.capacity.items {
            self.give_back(bytes, 1);
            return false;
        }
        true
    }

    /// What has been let in changes its size when it is encoded and compressed.
    pub(super) fn resize(&self, before: usize, after: usize) {
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize, items: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.items.fetch_sub(items, Ordering::Relaxed);
    }

    /// The most that may be held.
    #[cfg(feature = "health")]
    pub(super) fn most_bytes(&self) -> usize {
        self.capacity.bytes
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }
}

/// The items that wait to be put into a request.
#[derive(Debug, Default)]
pub(super) struct Staged<T> {
    pub(super) items: T,
    pub(super) count: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Open<T> {
    staged: Staged<T>,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Inlet<T> {
    open: Mutex<Open<T>>,
    pub(super) held: Held,
    pub(super) ledger: Arc<Ledger>,
    /// A batch is full; nobody should wait for the delay.
    pub(super) full: Notify,
    batch: usize,
    large: usize,
}

impl<T: Default> Inlet<T> {
    pub(super) fn new(capacity: Capacity, batch: usize, ledger: Arc<Ledger>) -> Self {
        Self {
            open: Mutex::new(Open {
                staged: Staged::default(),
                closed: false,
            }),
            held: Held::new(capacity),
            ledger,
            full: Notify::new(),
            batch,
            large: LARGE.min(capacity.bytes / 2),
        }
    }

    /// Leaves one item of about so many bytes, or counts it as dropped. Never waits for
    /// anything but another thread's push.
    pub(crate) fn push(&self, bytes: usize, put: impl FnOnce(&mut T)) {
        self.ledger.emitted(1);
        // The lock below may be held for ever by a thread that does not exist here.
        if fork::in_child() {
            self.ledger.dropped(DropReason::Forked, 1);
            return;
        }
        if !self.held.take(bytes) {
            self.ledger.dropped(DropReason::QueueFull, 1);
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.closed {
            drop(open);
            self.held.give_back(bytes, 1);
            self.ledger.dropped(DropReason::AfterShutdown, 1);
            return;
        }
        put(&mut open.staged.items);
        let staged = &mut open.staged;
        staged.count += 1;
        staged.bytes += bytes;
        // Once a batch: waking a thread costs more than all the rest.
        let large = staged.bytes >= self.large && staged.bytes - bytes < self.large;
        let full = staged.count == self.batch || large;
        drop(open);
        if full {
            self.full.notify_one();
        }
    }

    /// Counts an item that cannot even be left.
    pub(crate) fn refuse(&self, reason: DropReason) {
        self.ledger.emitted(1);
        self.ledger.dropped(reason, 1);
    }

    /// Takes what waits; `empty` is what takes its place.
    pub(super) fn swap(&self, empty: &mut Staged<T>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut open.staged, empty);
    }

    /// From now on nothing comes in.
    pub(super) fn close(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::atomic::AtomicBool;

    fn inlet(bytes: usize, items: usize) -> Inlet<Vec<u8>> {
        Inlet::new(Capacity { bytes, items }, 2, Arc::new(Ledger::default()))
    }

    fn dropped(inlet: &Inlet<Vec<u8>>) -> Vec<(DropReason, u64)> {
        inlet.ledger.read().dropped.into_iter().collect()
    }

    #[test]
    fn bytes_and_items_are_bounded_and_what_is_over_is_counted() {
        let by_bytes = inlet(100, 10);
        for bytes in [60, 50, 40] {
            by_bytes.push(bytes, |staged| staged.push(bytes as u8));
        }
        assert_eq!(dropped(&by_bytes), [(DropReason::QueueFull, 1)]);
        assert_eq!((by_bytes.held.bytes(), by_bytes.held.items()), (100, 2));
        let by_items = inlet(100, 1);
        for _ in 0..3 {
            by_items.push(1, |staged| staged.push(0));
        }
        assert_eq!(dropped(&by_items), [(DropReason::QueueFull, 2)]);
        assert_eq!((by_items.held.bytes(), by_items.held.items()), (1, 1));
    }

    #[test]
    fn half_of_what_may_wait_is_not_left_for_the_delay() {
        let inlet = Inlet::new(
            Capacity {
                bytes: 100,
                items: 100,
            },
            100,
            Arc::new(Ledger::default()),
        );
        for (bytes, noticed) in [(49, false), (1, true), (1, false)] {
            inlet.push(bytes, |staged: &mut Vec<u8>| staged.push(0));
            assert_eq!(inlet.full.notified().now_or_never().is_some(), noticed);
        }
    }

    #[test]
    fn what_finds_no_room_takes_none_from_others() {
        let held = Held::new(Capacity {
            bytes: 100,
            items: 10,
        });
        assert!(held.take(50));
        let done = AtomicBool::new(false);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    held.take(60);
                }
            });
            let found = (0..1_000_000).filter(|_| {
                let taken = held.take(1);
                if taken {
                    held.give_back(1, 1);
                }
                taken
            });
            let found = found.count();
            done.store(true, Ordering::Relaxed);
            found
        });
        assert_eq!(found, 1_000_000);
    }

    #[test]
    fn what_comes_after_the_close_is_counted_and_holds_nothing() {
        let inlet = inlet(100, 10);
        inlet.push(1, |staged| staged.push(1));
        inlet.close();
        inlet.push(1, |staged| staged.push(2));
        let mut taken = Staged::default();
        inlet.swap(&mut taken);
        assert_eq!((taken.items, taken.count, taken.bytes), (vec![1], 1, 1));
        assert_eq!(dropped(&inlet), [(DropReason::AfterShutdown, 1)]);
        assert_eq!(inlet.held.items(), 1, "the one that is being sent");
    }
}
