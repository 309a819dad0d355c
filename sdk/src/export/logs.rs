//! Log records, encoded where they are made, to their pipeline.

use std::sync::Arc;

use super::encode::Items;
use super::inlet::Inlet;
use super::pipeline::{Encode, Pipeline};

pub(crate) type LogPipeline = Pipeline<Encoded>;

/// Items that come encoded, and are only put together.
pub(crate) struct Encoded;

impl Encode for Encoded {
    type Staged = Items;

    fn encode(&mut self, staged: &mut Items, items: &mut Items) {
        std::mem::swap(staged, items);
    }
}

/// The way in for encoded records.
#[derive(Clone, Debug)]
pub(crate) struct LogStage {
    inlet: Arc<Inlet<Items>>,
}

impl LogStage {
    pub(crate) fn new(pipeline: &LogPipeline) -> Self {
        Self {
            inlet: Arc::clone(pipeline.inlet()),
        }
    }

    /// A record of the scope with this name.
    pub(crate) fn push(&self, scope: &str, record: &[u8]) {
        // With its place in the index.
        let weight = record.len() + 8;
        self.inlet.push(weight, |staged| staged.add(scope, record));
    }
}
