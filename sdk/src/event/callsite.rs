//! What is the same in every record of a callsite, written once: where it stands, and the
//! names of its fields.
//!
//! Escaped and encoded again with each record, that was a fifth of what an event cost.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use tracing::Metadata;

use super::console::json;
use super::otlp;

/// It is known by its metadata's address, and stays as long as that: for ever.
#[derive(Debug)]
pub(crate) struct Callsite {
    /// `,"logger":"…","module":"…","file":"…","line":42`
    pub(super) json: Vec<u8>,
    /// The fields' names, in the order in which they are visited, each with its
    /// `,"name":` in the JSON line.
    pub(super) names: Vec<(&'static str, Vec<u8>)>,
    /// The attributes that say where it stands, in OTLP.
    pub(super) otlp: Vec<u8>,
    /// How many attributes these are.
    pub(super) attributes: usize,
}

/// 2 KiB a thread; a place that two callsites share is only slower.
const PLACES: usize = 128;

thread_local! {
    static NEAR: [Cell<Option<(usize, &'static Callsite)>>; PLACES] =
        const { [const { Cell::new(None) }; PLACES] };
}

static ALL: LazyLock<RwLock<HashMap<usize, &'static Callsite>>> = LazyLock::new(RwLock::default);

/// What is kept of this callsite. A thread at its end has none.
pub(super) fn of(metadata: &'static Metadata<'static>) -> Option<&'static Callsite> {
    let address = std::ptr::from_ref(metadata) as usize;
    // They lie side by side, so the low bits tell most of them apart.
    let place = (address >> 4) ^ (address >> 11);
    let look = |near: &[Cell<Option<(usize, &'static Callsite)>>; PLACES]| {
        let near = &near[place % PLACES];
        if let Some((known, callsite)) = near.get()
            && known == address
        {
            return callsite;
        }
        let callsite = anywhere(address, metadata);
        near.set(Some((address, callsite)));
        callsite
    };
    NEAR.try_with(look).ok()
}

#[cold]
fn anywhere(address: usize, metadata: &'static Metadata<'static>) -> &'static Callsite {
    let known = ALL.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(callsite) = known.get(&address) {
        return callsite;
    }
    drop(known);
    let made = Callsite::new(metadata);
    let mut all = ALL.write().unwrap_or_else(PoisonError::into_inner);
    // A program has so many callsites as it has, and they live as long as it does.
    all.entry(address)
        .or_insert_with(|| Box::leak(Box::new(made)))
}

impl Callsite {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        let (module, file, line) = (metadata.module_path(), metadata.file(), metadata.line());
        let mut place = Vec::new();
        json::place(&mut place, metadata.target(), module, file, line);
        let names = metadata.fields().iter().map(|field| {
            let mut prefix = Vec::new();
            json::name(&mut prefix, field.name());
            (field.name(), prefix)
        });
        let mut encoded = Vec::new();
        let attributes = otlp::place(&mut encoded, file, line);
        Self {
            json: place,
            names: names.collect(),
            otlp: encoded,
            attributes,
        }
    }

    /// The `,"name":` of a field. `from` is where the last one was found, as they come in
    /// their order.
    pub(super) fn name(&self, from: &mut usize, name: &'static str) -> Option<&[u8]> {
        let rest = self.names.get(*from..)?;
        let found = rest
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, name))?;
        let (_, prefix) = &rest[found];
        *from += found + 1;
        Some(prefix)
    }
}
