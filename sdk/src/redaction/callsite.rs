//! The keys of callsites: the same few constants, asked about again with every event.
//!
//! A constant is known by its address, so the answer of the first time is kept by address,
//! in a table of the thread's own that needs no lock.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Redactor;

/// Tells apart the redactors of a process, since their answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RedactorId(u64);

impl RedactorId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// 4 KiB a thread; a place that two keys share is only slower.
const PLACES: usize = 128;

#[derive(Clone, Copy)]
struct Answer {
    redactor: RedactorId,
    address: usize,
    length: usize,
    secret: bool,
}

const NONE: Answer = Answer {
    redactor: RedactorId(0),
    address: 0,
    length: 0,
    secret: false,
};

thread_local! {
    static ANSWERS: [Cell<Answer>; PLACES] = const { [const { Cell::new(NONE) }; PLACES] };
}

impl Redactor {
    /// [`Redactor::key`] for a constant of the program.
    pub(crate) fn callsite_key(&self, key: &'static str) -> bool {
        let (address, length) = (key.as_ptr() as usize, key.len());
        // Constants lie side by side, so the low bits tell most of them apart.
        let place = (address ^ (address >> 7)) % PLACES;
        ANSWERS.with(|answers| {
            let kept = answers[place].get();
            if (kept.redactor, kept.address, kept.length) == (self.id, address, length) {
                return kept.secret;
            }
            let secret = self.key(key);
            answers[place].set(Answer {
                redactor: self.id,
                address,
                length,
                secret,
            });
            secret
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Redaction;

    #[test]
    fn an_answer_belongs_to_one_redactor_and_to_the_whole_key() {
        let plain = Redaction::default().redactor().unwrap();
        let strict = Redaction::default().key("note").redactor().unwrap();
        let key: &'static str = "note.token_count";
        for _ in 0..2 {
            assert!(!plain.callsite_key(key));
            assert!(strict.callsite_key(&key[..4]) && !plain.callsite_key(&key[..4]));
            assert!(
                plain.callsite_key(&key[..10]),
                "the same address, another key"
            );
        }
    }
}
