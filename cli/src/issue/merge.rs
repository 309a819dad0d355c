//! When two occurrences are one failure, told by two.
//!
//! Sentry's event, the ERROR record and the failed span of one failure have the trace and the
//! span in common, and the exception's type or one of the messages. Who knows more is kept:
//! Sentry over the record, the record over the span.

use opentelemetry::{SpanId, TraceId};

use super::{Occurrence, Source};

/// What tells a failure from others; what the store keeps of an occurrence for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure<'a> {
    /// Who told what is kept.
    pub(crate) source: Source,
    /// All who told of it so far.
    pub(crate) sources: Sources,
    pub(crate) time: u64,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) event_id: Option<&'a str>,
    pub(crate) exception_type: Option<&'a str>,
    pub(crate) message: &'a str,
    pub(crate) log_message: Option<&'a str>,
}

/// A set of [`Source`]s, as the bits of a number for the store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sources(pub(crate) u8);

impl Sources {
    pub(crate) fn contains(self, source: Source) -> bool {
        self.0 & Self::from(source).0 != 0
    }

    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Source> for Sources {
    fn from(source: Source) -> Self {
        Self(match source {
            Source::Span => 1,
            Source::LogRecord => 2,
            Source::Sentry => 4,
        })
    }
}

/// What becomes of a new occurrence beside one that is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Merge {
    /// Another failure: both stay.
    Separate,
    /// The same: the one that is there stays, told by these.
    Keep(Sources),
    /// The same: the new one takes its place, and its issue, told by these.
    Replace(Sources),
}

impl Occurrence {
    pub(crate) fn failure(&self) -> Failure<'_> {
        Failure {
            source: self.source,
            sources: self.source.into(),
            time: self.time,
            trace_id: self.trace_id,
            span_id: self.span_id,
            event_id: self.event_id.as_deref(),
            exception_type: self.exception_type.as_deref(),
            message: &self.message,
            log_message: self.log_message.as_deref(),
        }
    }
}

/// Which of the failures that are there the new one is, by its place among them, and which of
/// the two stays; `None` is a failure of its own. It is enough to give those of the same trace
/// and those with the same event id.
pub(crate) fn closest(existing: &[Failure<'_>], new: &Failure<'_>) -> Option<(usize, Merge)> {
    let by_closeness = existing.iter().map(|one| one.closeness(new)).enumerate();
    let (place, _) = by_closeness.max_by_key(|(_, closeness)| *closeness)?;
    match merge(existing.get(place)?, new) {
        Merge::Separate => None,
        merged => Some((place, merged)),
    }
}

/// Tells whether `new` is the failure `existing`, and which of them stays.
pub(crate) fn merge(existing: &Failure<'_>, new: &Failure<'_>) -> Merge {
    if existing.closeness(new) == Closeness::None {
        return Merge::Separate;
    }
    let sources = existing.sources.union(new.sources);
    if new.source > existing.source {
        Merge::Replace(sources)
    } else {
        Merge::Keep(sources)
    }
}

/// How surely two are one failure. A request may fail twice with the same type, so one whose
/// message is the same is taken before one of the same type.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Closeness {
    None,
    SameType,
    SameMessage,
    /// It came twice: an exporter that heard no answer sends again.
    Resent,
}

impl Failure<'_> {
    fn closeness(&self, new: &Self) -> Closeness {
        if self.event_id.is_some() && self.event_id == new.event_id {
            return Closeness::Resent;
        }
        let same_type = self.exception_type.is_some() && self.exception_type == new.exception_type;
        let same_message = self.says_the_same(new);
        if self.sources.contains(new.source) {
            return self.closeness_of_equals(new, same_type, same_message);
        }
        if self.trace_id.is_none() || self.trace_id != new.trace_id {
            return Closeness::None;
        }
        if self.span_id != new.span_id {
            // The exception went on through the spans around, each of which tells of it.
            let passed = new.source == Source::Span || self.source == Source::Span;
            return match passed && same_type && same_message {
                true => Closeness::SameMessage,
                false => Closeness::None,
            };
        }
        match (same_message, same_type) {
            (true, _) => Closeness::SameMessage,
            (false, true) => Closeness::SameType,
            (false, false) => Closeness::None,
        }
    }

    /// Two records, or two events, are two failures; unless one came twice, or an exception
    /// passed through several spans.
    fn closeness_of_equals(&self, new: &Self, same_type: bool, same_message: bool) -> Closeness {
        let same = self.trace_id == new.trace_id && same_message;
        let both = same && self.exception_type == new.exception_type;
        match new.source {
            Source::Sentry => Closeness::None,
            _ if both && self.span_id == new.span_id && self.time == new.time => Closeness::Resent,
            Source::Span if same && same_type && self.trace_id.is_some() => Closeness::SameMessage,
            Source::Span | Source::LogRecord => Closeness::None,
        }
    }

    /// Of two exceptions their own messages count: a program says «payment failed» of each.
    fn says_the_same(&self, other: &Self) -> bool {
        if self.exception_type.is_some() && other.exception_type.is_some() {
            return !self.message.is_empty() && self.message.trim() == other.message.trim();
        }
        self.messages()
            .any(|one| other.messages().any(|another| one == another))
    }

    fn messages(&self) -> impl Iterator<Item = &str> {
        [Some(self.message), self.log_message]
            .into_iter()
            .flatten()
            .map(str::trim)
            .filter(|message| !message.is_empty())
    }
}
