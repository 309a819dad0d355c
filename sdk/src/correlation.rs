//! Who a record is about: user, session and request, known from the moment that somebody
//! says so, on everything of the same request that comes after.
//!
//! One mechanism carries it: a cell in a value of the OpenTelemetry `Context`. A span takes
//! its parent's context, a task that is given the span takes the span's, so all of a
//! request share the cell, and what is set at any depth is seen everywhere.

#[cfg(feature = "sentry")]
mod breadcrumbs;
mod client;

pub(crate) use client::set_client;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::Context;

/// The promoted fields, by their names in the semantic conventions (`request.id` is ours).
pub(crate) const PROMOTED: [&str; 3] = ["user.id", "session.id", "request.id"];

/// Which of [`PROMOTED`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promoted {
    User = 0,
    Session = 1,
    Request = 2,
}

/// The values of [`PROMOTED`], in that order.
pub(crate) type Values = [Option<Arc<str>>; 3];

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
    client: Mutex<Option<client::Client>>,
    /// The context that has the cell of the request that this subtree is a part of.
    outer: Option<Context>,
    /// Whether the span that declared the fields has been stamped; see [`Correlation::stamp`].
    owner_started: AtomicBool,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn within(correlation: Correlation) -> Context {
        Context::new().with_value(correlation)
    }

    fn of(context: &Context) -> &Correlation {
        context.get().unwrap()
    }

    fn text(values: &Values) -> [Option<&str>; 3] {
        values.each_ref().map(|value| value.as_deref())
    }

    #[test]
    fn a_subtree_keeps_its_own_and_sees_the_requests() {
        let context = within(Correlation::root());
        let request = of(&context);
        request.set(Promoted::Request, &Arc::from("r1"));
        let subtree = Correlation::subtree(context.clone());
        subtree.declare(Promoted::User as usize, &Arc::from("inner"));
        assert_eq!(text(&subtree.values()), [Some("inner"), None, Some("r1")]);
        assert_eq!(text(&request.values()), [None, None, Some("r1")]);
        subtree.set(Promoted::User, &Arc::from("ada"));
        assert_eq!(text(&request.values()), [Some("ada"), None, Some("r1")]);
    }

    #[test]
    fn the_declaring_span_is_not_stamped_with_what_it_declares() {
        let context = within(Correlation::root());
        let request = of(&context);
        request.set(Promoted::Request, &Arc::from("r1"));
        assert_eq!(text(&request.stamp()), [None, None, Some("r1")]);
        let subtree = Correlation::subtree(context.clone());
        subtree.declare(Promoted::User as usize, &Arc::from("ada"));
        assert_eq!(text(&subtree.stamp()), [None, None, Some("r1")]);
        assert_eq!(text(&subtree.stamp()), [Some("ada"), None, Some("r1")]);
    }
}
