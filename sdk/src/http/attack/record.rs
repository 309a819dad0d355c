//! A signal as a record of the stream `security`, and as a count.

use std::net::IpAddr;

use super::kind::Attack;
use super::visitors::Limit;
use crate::metrics::{Description, Registry};

const SIGNALS: &str = "throughline.attack.signals";

/// A unit that the facade does not know.
pub(crate) fn describe(registry: &Registry) {
    let description = Description {
        unit: "{request}".into(),
        text: "Requests that look like an attack, also those without a record".to_owned(),
    };
    registry.describe(SIGNALS, description);
}

/// What is the same of all signals of one request.
pub(super) struct Asked<'a> {
    pub(super) client: Option<IpAddr>,
    pub(super) method: &'a str,
    /// Without secrets, and cut.
    pub(super) path: String,
    pub(super) user_agent: String,
}

/// What the signal rests on.
pub(super) enum Reason<'a> {
    Evidence(&'a super::evidence::Evidence),
    Pace {
        kind: Attack,
        count: u32,
        limit: Limit,
    },
}

impl Reason<'_> {
    pub(super) fn kind(&self) -> Attack {
        match self {
            Self::Evidence(evidence) => evidence.kind,
            Self::Pace { kind, .. } => *kind,
        }
    }
}

/// Each signal counts, whether it has a record or not.
pub(super) fn count(kind: Attack, blocked: bool) {
    let blocked = if blocked { "true" } else { "false" };
    metrics::counter!(SIGNALS, "event.name" => kind.event_name(), "attack.blocked" => blocked)
        .increment(1);
}

/// An event's name is a constant of its place in the program, so each has one of its own.
macro_rules! tell {
    ($level:expr, $name:literal, $asked:expr, $reason:expr, $evidence:expr, $blocked:expr, $untold:expr, $message:literal) => {
        tracing::event!(
            name: $name,
            target: "throughline::attack",
            $level,
            {
                log.category = "security",
                event.severity = $reason.kind().severity(),
                client.address = client($asked),
                user_agent.original = $asked.user_agent,
                http.request.method = $asked.method,
                url.path = $asked.path,
                attack.location = $evidence.location,
                attack.rule = $evidence.rule,
                attack.evidence = $evidence.text,
                attack.blocked = $blocked,
                attack.untold_count = $untold,
            },
            $message
        )
    };
}

/// `untold` is how many of this address had no record before; none is not said.
pub(super) fn tell(asked: &Asked<'_>, reason: &Reason<'_>, blocked: bool, untold: u32) {
    use tracing::Level;
    let untold = (untold > 0).then_some(untold);
    match reason {
        Reason::Evidence(evidence) => match evidence.kind {
            Attack::SqlInjection => tell!(
                Level::WARN,
                "attack.sql_injection",
                asked,
                reason,
                evidence,
                blocked,
                untold,
                "a request looks like SQL injection"
            ),
            Attack::Xss => tell!(
                Level::WARN,
                "attack.xss",
                asked,
                reason,
                evidence,
                blocked,
                untold,
                "a request looks like cross-site scripting"
            ),
            Attack::PathTraversal => tell!(
                Level::WARN,
                "attack.path_traversal",
                asked,
                reason,
                evidence,
                blocked,
                untold,
                "a request looks for files outside of what is served"
            ),
            Attack::Bot => tell!(
                Level::INFO,
                "attack.bot",
                asked,
                reason,
                evidence,
                blocked,
                untold,
                "a request comes from a crawler or an automated browser"
            ),
            _ => tell!(
                Level::WARN,
                "attack.scanner",
                asked,
                reason,
                evidence,
                blocked,
                untold,
                "a request looks for known weaknesses"
            ),
        },
        Reason::Pace { kind, count, limit } => {
            let what = match kind {
                Attack::FailedLogins => "failed_logins",
                _ => "requests",
            };
            tracing::warn!(
                name: "rate_limit.exceeded",
                target: "throughline::attack",
                {
                    log.category = "security",
                    event.severity = kind.severity(),
                    client.address = client(asked),
                    user_agent.original = asked.user_agent,
                    http.request.method = asked.method,
                    url.path = asked.path,
                    rate_limit.name = what,
                    rate_limit.count = count,
                    rate_limit.limit = limit.most,
                    rate_limit.window = limit.within.as_secs_f64(),
                    attack.blocked = blocked,
                    attack.untold_count = untold,
                },
                "an address exceeds its limit of {}",
                what.replace('_', " ")
            );
        }
    }
}

fn client(asked: &Asked<'_>) -> String {
    match asked.client {
        Some(address) => address.to_string(),
        None => "unknown".to_owned(),
    }
}
