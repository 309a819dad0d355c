//! What is looked for, how often is too often, and what is blocked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::inspect::Rules;
use super::kind::Attack;
use super::layer::{AttackService, Shared};
use super::visitors::{Limit, Visitors};
use super::{scanner, sql, user_agent};

/// The last parts of paths at which people log in.
const LOGINS: [&str; 6] = ["login", "signin", "sign-in", "token", "session", "sessions"];

/// A Tower layer that tells of suspicious requests, as events of the stream `security`.
///
/// It looks at the path, the query and the user agent of a request, never at its body, and
/// lets it pass unless it is told to [`block`](AttackSignals::block). Put it inside of the
/// server layer, which says whose request it is ([`ClientAddress`](crate::http::ClientAddress));
/// without an address the record says `unknown`, and neither bursts nor failed logins are
/// counted.
///
/// ```
/// use throughline::http::{Attack, attack_signals};
///
/// let layer = attack_signals()
///     .welcome("Googlebot")
///     .unwelcome("python-requests")
///     .served("/cgi-bin")
///     .block(Attack::SqlInjection)
///     .block(Attack::FailedLogins);
/// let app: axum::Router = axum::Router::new().layer(layer);
/// ```
///
/// What it finds and what it takes for an attack by mistake is measured, on a corpus in the
/// repository; see
/// [`docs/conventions.md`](https://github.com/throughline-rs/throughline/blob/main/docs/conventions.md#attack-signals).
pub fn attack_signals() -> AttackSignals {
    sql::prepare();
    scanner::prepare();
    user_agent::prepare();
    let shared = Shared {
        rules: Rules::default(),
        requests: Some(Limit {
            most: 1_000,
            within: Duration::from_secs(10),
        }),
        failed_logins: Some(Limit {
            most: 5,
            within: Duration::from_secs(600),
        }),
        login_paths: LOGINS.map(str::to_owned).to_vec(),
        blocked: 0,
        visitors: Arc::new(Visitors::new()),
    };
    AttackSignals {
        shared: Arc::new(shared),
    }
}

/// The layer that [`attack_signals`] makes.
#[derive(Clone)]
#[must_use = "it tells nothing before it is around a service"]
pub struct AttackSignals {
    /// Routers apply a layer to each of their routes, which all have the same visitors.
    shared: Arc<Shared>,
}

impl fmt::Debug for AttackSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocked = Attack::ALL
            .into_iter()
            .filter(|kind| self.shared.blocked & kind.bit() != 0);
        f.debug_struct("AttackSignals")
            .field("requests", &self.shared.requests)
            .field("failed_logins", &self.shared.failed_logins)
            .field("blocked", &blocked.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl AttackSignals {
    fn shared(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }

    /// Refuses requests of this kind: with `403`, and with `429` and `Retry-After` for
    /// [`Attack::Burst`] and [`Attack::FailedLogins`]. Default: none. The service then does
    /// not see the request; the record says `attack.blocked=true`.
    ///
    /// For failed logins the requests to log in are refused, of an address that has failed too
    /// often.
    pub fn block(mut self, kind: Attack) -> Self {
        self.shared().blocked |= kind.bit();
        self
    }

    /// A part of the user agent of a bot that may come, in any case. Default: none.
    pub fn welcome(mut self, agent: impl Into<String>) -> Self {
        self.shared().rules.words.welcome.extend(word(agent.into()));
        self
    }

    /// A part of the user agent of a program that counts as a bot, in any case. Default: none,
    /// since to most services HTTP libraries are clients like others.
    pub fn unwelcome(mut self, agent: impl Into<String>) -> Self {
        self.shared()
            .rules
            .words
            .unwelcome
            .extend(word(agent.into()));
        self
    }

    /// The beginning of a path that the service has, although scanners ask for it as well.
    /// Default: none.
    pub fn served(mut self, path: impl Into<String>) -> Self {
        self.shared().rules.served.push(path.into());
        self
    }

    /// How many requests of one address are no burst. Default: 1,000 within ten seconds; 0
    /// counts none.
    pub fn requests(mut self, most: u32, within: Duration) -> Self {
        self.shared().requests = limit(most, within);
        self
    }

    /// How many failed logins of one address are forgetfulness. Default: 5 within ten minutes;
    /// 0 counts none.
    pub fn failed_logins(mut self, most: u32, within: Duration) -> Self {
        self.shared().failed_logins = limit(most, within);
        self
    }

    /// At which paths `401` is a failed login: those that end in one of these parts. Default:
    /// `login`, `signin`, `sign-in`, `token`, `session` and `sessions`. Where a failed login has
    /// another status, the handler says so with
    /// [`LoginFailed`](crate::http::LoginFailed).
    pub fn login_paths<P: Into<String>>(mut self, ends: impl IntoIterator<Item = P>) -> Self {
        self.shared().login_paths = ends.into_iter().map(Into::into).collect();
        self
    }
}

/// An empty word is in every user agent.
fn word(agent: String) -> Option<String> {
    (!agent.is_empty()).then_some(agent)
}

fn limit(most: u32, within: Duration) -> Option<Limit> {
    (most > 0 && !within.is_zero()).then_some(Limit { most, within })
}

impl<S> Layer<S> for AttackSignals {
    type Service = AttackService<S>;

    fn layer(&self, inner: S) -> AttackService<S> {
        AttackService::new(inner, Arc::clone(&self.shared))
    }
}
