//! Which records belong together, and what the events in them are called: what separate log
//! files were for.

use tracing::Level;

use super::{Former, billing, cosmo, derrakht, fastapi, freshbytes};

/// A stream of records: those with one value of `log.category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// The value of `log.category`; empty for the application's own log, whose records have
    /// none. `error` is not set either: Loki derives it for records of severity ERROR and
    /// above that have no category.
    pub category: &'static str,
    /// Whether a service may give its events names beside those of [`EVENTS`].
    pub free: bool,
    /// How many days Loki keeps it, by the stack's configuration.
    pub retention_days: u16,
    /// What each of its records carries; as [`EventName::requires`].
    pub requires: &'static [Requirement],
    /// The log files that it replaces.
    pub formerly: &'static [Former],
}

/// An attribute that a record carries: one of these names, mostly the only one.
pub type Requirement = &'static [&'static str];

/// An event: what `event_name` says in OTLP, and `name:` in `tracing`'s macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventName {
    /// The name.
    pub name: &'static str,
    /// The stream that it belongs to: its record's `log.category`.
    pub category: &'static str,
    /// What has happened.
    pub means: &'static str,
    /// The level of its record, unless its `event.severity` decides.
    pub level: Level,
    /// What its record carries beside what its stream [requires](Stream::requires). The
    /// macros of the streams do not compile without.
    pub requires: &'static [Requirement],
    /// What it was called before. One old event can be two now, where one line told two
    /// stories: that something was changed, and that somebody used something.
    pub formerly: &'static [Former],
}

const fn stream(
    category: &'static str,
    free: bool,
    retention_days: u16,
    formerly: &'static [Former],
) -> Stream {
    Stream {
        category,
        free,
        retention_days,
        requires: &[],
        formerly,
    }
}

impl Stream {
    const fn carrying(mut self, requires: &'static [Requirement]) -> Self {
        self.requires = requires;
        self
    }
}

const fn event(
    category: &'static str,
    name: &'static str,
    means: &'static str,
    formerly: &'static [Former],
) -> EventName {
    EventName {
        name,
        category,
        means,
        level: Level::INFO,
        requires: &[],
        formerly,
    }
}

impl EventName {
    const fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    const fn carrying(mut self, requires: &'static [Requirement]) -> Self {
        self.requires = requires;
        self
    }
}

/// The streams.
///
/// ```
/// use throughline::conventions::STREAMS;
///
/// let audit = STREAMS.iter().find(|stream| stream.category == "audit").unwrap();
/// assert_eq!(audit.retention_days, 365);
/// ```
pub const STREAMS: &[Stream] = &[
    stream(
        "",
        true,
        14,
        &[
            billing("billing_api.log"),
            billing("billing_api_debug.log"),
            cosmo("debug.log"),
            cosmo("info.log"),
            derrakht("derakht.log"),
            freshbytes("freshbytes.log"),
        ],
    ),
    stream(
        "error",
        true,
        90,
        &[
            billing("billing_api_errors.log"),
            cosmo("error.log"),
            derrakht("errors.log"),
            freshbytes("error.log"),
        ],
    ),
    stream(
        "security",
        false,
        365,
        &[
            billing("billing_api_security.log"),
            cosmo("security.log"),
            derrakht("security.log"),
            freshbytes("security.log"),
        ],
    )
    .carrying(&[&["event.severity"]]),
    stream("audit", true, 365, &[derrakht("audit.log")]).carrying(&[
        &["user.id", "audit.actor"],
        &["audit.action"],
        &["audit.resource.type"],
        &["audit.resource.id"],
        &["audit.outcome"],
    ]),
    stream("business", true, 180, &[freshbytes("business.log")]),
    stream(
        "performance",
        false,
        30,
        &[cosmo("performance.log"), derrakht("performance.log")],
    ),
    stream("analytics", true, 90, &[derrakht("analytics.log")]),
    stream(
        "job",
        false,
        30,
        &[cosmo("digest.log"), cosmo("digest_err.log")],
    ),
    stream("request", false, 30, &[billing("billing_api_requests.log")]),
];

/// The events that have a fixed name.
pub const EVENTS: &[EventName] = &[
    event(
        "security",
        "auth.login.succeeded",
        "somebody proved who they are",
        &[
            cosmo("User login successful"),
            derrakht("user_login"),
            freshbytes("LOGIN_SUCCESS"),
        ],
    ),
    event(
        "security",
        "auth.login.failed",
        "somebody did not",
        &[
            cosmo("failed_login"),
            cosmo("Failed login attempt"),
            derrakht("auth_failure"),
            derrakht("Invalid credentials"),
            fastapi("Failed authentication attempts"),
            freshbytes("LOGIN_FAILED"),
        ],
    ),
    event(
        "security",
        "auth.logout",
        "a session was ended on purpose",
        &[freshbytes("LOGOUT_SUCCESS")],
    ),
    event(
        "security",
        "auth.password.changed",
        "a password is another now",
        &[cosmo("password_change")],
    ),
    event(
        "security",
        "auth.permission.denied",
        "somebody known asked for what they may not have",
        &[
            billing("unauthorized_admin_access"),
            cosmo("Permission denied"),
            derrakht("Unauthorized payment access attempts"),
        ],
    ),
    event(
        "security",
        "account.enabled",
        "an account may be used",
        &[freshbytes("USER_ENABLED")],
    ),
    event(
        "security",
        "account.disabled",
        "an account may no longer be used",
        &[freshbytes("USER_DISABLED")],
    ),
    event(
        "security",
        "attack.sql_injection",
        "a request looks like SQL injection",
        &[fastapi("SQL injection attempts")],
    ),
    event(
        "security",
        "attack.xss",
        "a request looks like cross-site scripting",
        &[fastapi("Cross-site scripting detection")],
    ),
    event(
        "security",
        "attack.path_traversal",
        "a request looks for files outside of what is served",
        &[],
    ),
    event(
        "security",
        "attack.scanner",
        "a request looks for known weaknesses",
        &[fastapi("Vulnerability scan attempts")],
    ),
    event(
        "security",
        "attack.bot",
        "a request comes from a program that is not welcome",
        &[fastapi("Bot and crawler detection")],
    ),
    event(
        "security",
        "rate_limit.exceeded",
        "a client asked more often than it may",
        &[fastapi("Rate limiting violations")],
    ),
    event(
        "audit",
        "audit.created",
        "somebody made something",
        &[
            cosmo("create_task"),
            cosmo("Task created successfully"),
            derrakht("story_started"),
            derrakht("user_registered"),
        ],
    ),
    event(
        "audit",
        "audit.updated",
        "somebody changed something",
        &[
            cosmo("Password reset email sent"),
            derrakht("story_part_updated"),
            derrakht("story_completed"),
            derrakht("story_cover_uploaded"),
            derrakht("story_part_illustration_uploaded"),
            derrakht("profile_updated"),
            derrakht("Story part resets"),
            derrakht("Order item modifications"),
            derrakht("Profile image uploads"),
        ],
    ),
    event(
        "audit",
        "audit.deleted",
        "somebody took something away",
        &[derrakht("Profile image deletions")],
    ),
    event(
        "audit",
        "audit.viewed",
        "somebody looked at something that is watched",
        &[],
    ),
    event("audit", "audit.exported", "somebody took a copy out", &[]),
    event("business", "checkout.started", "somebody wants to buy", &[]),
    event(
        "business",
        "checkout.completed",
        "somebody bought",
        &[freshbytes("CHECKOUT_SUCCESS")],
    )
    .carrying(&[&["order.id"]]),
    event(
        "business",
        "checkout.failed",
        "somebody could not buy",
        &[freshbytes("CHECKOUT_FAILED")],
    )
    .at(Level::WARN)
    .carrying(&[&["error.type"]]),
    event(
        "business",
        "payment.status_changed",
        "a payment was made, asked for, settled or refused",
        &[
            billing("payment_created"),
            derrakht("payment_requested"),
            derrakht("payment_completed"),
            derrakht("Payment verification failures"),
            freshbytes("PAYMENT_STATUS_CHANGED"),
        ],
    )
    .carrying(&[&["payment.id"], &["payment.status"]]),
    event(
        "business",
        "order.status_changed",
        "an order went a step further",
        &[derrakht("order_status_changed")],
    )
    .carrying(&[&["order.id"], &["order.status"]]),
    event(
        "business",
        "subscription.created",
        "somebody subscribed",
        &[billing("subscription_created")],
    )
    .carrying(&[&["subscription.id"]]),
    event(
        "business",
        "invoice.created",
        "an invoice was written",
        &[derrakht("invoice_created")],
    )
    .carrying(&[&["invoice.id"]]),
    event(
        "performance",
        "request.slow",
        "a request took longer than it should",
        &[
            billing("Slow API request detected"),
            cosmo("Slow request detected"),
            derrakht("Slow request detected"),
        ],
    )
    .at(Level::WARN),
    event(
        "performance",
        "query.slow",
        "a query took longer than it should",
        &[cosmo("performance.slow_query")],
    )
    .at(Level::WARN),
    event(
        "performance",
        "query.storm",
        "one request made too many queries, or waited too long for them",
        &[],
    )
    .at(Level::WARN),
    event(
        "performance",
        "operation.slow",
        "an operation took longer than it should",
        &[],
    )
    .at(Level::WARN)
    .carrying(&[&["operation.name"], &["operation.duration"]]),
    event(
        "performance",
        "operation.measured",
        "an operation was measured: how long it took, or what else",
        &[
            billing("report_generation"),
            billing("payment_processing"),
            derrakht("story_generation"),
            derrakht("pdf_generation"),
        ],
    )
    .carrying(&[
        &["operation.name"],
        &["operation.duration", "operation.value"],
    ]),
    event("analytics", "page.viewed", "somebody saw a page", &[]).carrying(&[&[
        "page.name",
        "http.route",
        "url.path",
    ]]),
    event(
        "analytics",
        "feature.used",
        "somebody used a feature",
        &[
            derrakht("story_started"),
            derrakht("story_completed"),
            derrakht("illustration_uploaded"),
        ],
    )
    .carrying(&[&["feature.name"]]),
    event("analytics", "session.started", "somebody came", &[]),
    event("analytics", "session.ended", "somebody left", &[]).carrying(&[&["session.duration"]]),
    event(
        "job",
        "job.started",
        "a job began",
        &[cosmo("send_email_digest")],
    )
    .carrying(&[&["job.name"]]),
    event(
        "job",
        "job.completed",
        "a job did what it should",
        &[cosmo("send_email_digest")],
    )
    .carrying(&[&["job.name"], &["job.outcome"], &["job.duration"]]),
    event(
        "job",
        "job.failed",
        "a job did not",
        &[cosmo("send_email_digest")],
    )
    .at(Level::ERROR)
    .carrying(&[&["job.name"], &["job.outcome"], &["job.duration"]]),
    event(
        "error",
        "http.server.exception",
        "a request failed, and nothing in it had said why",
        &[],
    ),
    event(
        "request",
        "http.server.request",
        "a request was answered: one line of the access log",
        &[
            billing("API Request started"),
            billing("API Request completed"),
            billing("API Request failed"),
            fastapi("api_performance"),
        ],
    ),
];
