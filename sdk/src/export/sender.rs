//! From the queue to the receiver, again and again until each item's fate is known.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::Answer;
use super::backoff::Backoff;
use super::destination::Destination;
use super::encode::halves;
use super::ending::NEVER_REACHED;
use super::inlet::Held;
use super::ledger::{DropReason, Ledger};
use super::packing::Packing;
use super::queue::{Batch, Queue};
use super::transport::Transport;

/// What the books need of a signal's way in.
pub(super) trait Books: Send + Sync + 'static {
    fn held(&self) -> &Held;
    fn ledger(&self) -> &Ledger;
}

pub(super) struct Sender {
    pub(super) queue: Arc<Queue>,
    pub(super) books: Arc<dyn Books>,
    pub(super) transport: Transport,
    pub(super) destination: Arc<Destination>,
    /// Whether the receiver has ever answered.
    pub(super) reached: AtomicBool,
}

/// Why a batch is given up.
enum Ended {
    Closed,
    Unreachable,
}

impl Sender {
    /// Runs until the queue is closed. What panics is counted, and the next batch is tried.
    pub(super) async fn supervise(self) {
        let sender = Arc::new(self);
        loop {
            let running = Arc::clone(&sender);
            match tokio::spawn(async move { running.run().await }).await {
                Err(error) if error.is_panic() => {
                    sender.settle(DropReason::Panicked);
                    sender
                        .destination
                        .broken("sending panicked; its batch is lost, and sending goes on");
                }
                // At the end, or with the runtime that is being torn down.
                _ => return,
            }
        }
    }

    async fn run(&self) {
        while let Some(batch) = self.queue.next().await {
            let lost = match self.deliver(batch).await {
                Ok(()) => DropReason::Rejected,
                Err(Ended::Closed) => return,
                // A try that nobody answered in time may have arrived all the same.
                Err(Ended::Unreachable) if self.queue.is_sent() => DropReason::Unconfirmed,
                Err(Ended::Unreachable) => DropReason::ExportFailed,
            };
            self.settle(lost);
        }
    }

    /// Ends the batch in hand; items without a fate are lost for this reason.
    fn settle(&self, lost: DropReason) {
        let books = &self.books;
        // Counted before the queue tells those who wait that it is over.
        let left = self.queue.unaccounted();
        self.queue
            .account(left, || books.ledger().dropped(lost, left as u64));
        self.queue
            .settle(|bytes, items| books.held().give_back(bytes, items));
    }

    /// Sends a batch, in ever smaller parts where the receiver refuses the whole.
    async fn deliver(&self, batch: Batch) -> Result<(), Ended> {
        // With one bad item each halving is refused once; after about twice as many
        // refusals in a row nothing of it is wanted, and 512 single requests would not help.
        let patience = 2 * (batch.items.max(1).ilog2() + 2);
        let mut refused_in_a_row = 0;
        let mut parts = VecDeque::from([batch]);
        while let Some(part) = parts.pop_front() {
            match self.attempt(&part).await? {
                Verdict::Done => refused_in_a_row = 0,
                Verdict::Lost(why) => self.lose(part.items, &why),
                Verdict::Split(why) => {
                    refused_in_a_row += 1;
                    let halves = (refused_in_a_row <= patience)
                        .then(|| part.halves())
                        .flatten();
                    match halves {
                        Some([first, second]) => {
                            parts.push_front(second);
                            parts.push_front(first);
                        }
                        None => self.lose(part.items, &why),
                    }
                }
            }
            if refused_in_a_row > patience {
                let rest = parts.iter().map(|part| part.items).sum();
                self.lose(rest, "everything in the batch was refused");
                return Ok(());
            }
        }
        Ok(())
    }

    fn lose(&self, items: usize, why: &str) {
        if items == 0 {
            return;
        }
        self.destination.rejected(items, why);
        self.queue.account(items, || {
            self.books
                .ledger()
                .dropped(DropReason::Rejected, items as u64);
        });
    }

    /// One part, tried until the receiver has answered it.
    async fn attempt(&self, part: &Batch) -> Result<Verdict, Ended> {
        let mut backoff = Backoff::default();
        let mut before = false;
        // A try that nobody answered may have arrived, whatever becomes of the next ones.
        let mut unanswered = false;
        loop {
            let (body, packing) = if part.packing == self.transport.packing() {
                (part.body.clone(), part.packing)
            } else {
                match part.packing.unpack(&part.body) {
                    Ok(plain) => (plain, Packing::Plain),
                    Err(error) => return Ok(Verdict::Lost(error.to_string())),
                }
            };
            self.queue.sent(true);
            let answer = self.transport.send(body, packing).await;
            if self.queue.is_closed() {
                return Err(Ended::Closed);
            }
            let (after, why) = match answer {
                Ok(answer) => {
                    self.queue.sent(unanswered);
                    self.reached.store(true, Ordering::Relaxed);
                    match answer {
                        Answer::Accepted { rejected, why } => {
                            self.accepted(part.items, rejected, &why);
                            return Ok(Verdict::Done);
                        }
                        Answer::Split { why } => return Ok(Verdict::Split(why)),
                        Answer::RetryOnce { why } if before => return Ok(Verdict::Split(why)),
                        Answer::Refused { why } => return Ok(Verdict::Lost(why)),
                        Answer::RetryOnce { why } => {
                            before = true;
                            (None, why)
                        }
                        Answer::Retry { after, why } => (after, why),
                    }
                }
                Err(failure) => {
                    unanswered |= failure.sent;
                    self.queue.sent(unanswered);
                    (None, failure.why)
                }
            };
            self.destination.failed(&why);
            self.pause(after, &mut backoff).await?;
        }
    }

    fn accepted(&self, items: usize, rejected: u64, why: &str) {
        let rejected = rejected.min(items as u64);
        self.destination.reached();
        if rejected > 0 {
            self.destination.rejected(rejected as usize, why);
        } else if !why.is_empty() {
            self.destination.warned(why);
        }
        self.queue.account(items, || {
            let ledger = self.books.ledger();
            ledger.delivered(items as u64 - rejected);
            ledger.dropped(DropReason::Rejected, rejected);
        });
    }

    /// Waits for the next try. A flush or the shutdown makes it come sooner, unless the
    /// receiver itself said when.
    async fn pause(&self, after: Option<Duration>, backoff: &mut Backoff) -> Result<(), Ended> {
        let started = Instant::now();
        let mut hurried = self.queue.is_hurried();
        let mut wait = backoff.pause(after, hurried);
        loop {
            if self.queue.is_closed() {
                return Err(Ended::Closed);
            }
            let ending = self.queue.ending_since();
            if ending.is_some_and(|since| since.elapsed() >= NEVER_REACHED)
                && !self.reached.load(Ordering::Relaxed)
            {
                return Err(Ended::Unreachable);
            }
            if !hurried && after.is_none() && self.queue.is_hurried() {
                hurried = true;
                backoff.reset();
                wait = Duration::ZERO;
            }
            let Some(left) = wait
                .checked_sub(started.elapsed())
                .filter(|it| !it.is_zero())
            else {
                return Ok(());
            };
            // Either is a reason to look again.
            let _ = tokio::time::timeout(left, self.queue.changed()).await;
        }
    }
}

enum Verdict {
    Done,
    Split(String),
    Lost(String),
}

impl Batch {
    fn halves(&self) -> Option<[Self; 2]> {
        let plain = self.packing.unpack(&self.body).ok()?;
        let halves = halves(&plain, self.items)?;
        Some(halves.map(|(body, items)| Self {
            body: Bytes::from(body),
            packing: Packing::Plain,
            items,
        }))
    }
}
