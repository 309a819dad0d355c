//! What led to a request's errors: its breadcrumbs are with the request, since a Sentry hub
//! does not follow spawned tasks.

use std::collections::VecDeque;

use sentry_core::protocol::Breadcrumb;

use super::{Correlation, locked};

pub(super) type Trail = VecDeque<Breadcrumb>;

/// A request's last breadcrumbs; Sentry shows a hundred.
const MAX_BREADCRUMBS: usize = 100;

impl Correlation {
    /// Keeps a breadcrumb for the events of this request.
    pub(crate) fn leave(&self, breadcrumb: Breadcrumb) {
        let mut trail = locked(&self.request().breadcrumbs);
        if trail.len() == MAX_BREADCRUMBS {
            trail.pop_front();
        }
        trail.push_back(breadcrumb);
    }

    /// This request's breadcrumbs, oldest first.
    pub(crate) fn trail(&self) -> Vec<Breadcrumb> {
        locked(&self.request().breadcrumbs)
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;

    use super::*;

    #[test]
    fn breadcrumbs_are_the_requests_and_bounded() {
        let context = Context::new().with_value(Correlation::root());
        let request: &Correlation = context.get().unwrap();
        let subtree = Correlation::subtree(context.clone());
        for index in 0..=MAX_BREADCRUMBS {
            subtree.leave(Breadcrumb {
                message: Some(index.to_string()),
                ..Breadcrumb::default()
            });
        }
        let trail = request.trail();
        assert_eq!(trail.len(), MAX_BREADCRUMBS);
        assert_eq!(trail[0].message.as_deref(), Some("1"));
        assert!(Correlation::root().trail().is_empty());
    }
}
