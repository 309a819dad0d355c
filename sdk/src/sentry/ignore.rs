//! What the service does not want to be told of: an error that is expected wakes nobody, and
//! an issue that is always there hides the one that matters.

use std::any::type_name;
use std::error::Error;

use crate::Builder;

/// Which records become no Sentry event; see [`Builder::sentry_ignore`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SentryIgnore {
    errors: Vec<&'static str>,
    events: Vec<String>,
    targets: Vec<String>,
}

impl SentryIgnore {
    /// Records of an error of exactly this type, as told by [`error`](crate::error()). A
    /// `dyn Error` does not know its type, and neither does a source in a chain: name the
    /// type that is logged.
    pub fn error<E: Error + 'static>(mut self) -> Self {
        self.errors.push(type_name::<E>());
        self
    }

    /// Records of this event name, such as `checkout.failed`.
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.events.push(name.into());
        self
    }

    /// Records of this target and of all below it: `hyper` means `hyper` and
    /// `hyper::client`, not `hyper_util`. A panic's target is `panic`.
    pub fn target(mut self, prefix: impl Into<String>) -> Self {
        self.targets.push(prefix.into());
        self
    }

    pub(crate) fn matches(&self, error: Option<&str>, event: Option<&str>, target: &str) -> bool {
        error.is_some_and(|error| self.errors.contains(&error))
            || event.is_some_and(|event| self.events.iter().any(|ignored| ignored == event))
            || self.targets.iter().any(|prefix| {
                target
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            })
    }
}

impl Builder {
    /// Which records become no Sentry event. Default: none, each ERROR record becomes one.
    /// The last call counts.
    ///
    /// What is ignored is still logged, still marks its span as failed, and is a breadcrumb
    /// of the events that follow. It is no loss, so it is not in the books that
    /// [`shutdown`](crate::Telemetry::shutdown) returns. What the service captures itself
    /// through the `sentry` crates is not looked at.
    ///
    /// ```
    /// # #[derive(Debug, thiserror::Error)]
    /// # #[error("the client went away")]
    /// # struct Disconnected;
    /// # fn main() -> Result<(), throughline::InitError> {
    /// use throughline::SentryIgnore;
    ///
    /// let telemetry = throughline::builder("checkout")
    ///     .sentry_ignore(
    ///         SentryIgnore::default()
    ///             .error::<Disconnected>()
    ///             .event("auth.login.failed")
    ///             .target("hyper"),
    ///     )
    ///     .init()?;
    ///
    /// let failure = Disconnected;
    /// // A record, and no Sentry event.
    /// tracing::error!(error = throughline::error(&failure), "answer not sent");
    /// # telemetry.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    pub fn sentry_ignore(mut self, ignore: SentryIgnore) -> Self {
        self.sentry_ignore = ignore;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_means_itself_and_what_is_below() {
        let ignore = SentryIgnore::default().target("hyper");
        let matches = |target| ignore.matches(None, None, target);
        assert!(matches("hyper") && matches("hyper::client"));
        assert!(!matches("hyper_util") && !matches("shop::hyper"));
    }

    #[test]
    fn a_type_is_the_whole_path_and_a_name_the_whole_name() {
        let ignore = SentryIgnore::default()
            .error::<std::num::ParseIntError>()
            .event("auth.login.failed");
        let kind = type_name::<std::num::ParseIntError>();
        assert!(ignore.matches(Some(kind), None, "shop"));
        assert!(!ignore.matches(Some("ParseIntError"), None, "shop"));
        assert!(ignore.matches(None, Some("auth.login.failed"), "shop"));
        assert!(!ignore.matches(None, Some("auth.login"), "shop"));
    }
}
