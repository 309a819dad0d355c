//! From a key to its handle: what every use of a macro looks up.
//!
//! The macros register at each use, so a hit must cost a hash that the key already has, one
//! comparison and one reference count, and allocate nothing.

use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;
use metrics::Key;

use super::series::Handle;

/// A power of two. A lock each, so that threads with different keys seldom meet.
const SHARDS: usize = 16;

/// A cache line each, so that readers of one shard do not slow those of its neighbour.
#[derive(Default)]
#[repr(align(64))]
struct Shard(RwLock<HashTable<(Key, Handle)>>);

#[derive(Default)]
pub(super) struct Table {
    shards: [Shard; SHARDS],
}

impl Table {
    pub(super) fn get(&self, key: &Key) -> Option<Handle> {
        let hash = spread(key);
        self.shard(hash)
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .find(hash, |(known, _)| known == key)
            .map(|(_, handle)| handle.clone())
    }

    /// The caller has made sure that the key is not there yet.
    pub(super) fn insert(&self, key: &Key, handle: Handle) {
        let hash = spread(key);
        self.shard(hash)
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert_unique(hash, (key.to_retained(), handle), |(key, _)| spread(key));
    }

    fn shard(&self, hash: u64) -> &Shard {
        // Bits that the table itself looks at neither for the slot nor for the tag.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

/// The key's own hash adds up its labels' without mixing them; the multiplication spreads
/// it over the bits that the table looks at.
fn spread(key: &Key) -> u64 {
    let product = u128::from(key.get_hash()) * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ ((product >> 64) as u64)
}
