//! Who a record is about: user, session, request and tenant, known from the moment that somebody
//! says so, on everything of the same request that comes after.
//!
//! One mechanism carries it: a cell in a value of the OpenTelemetry `Context`. A span takes
//! its parent's context, a task that is given the span takes the span's, so all of a
//! request share the cell, and what is set at any depth is seen everywhere.

#[cfg(feature = "sentry")]
mod breadcrumbs;
mod client;
#[cfg(feature = "sqlx")]
mod queries;

#[cfg(feature = "http")]
pub(crate) use client::Client;
pub(crate) use client::set_client;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;

#[cfg(feature = "http")]
use crate::http::Facts;
use crate::redaction::{self, REPLACEMENT};

/// The promoted fields, by their names in the semantic conventions (`request.id` and
/// `tenant.id` are ours: the conventions have no name for either).
pub(crate) const PROMOTED: [&str; 4] = ["user.id", "session.id", "request.id", "tenant.id"];

/// Takes up what the baggage in a context says of user, session, request and tenant, as far as
/// it is not known there yet. Whether the sender is to be believed was decided before.
pub(crate) fn from_baggage(context: &Context) -> Context {
    let said = |name: &str| {
        let value = context.baggage().get(name)?;
        let value = is_id(value.as_str()).then(|| redaction::known_value(name, value.as_str()))?;
        (!value.contains(REPLACEMENT)).then_some(value)
    };
    let said = PROMOTED.map(said);
    if said.iter().all(Option::is_none) {
        return context.clone();
    }
    if let Some(known) = context.get::<Correlation>() {
        known.complete(&said);
        return context.clone();
    }
    let correlation = Correlation::root();
    correlation.complete(&said);
    context.with_value(correlation)
}

/// Which of [`PROMOTED`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promoted {
    User = 0,
    Session = 1,
    Request = 2,
    Tenant = 3,
}

/// The values of [`PROMOTED`], in that order.
pub(crate) type Values = [Option<Arc<str>>; PROMOTED.len()];

/// The longest value that is taken from another service's baggage, or given to one: an id is a
/// key and no message, and it stands on every span and record.
const LONGEST_ID: usize = 256;

/// Whether this may be an id that came from outside, or may go there.
pub(crate) fn is_id(value: &str) -> bool {
    (1..=LONGEST_ID).contains(&value.len()) && !value.chars().any(char::is_control)
}

/// The value in the `Context`: the cell itself, as anything around it would be one more
/// allocation a request. Who has to hold on to it keeps the context.
#[derive(Debug, Default)]
pub(crate) struct Correlation {
    values: Mutex<Values>,
    /// Whether there is any value; most requests have none for most of their spans, and
    /// nobody needs the lock to see that.
    any: AtomicBool,
    #[cfg(feature = "sentry")]
    breadcrumbs: Mutex<breadcrumbs::Trail>,
    /// Behind a pointer: most cells have none.
    #[cfg(feature = "sqlx")]
    queries: std::sync::OnceLock<Box<crate::database::Tally>>,
    client: Mutex<Option<client::Client>>,
    /// The context that has the cell of the request that this subtree is a part of.
    outer: Option<Context>,
    /// Whether the span that declared the fields has been stamped; see [`Correlation::stamp`].
    owner_started: AtomicBool,
    /// Whether an error has been told; whoever ends the request need not tell it again.
    failed: AtomicBool,
    /// What was asked, where it came by HTTP.
    #[cfg(feature = "http")]
    #[cfg_attr(not(feature = "sentry"), allow(dead_code, reason = "for events"))]
    facts: Option<Arc<Facts>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Correlation {
    /// The cell of a request, or of any other local root.
    pub(crate) fn root() -> Self {
        Self {
            // A root declares nothing, so its first span is stamped like any other.
            owner_started: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// The cell of a subtree whose root declares promoted fields of its own, in the context
    /// of what is around it.
    pub(crate) fn subtree(outer: Context) -> Self {
        Self {
            outer: Some(outer),
            ..Self::default()
        }
    }

    /// Notes that an error was told, for this subtree and all that it lies in.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
        if let Some(outer) = self.outer() {
            outer.fail();
        }
    }

    fn outer(&self) -> Option<&Self> {
        self.outer.as_ref()?.get()
    }

    /// The cell of the whole request.
    fn request(&self) -> &Self {
        self.outer().map_or(self, Self::request)
    }

    /// What this cell itself has.
    fn own(&self) -> Values {
        if self.any.load(Ordering::Acquire) {
            locked(&self.values).clone()
        } else {
            Values::default()
        }
    }

    /// What is known here: the subtree's own values, and the request's for the others.
    pub(crate) fn values(&self) -> Values {
        let mut values = self.own();
        if let Some(outer) = self.outer()
            && values.iter().any(Option::is_none)
        {
            for (value, outer) in values.iter_mut().zip(outer.values()) {
                if value.is_none() {
                    *value = outer;
                }
            }
        }
        values
    }

    /// From now on, for the whole request: for this subtree and all that it lies in.
    pub(crate) fn set(&self, which: Promoted, value: &Arc<str>) {
        self.declare(which as usize, value);
        if let Some(outer) = self.outer() {
            outer.set(which, value);
        }
    }

    /// Adds what is not known yet.
    fn complete(&self, said: &Values) {
        for (index, (said, known)) in said.iter().zip(self.values()).enumerate() {
            if let (Some(said), None) = (said, known) {
                self.declare(index, said);
            }
        }
    }

    /// For this subtree alone: what a span's own field says.
    pub(crate) fn declare(&self, index: usize, value: &Arc<str>) {
        locked(&self.values)[index] = Some(Arc::clone(value));
        self.any.store(true, Ordering::Release);
    }

    /// The values to put on a span that starts. The span that declared a subtree's fields
    /// already has them as its own, and it always starts before its children; so the first
    /// that asks gets only what it did not declare.
    pub(crate) fn stamp(&self) -> Values {
        let mut values = self.values();
        // Read before it is written: of a request's spans only the first changes it.
        if !self.owner_started.load(Ordering::Relaxed)
            && !self.owner_started.swap(true, Ordering::Relaxed)
        {
            for (value, own) in values.iter_mut().zip(self.own()) {
                if own.is_some() {
                    *value = None;
                }
            }
        }
        values
    }
}

#[cfg(feature = "http")]
impl Correlation {
    /// The cell of a request that came by HTTP, in the context that it is answered in.
    pub(crate) fn of_request(id: Arc<str>, facts: Arc<Facts>, outer: &Context) -> Self {
        let mut values = Values::default();
        values[Promoted::Request as usize] = Some(id);
        Self {
            values: Mutex::new(values),
            any: AtomicBool::new(true),
            outer: outer.get::<Self>().map(|_| outer.clone()),
            facts: Some(facts),
            ..Self::root()
        }
    }

    /// Whether an error of it has been told.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What was asked: by the innermost request that this is a part of.
    #[cfg(feature = "sentry")]
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts
            .as_deref()
            .or_else(|| self.outer().and_then(Self::facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(correlation: Correlation) -> Context {
        Context::new().with_value(correlation)
    }

    fn of(context: &Context) -> &Correlation {
        context.get().unwrap()
    }

    fn text(values: &Values) -> [Option<&str>; 4] {
        values.each_ref().map(|value| value.as_deref())
    }

    #[test]
    fn a_subtree_keeps_its_own_and_sees_the_requests() {
        let context = within(Correlation::root());
        let request = of(&context);
        request.set(Promoted::Request, &Arc::from("r1"));
        let subtree = Correlation::subtree(context.clone());
        subtree.declare(Promoted::User as usize, &Arc::from("inner"));
        assert_eq!(
            text(&subtree.values()),
            [Some("inner"), None, Some("r1"), None]
        );
        assert_eq!(text(&request.values()), [None, None, Some("r1"), None]);
        subtree.set(Promoted::User, &Arc::from("ada"));
        assert_eq!(
            text(&request.values()),
            [Some("ada"), None, Some("r1"), None]
        );
    }

    #[test]
    fn baggage_tells_who_it_is_about_where_that_is_not_known_yet() {
        use opentelemetry::KeyValue;
        let baggage = |entries: &[(&'static str, String)]| {
            let entries = entries.iter().cloned();
            Context::new().with_baggage(entries.map(|(key, value)| KeyValue::new(key, value)))
        };
        let context = from_baggage(&baggage(&[
            ("user.id", "ada".to_owned()),
            ("request.id", "r1".to_owned()),
            ("shop", "7".to_owned()),
        ]));
        let values = of(&context).values();
        assert_eq!(text(&values), [Some("ada"), None, Some("r1"), None]);

        of(&context).set(Promoted::Tenant, &Arc::from("blue"));
        let context = from_baggage(&context.with_baggage([
            KeyValue::new("tenant.id", "red"),
            KeyValue::new("session.id", "s1"),
        ]));
        let values = of(&context).values();
        assert_eq!(
            text(&values),
            [Some("ada"), Some("s1"), Some("r1"), Some("blue")]
        );

        for refused in [
            "x".repeat(257),
            "a\nb".to_owned(),
            "4111111111111111".to_owned(),
        ] {
            let context = from_baggage(&baggage(&[("user.id", refused)]));
            assert!(context.get::<Correlation>().is_none());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_baggage_header_panics_or_tells_what_is_no_id(header in "[ -~]{0,200}|\\PC{0,64}") {
            use opentelemetry::propagation::TextMapPropagator;
            let carrier = std::collections::HashMap::from([("baggage".to_owned(), header)]);
            let propagator = opentelemetry_sdk::propagation::BaggagePropagator::new();
            let received = propagator.extract_with_context(&Context::new(), &carrier);
            if let Some(told) = from_baggage(&received).get::<Correlation>() {
                for value in told.values().iter().flatten() {
                    proptest::prop_assert!(is_id(value), "{:?}", value);
                }
            }
        }

        #[test]
        fn an_id_of_any_letters_is_taken_up_as_it_was_sent(id in "\\PC{1,40}") {
            use opentelemetry::propagation::TextMapPropagator;
            proptest::prop_assume!(id.trim() == id && is_id(&id));
            proptest::prop_assume!(&*redaction::known_value("tenant.id", &id) == id.as_str());
            let mut header = crate::propagation::BaggageHeader::default();
            header.push("tenant.id", &id, "");
            let header = header.finish().unwrap_or_default();
            let carrier = std::collections::HashMap::from([("baggage".to_owned(), header)]);
            let propagator = opentelemetry_sdk::propagation::BaggagePropagator::new();
            let received = propagator.extract_with_context(&Context::new(), &carrier);
            let values = of(&from_baggage(&received)).values();
            proptest::prop_assert_eq!(text(&values), [None, None, None, Some(&*id)]);
        }
    }

    #[test]
    fn the_declaring_span_is_not_stamped_with_what_it_declares() {
        let context = within(Correlation::root());
        let request = of(&context);
        request.set(Promoted::Request, &Arc::from("r1"));
        assert_eq!(text(&request.stamp()), [None, None, Some("r1"), None]);
        let subtree = Correlation::subtree(context.clone());
        subtree.declare(Promoted::User as usize, &Arc::from("ada"));
        assert_eq!(text(&subtree.stamp()), [None, None, Some("r1"), None]);
        assert_eq!(
            text(&subtree.stamp()),
            [Some("ada"), None, Some("r1"), None]
        );
    }
}
