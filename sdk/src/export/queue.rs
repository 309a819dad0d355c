//! Sealed batches on their way to the receiver, first in, first out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use super::ledger::DropReason;
use super::packing::Packing;

/// A whole request, encoded, and perhaps compressed.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) body: Bytes,
    pub(super) packing: Packing,
    pub(super) items: usize,
}

/// What the sender has in hand.
#[derive(Debug)]
struct InHand {
    /// The bytes and items that it holds.
    bytes: usize,
    whole: usize,
    /// Its items without those whose fate is known.
    items: usize,
    /// Whether a request is on its way that has not been answered.
    sent: bool,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Batch>,
    in_hand: Option<InHand>,
    /// Batches that were ever put, and those whose fate is known.
    put: u64,
    settled: u64,
    /// How many wait for the batches to be settled: tries should be made soon.
    hurried: usize,
    /// Since when nothing more comes.
    ending: Option<Instant>,
    closed: bool,
}

/// What was still there when the queue was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) waiting: usize,
    /// Of the batch in hand, with whether it had been sent.
    pub(super) in_hand: Option<(usize, bool)>,
}

impl Left {
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (DropReason, usize)> {
        let in_hand = self.in_hand.map(|(items, sent)| {
            let reason = if sent {
                DropReason::Unconfirmed
            } else {
                DropReason::ShutdownTimeout
            };
            (reason, items)
        });
        [(DropReason::ShutdownTimeout, self.waiting)]
            .into_iter()
            .chain(in_hand)
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    settled: Condvar,
    /// For the sender: there is a batch, or a hurry, or the end.
    changed: Notify,
}

impl Queue {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether batches have to wait: then it is worth making them small.
    pub(super) fn is_backed_up(&self) -> bool {
        let state = self.state();
        !state.waiting.is_empty() || state.in_hand.is_some()
    }

    /// False where the queue has been closed.
    pub(super) fn put(&self, batch: Batch) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        state.waiting.push_back(batch);
        state.put += 1;
        drop(state);
        self.changed.notify_one();
        true
    }

    /// The next batch, which is the sender's until it says [`settle`](Self::settle);
    /// `None` at the end.
    pub(super) async fn next(&self) -> Option<Batch> {
        loop {
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some(batch) = state.waiting.pop_front() {
                    state.in_hand = Some(InHand {
                        bytes: batch.body.len(),
                        whole: batch.items,
                        items: batch.items,
                        sent: false,
                    });
                    return Some(batch);
                }
            }
            self.changed.notified().await;
        }
    }

    /// Waits until somebody is in a hurry, the queue is closed or a batch comes in. May
    /// return early.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn sent(&self, sent: bool) {
        if let Some(in_hand) = &mut self.state().in_hand {
            in_hand.sent = sent;
        }
    }

    /// Whether it may be with the receiver.
    pub(super) fn is_sent(&self) -> bool {
        self.state().in_hand.as_ref().is_some_and(|it| it.sent)
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.state().hurried > 0
    }

    pub(super) fn ending_since(&self) -> Option<Instant> {
        self.state().ending
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The fate of so many items of the batch in hand is known. `count` is called unless
    /// the queue was closed before, and they were counted then.
    pub(super) fn account(&self, items: usize, count: impl FnOnce()) {
        let mut state = self.state();
        if let Some(in_hand) = &mut state.in_hand {
            in_hand.items = in_hand.items.saturating_sub(items);
            count();
        }
    }

    /// The items of the batch in hand whose fate is not known.
    pub(super) fn unaccounted(&self) -> usize {
        self.state().in_hand.as_ref().map_or(0, |it| it.items)
    }

    /// The batch in hand is done; `release` is given the bytes and items that it held,
    /// before anybody who waits goes on.
    pub(super) fn settle(&self, release: impl FnOnce(usize, usize)) {
        let mut state = self.state();
        let Some(in_hand) = state.in_hand.take() else {
            return;
        };
        release(in_hand.bytes, in_hand.whole);
        state.settled += 1;
        drop(state);
        self.settled.notify_all();
    }

    /// Waits until all that has been put so far is settled. False if time ran out.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        let target = state.put;
        state.hurried += 1;
        self.changed.notify_one();
        while state.settled < target && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (state, _) = self
                .settled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.hurried -= 1;
        state.settled >= target
    }

    /// Nothing more will be put.
    pub(super) fn end(&self) {
        self.state().ending.get_or_insert_with(Instant::now);
    }

    /// Ends it. What is left has no fate but the one that `count` gives it; the sender's
    /// later words change nothing.
    pub(super) fn close(&self, count: impl FnOnce(&Left)) {
        let mut state = self.state();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        let in_hand = state.in_hand.take();
        // Before another thread that ends telemetry too can see the end, and read the books.
        count(&Left {
            waiting: waiting.iter().map(|batch| batch.items).sum(),
            in_hand: in_hand.map(|in_hand| (in_hand.items, in_hand.sent)),
        });
        drop(state);
        self.changed.notify_one();
        self.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn batch(items: usize) -> Batch {
        Batch {
            body: Bytes::from(vec![0; items]),
            packing: Packing::Plain,
            items,
        }
    }

    fn next(queue: &Queue) -> Option<Batch> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(queue.next())
    }

    #[test]
    fn what_is_left_at_the_end_is_told_by_what_had_become_of_it() {
        let queue = Queue::default();
        for items in [3, 2] {
            assert!(queue.put(batch(items)));
        }
        assert_eq!(next(&queue).unwrap().items, 3);
        queue.sent(true);
        queue.account(1, || {});
        let mut reasons = Vec::new();
        queue.close(|left| {
            reasons.extend(left.by_reason());
            assert!(queue.state.try_lock().is_err(), "nobody sees the end yet");
        });
        assert_eq!(
            reasons,
            [
                (DropReason::ShutdownTimeout, 2),
                (DropReason::Unconfirmed, 2)
            ]
        );
        queue.account(2, || panic!("a late answer must not count"));
        queue.settle(|_, _| panic!("nor give anything back"));
        assert!(!queue.put(batch(1)) && next(&queue).is_none());
    }

    #[test]
    fn waiting_ends_with_the_last_batch_or_with_the_time() {
        let queue = Queue::default();
        assert!(queue.wait(Instant::now()), "nothing to wait for");
        queue.put(batch(1));
        assert!(!queue.wait(Instant::now() + Duration::from_millis(10)));
        next(&queue).unwrap();
        assert!(!queue.is_hurried());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(Instant::now() + Duration::from_secs(30)));
            while !queue.is_hurried() {
                std::thread::yield_now();
            }
            queue.settle(|bytes, items| assert_eq!((bytes, items), (1, 1)));
            assert!(waiting.join().unwrap());
        });
    }
}
