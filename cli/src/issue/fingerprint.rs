//! What makes two failures the same issue, much as Sentry decides it:
//! <https://docs.sentry.io/concepts/data-management/event-grouping/>.
//!
//! First what the program says itself. Then the exceptions' types with the functions of the
//! service that were at work, without line numbers, which every change of the file moves.
//! Without a stack the type and the message, without what is another each time.
//!
//! Sentry groups within a project, which is mostly one service. All services come to one
//! place here, so the service is part of what is worked out, and not of what was said.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::frames;
use super::normalize::normalize;
use crate::sentry::{Exception, Frame};

/// Names an issue, in addresses as 16 hexadecimal digits. It stays the same over versions of
/// the program, whose store outlives them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Fingerprint(pub(crate) u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// The functions that count, the innermost: how the service got there may differ.
const FRAMES: usize = 5;

/// Of what is worked out where the program does not say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    pub(super) service: &'a str,
    /// The root cause first.
    pub(super) exceptions: &'a [Exception],
    /// The stack of a message.
    pub(super) stack: &'a [Frame],
    pub(super) message: &'a str,
}

/// By the program's own words, of which `{{ default }}` stands for the rest.
pub(super) fn explicit(parts: &[String], failed: Failed<'_>) -> Fingerprint {
    let mut hash = Hash::new();
    if let [only] = parts
        && is_default(only)
    {
        return worked_out(failed);
    }
    hash.part("explicit", "");
    for part in parts {
        if is_default(part) {
            failed.hash(&mut hash);
        } else {
            hash.part("said", part);
        }
    }
    hash.end()
}

pub(super) fn worked_out(failed: Failed<'_>) -> Fingerprint {
    let mut hash = Hash::new();
    failed.hash(&mut hash);
    hash.end()
}

fn is_default(part: &str) -> bool {
    let inner = part.trim().strip_prefix("{{");
    inner
        .and_then(|inner| inner.strip_suffix("}}"))
        .is_some_and(|inner| inner.trim() == "default")
}

impl Failed<'_> {
    fn hash(self, hash: &mut Hash) {
        hash.part("service", self.service);
        for exception in self.exceptions {
            let synthetic = exception
                .mechanism
                .as_ref()
                .is_some_and(|how| how.synthetic);
            if let Some(kind) = exception.kind.as_deref().filter(|_| !synthetic) {
                hash.part("type", kind);
            }
        }
        let stacks = self
            .exceptions
            .iter()
            .map(|exception| &exception.frames[..]);
        let mut located = false;
        for stack in stacks.chain([self.stack]) {
            for frame in frames::of_the_service(stack).rev().take(FRAMES) {
                if let Some(place) = frames::place(frame) {
                    located = true;
                    hash.part("frame", &place);
                }
            }
        }
        if located {
            return;
        }
        let values = self
            .exceptions
            .iter()
            .filter_map(|one| one.value.as_deref());
        let mut said = false;
        for value in values {
            said = true;
            hash.part("message", &normalize(value));
        }
        if !said {
            hash.part("message", &normalize(self.message));
        }
    }
}

/// SHA-256, of which 64 bits are enough to tell issues apart.
struct Hash(Sha256);

impl Hash {
    fn new() -> Self {
        Self(Sha256::new())
    }

    /// With its length, so that two parts are never taken for one.
    fn part(&mut self, name: &str, text: &str) {
        for text in [name, text] {
            self.0.update((text.len() as u64).to_be_bytes());
            self.0.update(text);
        }
    }

    fn end(self) -> Fingerprint {
        let digest = self.0.finalize();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Fingerprint(u64::from_be_bytes(first))
    }
}
