//! Where a thread leaves a span or a record: encoded at once, in a buffer that the thread
//! uses again, and put into the inlet.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::encode::Items;
use super::inlet::Inlet;
use super::ledger::DropReason;
use super::pipeline::Pipeline;

/// What a thread keeps of its buffer; a larger item's memory is given back.
const KEEP: usize = 64 << 10;

/// An item's place in the index, in bytes.
const PLACE: usize = 8;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The way into a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    inlet: Arc<Inlet<Items>>,
}

impl Stage {
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        Self {
            inlet: Arc::clone(pipeline.inlet()),
        }
    }

    /// Leaves what `encode` makes of the item where `put` wants it. A panic of `encode` is
    /// the item's loss, counted, and nobody else's.
    pub(crate) fn leave<T>(
        &self,
        mut item: T,
        encode: impl FnOnce(&mut T, &mut Vec<u8>),
        put: impl FnOnce(&T, &mut Items, &[u8]),
    ) {
        // Gone from there until it is kept, so that what ends while this thread is here has
        // one of its own; as has a thread at its end.
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        let encoded = catch_unwind(AssertUnwindSafe(|| encode(&mut item, &mut buffer)));
        match encoded {
            Ok(()) => self
                .inlet
                .push(buffer.len() + PLACE, |items| put(&item, items, &buffer)),
            Err(_) => self.inlet.refuse(DropReason::Panicked),
        }
        buffer.clear();
        buffer.shrink_to(KEEP);
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
}
