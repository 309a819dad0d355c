//! What people use, and for how long.
//!
//! ```
//! use std::time::Duration;
//! use throughline::streams::analytics;
//!
//! analytics::session_started("s-1").emit();
//! analytics::page_viewed("/stories/{id}").emit();
//! analytics::feature_used("pdf export").emit();
//! analytics::session_ended("s-1", Duration::from_secs(431)).emit();
//! ```

use std::time::Duration;

use tracing::field;

use super::Id;
use crate::context;

/// Somebody saw a page: `page.viewed`.
///
/// `page` is its name or its template, as `page.name`, so that views can be counted; not an
/// address with ids in it.
pub fn page_viewed(page: &str) -> PageViewed<'_> {
    PageViewed { page, path: None }
}

/// A `page.viewed`; made by [`page_viewed`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct PageViewed<'a> {
    page: &'a str,
    path: Option<&'a str>,
}

impl<'a> PageViewed<'a> {
    /// The address's path, ids and all: `url.path`.
    pub fn path(mut self, path: &'a str) -> Self {
        self.path = Some(path);
        self
    }

    /// Records it.
    pub fn emit(self) {
        crate::analytics!(
            "page.viewed",
            page.name = self.page,
            url.path = self.path,
            "{} viewed",
            self.page
        );
    }
}

/// Somebody used a feature: `feature.used`, with `feature.name`.
pub fn feature_used(feature: &str) -> FeatureUsed<'_> {
    FeatureUsed { feature }
}

/// A `feature.used`; made by [`feature_used`]. For more fields there is
/// `analytics!("feature.used", feature.name = …, …)`.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct FeatureUsed<'a> {
    feature: &'a str,
}

impl FeatureUsed<'_> {
    /// Records it.
    pub fn emit(self) {
        crate::analytics!(
            "feature.used",
            feature.name = self.feature,
            "{} used",
            self.feature
        );
    }
}

/// Somebody came: `session.started`. From then on `session.id` is known of the request, as
/// with [`context::set_session`].
pub fn session_started(session: &str) -> SessionStarted<'_> {
    SessionStarted { session }
}

/// A `session.started`; made by [`session_started`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct SessionStarted<'a> {
    session: &'a str,
}

impl SessionStarted<'_> {
    /// Records it.
    pub fn emit(self) {
        context::set_session(self.session);
        crate::analytics!(
            "session.started",
            session.id = self.session,
            "session started"
        );
    }
}

/// Somebody left, or was not heard of for long enough: `session.ended`, with
/// `session.duration` in seconds.
///
/// A session outlives requests and often processes, so the service keeps when it began, beside
/// the session itself.
pub fn session_ended<'a>(session: impl Into<Id<'a>>, lasted: Duration) -> SessionEnded<'a> {
    SessionEnded {
        session: session.into(),
        lasted,
        pages: None,
    }
}

/// A `session.ended`; made by [`session_ended`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct SessionEnded<'a> {
    session: Id<'a>,
    lasted: Duration,
    pages: Option<u64>,
}

impl SessionEnded<'_> {
    /// How many pages were seen: `page.count`.
    pub fn pages(mut self, count: u64) -> Self {
        self.pages = Some(count);
        self
    }

    /// Records it.
    pub fn emit(self) {
        crate::analytics!(
            "session.ended",
            session.id = field::display(self.session),
            session.duration = self.lasted.as_secs_f64(),
            page.count = self.pages,
            "session ended"
        );
    }
}
