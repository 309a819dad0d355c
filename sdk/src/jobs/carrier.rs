//! What goes into a message so that its worker knows who asked.
//!
//! The trace goes by W3C's `traceparent` whatever `OTEL_PROPAGATORS` says: both ends are this
//! crate, often the same service, and a message is read long after a variable was changed.
//! What comes back is taken for what a stranger may have written: names that are not ours are
//! not looked at, and no value is trusted for its length.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use serde::{Deserialize, Serialize};

use crate::correlation::{Correlation, PROMOTED};
use crate::propagation::TraceContext;
use crate::redaction;

/// The keys of the trace.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// In bytes, of a value. W3C asks for 512 of a `tracestate`.
const LONGEST: usize = 512;

/// The trace, user, session and request that a job was asked for in, as texts by name:
/// `traceparent`, `tracestate`, `user.id`, `session.id`, `request.id`, each where it is known.
///
/// It is one flat object in JSON and the like; for a broker whose messages have headers,
/// [`iter`](Self::iter) and `collect` give and take pairs.
///
/// ```
/// use throughline::jobs::Carrier;
///
/// let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
/// let carrier: Carrier = headers.into_iter().collect();
/// assert_eq!(carrier.iter().count(), 1);
/// assert_eq!(serde_json::to_value(&carrier).unwrap()["traceparent"], headers[0].1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carrier(BTreeMap<String, String>);

impl Carrier {
    /// Of the request at hand; [`context`](super::context) is the same.
    pub fn current() -> Self {
        let mut pairs = HashMap::new();
        let known = Context::map_current(|context| {
            TraceContext::default().inject_context(context, &mut pairs);
            context.get::<Correlation>().map(Correlation::values)
        });
        let mut carrier: Self = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        for (name, value) in PROMOTED.into_iter().zip(known.unwrap_or_default()) {
            if let Some(value) = value.filter(|value| is_usable(value)) {
                carrier.0.insert(name.to_owned(), value.to_string());
            }
        }
        carrier
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The span that it was asked for in; `None` where it says none.
    pub(super) fn origin(&self) -> Option<SpanContext> {
        let pairs: HashMap<String, String> = TRACE
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.get(name)?.to_owned())))
            .collect();
        let context = TraceContext::default().extract_with_context(&Context::new(), &pairs);
        let origin = context.span().span_context().clone();
        origin.is_valid().then_some(origin)
    }

    /// What it knows of the request, by its place in [`PROMOTED`], without secrets.
    pub(super) fn known(&self) -> impl Iterator<Item = (usize, Arc<str>)> {
        let names = PROMOTED.into_iter().enumerate();
        names.filter_map(|(index, name)| {
            Some((index, redaction::known_value(name, self.get(name)?)))
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        is_usable(value).then_some(value)
    }
}

/// A message as JSON, or as names and values with NULs between; see [`crate::fuzzing`].
#[cfg(fuzzing)]
pub(crate) fn fuzz_messages(data: &[u8]) {
    let carrier = serde_json::from_slice::<Carrier>(data).unwrap_or_else(|_| {
        let texts: Vec<_> = data.split(|byte| *byte == 0).collect();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        texts
            .chunks_exact(2)
            .map(|pair| (text(pair[0]), text(pair[1])))
            .collect()
    });
    for (index, value) in carrier.known() {
        assert!(is_usable(carrier.get(PROMOTED[index]).unwrap_or_default()));
        assert!(!value.chars().any(char::is_control), "{value:?}");
        assert_eq!(redaction::known_value(PROMOTED[index], &value), value);
    }
    if let Some(origin) = carrier.origin() {
        assert!(origin.is_valid() && origin.is_remote());
        let said = carrier.get("traceparent").unwrap_or_default();
        assert!(said.contains(&origin.trace_id().to_string()), "{said:?}");
    }
    let text = serde_json::to_string(&carrier).expect("JSON");
    assert_eq!(serde_json::from_str::<Carrier>(&text).ok(), Some(carrier));
}

fn is_usable(value: &str) -> bool {
    !value.is_empty() && value.len() <= LONGEST && !value.chars().any(char::is_control)
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Carrier {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        // The headers of HTTP and of some brokers come in any case.
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.into().to_ascii_lowercase(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn carrier(pairs: &[(&str, &str)]) -> Carrier {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_was_put_in_is_found() {
        let carrier = carrier(&[
            ("TraceParent", TRACEPARENT),
            ("user.id", "ada"),
            ("other", "x"),
        ]);
        let origin = carrier.origin().unwrap();
        assert_eq!(origin.trace_id().to_string(), &TRACEPARENT[3..35]);
        assert!(origin.is_remote() && origin.is_sampled());
        let known: Vec<_> = carrier.known().collect();
        assert_eq!(known, [(0, Arc::from("ada"))]);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_not_looked_at() {
        let long = "x".repeat(LONGEST + 1);
        let forged = carrier(&[
            ("user.id", &long),
            ("session.id", "a\nb"),
            ("request.id", ""),
            (
                "traceparent",
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            ),
        ]);
        assert_eq!(forged.known().count(), 0);
        assert!(forged.origin().is_none());
    }

    #[test]
    fn outside_of_any_span_there_is_nothing_to_carry() {
        assert_eq!(Carrier::current(), Carrier::default());
    }

    proptest! {
        #[test]
        fn nothing_that_a_message_says_is_too_much(
            pairs in prop::collection::btree_map("traceparent|tracestate|user\\.id|\\PC{0,8}", ".{0,600}", 0..8)
        ) {
            let carrier = Carrier(pairs);
            for (index, value) in carrier.known() {
                prop_assert!(index < PROMOTED.len());
                prop_assert!(value.chars().all(|it| !it.is_control()));
            }
            let _ = carrier.origin();
            let text = serde_json::to_string(&carrier).unwrap();
            prop_assert_eq!(serde_json::from_str::<Carrier>(&text).unwrap(), carrier);
        }
    }
}
