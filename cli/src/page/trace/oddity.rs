//! What cannot be, of a span, and still came: said where it is shown.

use crate::page::format::duration;

/// What is odd about a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// It names a parent that is not there, by this id.
    MissingParent(String),
    /// It is its own ancestor; here the circle was cut.
    Cycle,
    /// Another span has the same id.
    DuplicateId,
    /// It ends before it starts.
    Backwards,
    /// It has no start.
    NoTime,
    /// It is of another service than its parent and starts so many nanoseconds before it, which
    /// only a clock can do.
    ClockSkew(u64),
}

impl Oddity {
    /// What is odd, in a word and in a sentence.
    pub(super) fn explain(&self) -> (&'static str, String) {
        match self {
            Self::MissingParent(id) => (
                "no parent",
                format!("its parent {id} is not here: not sent yet, not sampled, or lost"),
            ),
            Self::Cycle => (
                "circle",
                "it is its own ancestor, so it is shown without a parent".to_owned(),
            ),
            Self::DuplicateId => (
                "same id",
                "another span of this trace has the same id".to_owned(),
            ),
            Self::Backwards => ("ends early", "it ends before it starts".to_owned()),
            Self::NoTime => (
                "no time",
                "it has no start; it stands where its parent starts".to_owned(),
            ),
            Self::ClockSkew(by) => (
                "clock",
                format!(
                    "it starts {} before the span that called it, so the clocks of the two differ",
                    duration(*by)
                ),
            ),
        }
    }
}
