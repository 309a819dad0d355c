//! One signal's way out: items come in from the service's threads, are encoded and sealed
//! on the export runtime, and wait in memory until the receiver has them.
//!
//! The stock batch processors count items but not bytes, lose what a receiver does not take
//! within seconds, and cannot say what became of it; wrapped around, neither the bound nor
//! the books could be made exact.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::destination::Destination;
use super::encode::{Envelope, Items};
use super::inlet::{Capacity, Held, Inlet, Staged};
use super::ledger::{DropReason, Ledger};
use super::packing::Packing;
use super::queue::{Batch, Queue};
use super::sender::{Books, Sender};
use super::transport::Transport;
use crate::fork;
use crate::settings::BatchSettings;
use crate::shutdown::deadline;

/// The most that one request is to hold before compression, so that it passes receivers'
/// usual limit of 4 MiB. A single item may be larger.
const MAX_REQUEST: usize = 2 << 20;

/// How often is looked where each item gives notice of itself.
const UNHURRIED: Duration = Duration::from_secs(1);

pub(crate) struct Pipeline {
    inlet: Arc<Inlet<Items>>,
    queue: Arc<Queue>,
    sealer: Mutex<Sealer>,
    destination: Arc<Destination>,
    sender: Mutex<Option<AbortHandle>>,
    /// What the operator has been told of so far.
    told: AtomicU64,
    ended: AtomicBool,
}

struct Sealer {
    staged: Staged<Items>,
    envelope: Envelope,
    batch: usize,
    packing: Packing,
}

impl<T: fmt::Debug + Send + 'static> Books for Inlet<T> {
    fn held(&self) -> &Held {
        &self.held
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Pipeline {
    pub(super) fn start(
        envelope: Envelope,
        settings: &BatchSettings,
        transport: Transport,
        destination: Arc<Destination>,
        ledger: Arc<Ledger>,
        runtime: &Handle,
    ) -> Arc<Self> {
        let capacity = Capacity {
            bytes: settings.bytes,
            items: settings.queue,
        };
        // Without a delay each item is to be sent when it comes; a timer that is always over
        // would keep the thread busy with looking for one.
        let (delay, batch) = if settings.delay.is_zero() {
            (UNHURRIED, 1)
        } else {
            (settings.delay, settings.batch)
        };
        let inlet = Arc::new(Inlet::new(capacity, batch, ledger));
        let queue = Arc::new(Queue::default());
        let sealer = Sealer {
            staged: Staged::default(),
            envelope,
            batch: settings.batch,
            packing: transport.packing(),
        };
        let sender = Sender {
            queue: Arc::clone(&queue),
            books: Arc::clone(&inlet) as Arc<dyn Books>,
            transport,
            destination: Arc::clone(&destination),
            reached: AtomicBool::new(false),
        };
        let sender = runtime.spawn(sender.supervise()).abort_handle();
        let pipeline = Arc::new(Self {
            inlet,
            queue,
            sealer: Mutex::new(sealer),
            destination,
            sender: Mutex::new(Some(sender)),
            told: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        runtime.spawn(keep_sealing(Arc::downgrade(&pipeline), delay));
        pipeline
    }

    pub(super) fn inlet(&self) -> &Arc<Inlet<Items>> {
        &self.inlet
    }

    /// Bytes in memory for this signal.
    pub(crate) fn held_bytes(&self) -> usize {
        self.inlet.held.bytes()
    }

    /// The most that may be in memory for this signal.
    #[cfg(feature = "health")]
    pub(crate) fn most_bytes(&self) -> usize {
        self.inlet.held.most_bytes()
    }

    /// Who receives.
    #[cfg(feature = "health")]
    pub(crate) fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Makes requests of what has been staged so far and puts them into the queue.
    fn seal(&self) {
        let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
        let Sealer {
            staged,
            envelope,
            batch,
            packing,
        } = &mut *sealer;
        self.inlet.swap(staged);
        if staged.count == 0 {
            return;
        }
        let mut sealed = 0;
        staged
            .items
            .requests(envelope, *batch, MAX_REQUEST, |plain, count| {
                let packing = match *packing {
                    Packing::Plain if self.queue.is_backed_up() => Packing::SHELF,
                    packing => packing,
                };
                let (body, packing) = match packing.pack(plain) {
                    Ok(body) => (body, packing),
                    // A compressor that fails at writing to memory has none.
                    Err(_) => return,
                };
                let bytes = body.len();
                // Before it can be sent and given back.
                self.inlet.held.resize(0, bytes);
                sealed += count;
                let batch = Batch {
                    body,
                    packing,
                    items: count,
                };
                if !self.queue.put(batch) {
                    self.inlet.held.give_back(bytes, count);
                    self.inlet
                        .ledger
                        .dropped(DropReason::ShutdownTimeout, count as u64);
                }
            });
        staged.items.clear();
        let lost = staged.count - sealed;
        self.inlet.held.give_back(staged.bytes, lost);
        (staged.bytes, staged.count) = (0, 0);
        if lost > 0 {
            self.inlet.ledger.dropped(DropReason::Panicked, lost as u64);
            self.destination.broken(&format!(
                "{lost} items could not be compressed, and are lost"
            ));
        }
    }

    /// Tells the operator of what found no room.
    fn tell_of_overflow(&self) {
        let dropped = self.inlet.ledger.count(DropReason::QueueFull);
        let told = self.told.swap(dropped, Ordering::Relaxed);
        if dropped > told {
            self.destination.overflowing(dropped - told);
        }
    }

    /// Sends all that came so far. False where time ran out.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        if fork::in_child() {
            return true;
        }
        let deadline = deadline(timeout);
        {
            let _quiet = Context::enter_telemetry_suppressed_scope();
            self.seal();
        }
        self.queue.wait(deadline)
    }

    /// Sends what it can until the deadline; what is left then is counted. False where
    /// something was left.
    pub(crate) fn shutdown(&self, timeout: Duration) -> bool {
        if fork::in_child() {
            return true;
        }
        if self.ended.swap(true, Ordering::SeqCst) {
            // Another thread is at it.
            return self.queue.wait(deadline(timeout));
        }
        self.inlet.close();
        self.queue.end();
        let in_time = self.flush(timeout);
        self.queue.close(|left| {
            for (reason, items) in left.by_reason() {
                self.inlet.ledger.dropped(reason, items as u64);
            }
        });
        let sender = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            sender.abort();
        }
        in_time
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("held_bytes", &self.held_bytes())
            .field("held_items", &self.inlet.held.items())
            .finish_non_exhaustive()
    }
}

/// Seals when a batch is full, and at the latest after the delay.
async fn keep_sealing(pipeline: std::sync::Weak<Pipeline>, delay: Duration) {
    let Some(inlet) = pipeline.upgrade().map(|it| Arc::clone(&it.inlet)) else {
        return;
    };
    loop {
        // Either is a reason to look.
        let _ = tokio::time::timeout(delay, inlet.full.notified()).await;
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        if pipeline.ended.load(Ordering::Relaxed) {
            return;
        }
        pipeline.seal();
        pipeline.tell_of_overflow();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::answer::Answer;
    use crate::export::runtime::ExportRuntime;
    use crate::export::stage::Stage;
    use opentelemetry_sdk::Resource;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    /// A byte that nobody can encode.
    const BROKEN: u8 = 0;

    fn pipeline(runtime: &ExportRuntime, transport: Transport) -> Arc<Pipeline> {
        sealing_after(Duration::from_secs(3600), runtime, transport)
    }

    fn sealing_after(
        delay: Duration,
        runtime: &ExportRuntime,
        transport: Transport,
    ) -> Arc<Pipeline> {
        let settings = BatchSettings {
            delay,
            export_timeout: Duration::from_secs(1),
            queue: 100,
            batch: 100,
            bytes: 1000,
        };
        let destination = Arc::new(Destination::collector("http://test".to_owned()));
        let envelope = Envelope::new(&Resource::builder_empty().build());
        let ledger = Arc::new(Ledger::default());
        let handle = runtime.handle();
        Pipeline::start(envelope, &settings, transport, destination, ledger, handle)
    }

    fn push(pipeline: &Pipeline, bytes: &[u8]) {
        let stage = Stage::new(pipeline);
        for byte in bytes {
            stage.leave(
                *byte,
                |byte, buffer| {
                    assert_ne!(*byte, BROKEN, "as the test wants it");
                    buffer.push(*byte);
                },
                |_, items, encoded| items.add("test", encoded),
            );
        }
    }

    fn accepted() -> Answer {
        Answer::Accepted {
            rejected: 0,
            why: String::new(),
        }
    }

    #[test]
    fn what_panics_when_it_is_encoded_is_counted_and_the_others_arrive() {
        let runtime = ExportRuntime::start().unwrap();
        let pipeline = pipeline(&runtime, Transport::scripted(|| Ok(accepted())));
        push(&pipeline, &[1, BROKEN, 2]);
        assert!(pipeline.flush(Duration::from_secs(10)));
        push(&pipeline, &[3, 4]);
        assert!(pipeline.shutdown(Duration::from_secs(10)));
        let books = pipeline.inlet().ledger.read();
        assert_eq!((books.emitted, books.delivered), (5, 4));
        assert_eq!(books.dropped, [(DropReason::Panicked, 1)].into());
        assert_eq!(pipeline.held_bytes(), 0);
    }

    #[test]
    fn a_receiver_that_wants_it_again_at_once_is_not_flooded() {
        let runtime = ExportRuntime::start().unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let transport = Transport::scripted(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Answer::Retry {
                after: Some(Duration::ZERO),
                why: "now".to_owned(),
            })
        });
        let pipeline = pipeline(&runtime, transport);
        push(&pipeline, &[1]);
        assert!(!pipeline.shutdown(Duration::from_millis(500)));
        let tries = tries.load(Ordering::SeqCst);
        assert!((2..10).contains(&tries), "{tries}");
    }

    #[test]
    fn without_a_delay_each_item_is_sent_when_it_comes() {
        let runtime = ExportRuntime::start().unwrap();
        let pipeline = sealing_after(
            Duration::ZERO,
            &runtime,
            Transport::scripted(|| Ok(accepted())),
        );
        let start = Instant::now();
        for item in 1..=3 {
            push(&pipeline, &[item]);
            while pipeline.inlet().ledger.read().delivered < item.into() {
                assert!(start.elapsed() < UNHURRIED / 2, "it waits for the timer");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn an_exporter_that_panics_loses_its_batch_and_goes_on() {
        let runtime = ExportRuntime::start().unwrap();
        let tries = AtomicUsize::new(0);
        let transport = Transport::scripted(move || {
            assert_ne!(
                tries.fetch_add(1, Ordering::SeqCst),
                0,
                "as the test wants it"
            );
            Ok(accepted())
        });
        let pipeline = pipeline(&runtime, transport);
        push(&pipeline, &[1, 2]);
        assert!(pipeline.flush(Duration::from_secs(10)));
        push(&pipeline, &[3]);
        assert!(pipeline.flush(Duration::from_secs(10)));
        let books = pipeline.inlet().ledger.read();
        assert_eq!((books.emitted, books.delivered), (3, 1));
        assert_eq!(books.dropped, [(DropReason::Panicked, 2)].into());
        assert_eq!(
            (pipeline.held_bytes(), pipeline.inlet().held.items()),
            (0, 0)
        );
    }
}
