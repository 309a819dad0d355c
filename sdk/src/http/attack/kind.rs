//! The kinds of signals, and what their events are called.

use http::StatusCode;

/// What a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attack {
    /// SQL in a parameter or a path: `attack.sql_injection`.
    SqlInjection,
    /// HTML or JavaScript in a parameter or a path: `attack.xss`.
    Xss,
    /// A way out of the folder that is served: `attack.path_traversal`.
    PathTraversal,
    /// A search for known weaknesses, by path or by user agent: `attack.scanner`.
    Scanner,
    /// A crawler or an automated browser, by user agent: `attack.bot`.
    Bot,
    /// More requests of one address than are allowed: `rate_limit.exceeded` with
    /// `rate_limit.name=requests`.
    Burst,
    /// More failed logins of one address than are allowed: `rate_limit.exceeded` with
    /// `rate_limit.name=failed_logins`.
    FailedLogins,
}

impl Attack {
    pub(super) const ALL: [Self; 7] = [
        Self::SqlInjection,
        Self::Xss,
        Self::PathTraversal,
        Self::Scanner,
        Self::Bot,
        Self::Burst,
        Self::FailedLogins,
    ];

    pub(super) const fn event_name(self) -> &'static str {
        match self {
            Self::SqlInjection => "attack.sql_injection",
            Self::Xss => "attack.xss",
            Self::PathTraversal => "attack.path_traversal",
            Self::Scanner => "attack.scanner",
            Self::Bot => "attack.bot",
            Self::Burst | Self::FailedLogins => "rate_limit.exceeded",
        }
    }

    /// `event.severity`
    pub(super) const fn severity(self) -> &'static str {
        match self {
            Self::SqlInjection | Self::Xss | Self::PathTraversal | Self::FailedLogins => "high",
            Self::Scanner | Self::Burst => "medium",
            Self::Bot => "low",
        }
    }

    /// How a request is refused where it is to be blocked.
    pub(super) const fn refusal(self) -> StatusCode {
        match self {
            Self::Burst | Self::FailedLogins => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::FORBIDDEN,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}
