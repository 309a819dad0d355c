//! The keys of callsites: the same few constants, asked about again with every event.
//!
//! A constant is known by its address, so the answer of the first time is kept by address,
//! in a table of the thread's own that needs no lock. A span's attributes do not tell whether
//! their keys are constants, so for those the key itself is kept.

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

/// Longer keys are rare, and are asked about each time.
const LONGEST: usize = 40;

#[derive(Clone, Copy)]
struct KeptKey {
    redactor: RedactorId,
    length: usize,
    bytes: [u8; LONGEST],
    secret: bool,
}

const NO_KEY: KeptKey = KeptKey {
    redactor: RedactorId(0),
    length: 0,
    bytes: [0; LONGEST],
    secret: false,
};

thread_local! {
    static KEYS: [Cell<KeptKey>; PLACES] = const { [const { Cell::new(NO_KEY) }; PLACES] };
}

impl Redactor {
    /// [`Redactor::key`] for the key of an attribute, which is most often one that the thread
    /// has asked about before.
    pub(super) fn attribute_key(&self, key: &str) -> bool {
        let length = key.len();
        if length > LONGEST {
            return self.key(key);
        }
        let mut bytes = [0; LONGEST];
        bytes[..length].copy_from_slice(key.as_bytes());
        let answer = KEYS.try_with(|keys| {
            let place = &keys[place(&bytes)];
            let kept = place.get();
            if (kept.redactor, kept.length) == (self.id, length) && kept.bytes == bytes {
                return kept.secret;
            }
            let secret = self.key(key);
            place.set(KeptKey {
                redactor: self.id,
                length,
                bytes,
                secret,
            });
            secret
        });
        // The thread is ending.
        answer.unwrap_or_else(|_| self.key(key))
    }
}

fn place(bytes: &[u8; LONGEST]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mixed = words.iter().fold(0u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (mixed >> 32) as usize % PLACES
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

    #[test]
    fn an_attribute_s_key_has_the_same_answer_each_time_whatever_was_asked_before() {
        let plain = Redaction::default().redactor().unwrap();
        let strict = Redaction::default().key("note").redactor().unwrap();
        let long = format!("{}.password", "a".repeat(60));
        for _ in 0..2 {
            for number in 0..1_000 {
                let key = format!("note.{number}");
                assert!(!plain.attribute_key(&key) && strict.attribute_key("note"));
                assert!(plain.attribute_key(&format!("{number}.password")));
            }
            assert!(plain.attribute_key(&long) && !plain.attribute_key(""));
        }
    }
}
