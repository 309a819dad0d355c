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
            .find(hash, |(known, _)| same(known, key))
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

/// The key's own comparison sorts the labels of both sides, since their order does not
/// matter. A callsite gives them in one order, and literal ones from one place, so those are
/// looked at first.
fn same(known: &Key, key: &Key) -> bool {
    if known.get_hash() != key.get_hash() {
        return false;
    }
    let (ours, theirs) = (known.labels().as_slice(), key.labels().as_slice());
    let in_order = std::ptr::eq(ours, theirs) || ours == theirs;
    (in_order && known.name() == key.name()) || known == key
}

/// The key's own hash adds up its labels' without mixing them; the multiplication spreads
/// it over the bits that the table looks at.
fn spread(key: &Key) -> u64 {
    let product = u128::from(key.get_hash()) * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metrics::Label;

    use super::*;

    fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(key, value)| Label::new(*key, *value))
            .collect();
        Key::from_parts(name, labels)
    }

    #[test]
    fn labels_are_one_series_in_whatever_order() {
        let table = Table::default();
        let kept = key("jobs", &[("a", "1"), ("b", "2"), ("c", "3")]);
        table.insert(&kept, Handle::Counter(Arc::default()));
        assert!(table.get(&kept).is_some());
        let turned = key("jobs", &[("c", "3"), ("a", "1"), ("b", "2")]);
        assert!(table.get(&turned).is_some());
        for other in [
            key("job", &[("a", "1"), ("b", "2"), ("c", "3")]),
            key("jobs", &[("a", "1"), ("b", "2")]),
            key("jobs", &[("a", "1"), ("b", "2"), ("c", "4")]),
            key("jobs", &[("a", "2"), ("b", "1"), ("c", "3")]),
        ] {
            assert!(table.get(&other).is_none(), "{other}");
        }
    }
}
