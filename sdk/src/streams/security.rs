//! What happened to accounts: the events that an investigation begins with.
//!
//! Each event takes [`client_address`](LoginFailed::client_address) and
//! [`user_agent`](LoginFailed::user_agent) for where the request's own
//! ([`context::set_client`](crate::context::set_client)) are not known, and
//! [`severity`](LoginFailed::severity) in place of its usual one.

use std::net::IpAddr;

use tracing::field;

use super::{Id, Severity};

/// What every security event may say.
#[derive(Clone, Copy, Debug)]
struct Common<'a> {
    severity: Severity,
    user: Option<Id<'a>>,
    client_address: Option<IpAddr>,
    user_agent: Option<&'a str>,
}

impl<'a> Common<'a> {
    const fn new(severity: Severity) -> Self {
        Self {
            severity,
            user: None,
            client_address: None,
            user_agent: None,
        }
    }

    const fn of(severity: Severity, user: Id<'a>) -> Self {
        let mut common = Self::new(severity);
        common.user = Some(user);
        common
    }
}

/// The level is a constant of each place that records, so there is one for each severity.
macro_rules! emit {
    ($common:expr, $event:literal, { $($fields:tt)* }, $message:literal) => {
        match $common.severity {
            Severity::Low => emit!(@ "low", $common, $event, { $($fields)* }, $message),
            Severity::Medium => emit!(@ "medium", $common, $event, { $($fields)* }, $message),
            Severity::High => emit!(@ "high", $common, $event, { $($fields)* }, $message),
            Severity::Critical => emit!(@ "critical", $common, $event, { $($fields)* }, $message),
        }
    };
    (@ $severity:literal, $common:expr, $event:literal, { $($fields:tt)* }, $message:literal) => {
        crate::security!(
            $event,
            event.severity = $severity,
            user.id = $common.user.map(field::display),
            client.address = $common.client_address.map(field::display),
            user_agent.original = $common.user_agent,
            $($fields)*
            $message
        )
    };
}

/// The options that all have.
macro_rules! common_options {
    () => {
        /// How bad it is, in place of the event's usual severity.
        pub fn severity(mut self, severity: Severity) -> Self {
            self.common.severity = severity;
            self
        }

        /// Where the request came from: `client.address`. Default: what is known of the
        /// request.
        pub fn client_address(mut self, address: IpAddr) -> Self {
            self.common.client_address = Some(address);
            self
        }

        /// What the client calls itself: `user_agent.original`. Default: what is known of
        /// the request.
        pub fn user_agent(mut self, user_agent: &'a str) -> Self {
            self.common.user_agent = Some(user_agent);
            self
        }
    };
}

/// Somebody proved who they are: `auth.login.succeeded`, severity low.
///
/// ```
/// throughline::streams::security::login_succeeded("u-1").method("password").emit();
/// ```
pub fn login_succeeded<'a>(user: impl Into<Id<'a>>) -> LoginSucceeded<'a> {
    LoginSucceeded {
        common: Common::of(Severity::Low, user.into()),
        user_name: None,
        method: None,
    }
}

/// An `auth.login.succeeded`; made by [`login_succeeded`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct LoginSucceeded<'a> {
    common: Common<'a>,
    user_name: Option<&'a str>,
    method: Option<&'a str>,
}

impl<'a> LoginSucceeded<'a> {
    common_options!();

    /// The name that was given: `user.name`. Where e-mail addresses are
    /// [redacted](crate::Redaction::emails), so is one that is a name.
    pub fn user_name(mut self, name: &'a str) -> Self {
        self.user_name = Some(name);
        self
    }

    /// How they proved it: `auth.method`, such as `password`, `passkey` or `sso`.
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = Some(method);
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.common,
            "auth.login.succeeded",
            { user.name = self.user_name, auth.method = self.method, },
            "login succeeded"
        );
    }
}

/// Somebody could not prove who they are: `auth.login.failed`, severity medium.
///
/// The name that was tried goes to [`user_name`](LoginFailed::user_name), never to `user.id`:
/// whoever it is, it is not yet that user.
///
/// ```
/// throughline::streams::security::login_failed()
///     .user_name("ada")
///     .reason("wrong password")
///     .attempts(3)
///     .emit();
/// ```
pub fn login_failed<'a>() -> LoginFailed<'a> {
    LoginFailed {
        common: Common::new(Severity::Medium),
        user_name: None,
        method: None,
        reason: None,
        attempts: None,
    }
}

/// An `auth.login.failed`; made by [`login_failed`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct LoginFailed<'a> {
    common: Common<'a>,
    user_name: Option<&'a str>,
    method: Option<&'a str>,
    reason: Option<&'a str>,
    attempts: Option<u64>,
}

impl<'a> LoginFailed<'a> {
    common_options!();

    /// The name that was tried: `user.name`. Where e-mail addresses are
    /// [redacted](crate::Redaction::emails), so is one that is a name.
    pub fn user_name(mut self, name: &'a str) -> Self {
        self.user_name = Some(name);
        self
    }

    /// How they tried: `auth.method`, such as `password`, `passkey` or `sso`.
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = Some(method);
        self
    }

    /// Why it failed, from a short list of the service's own: `error.type`, such as
    /// `wrong password`. Never what was typed.
    pub fn reason(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The how many-eth failure in a row this is: `auth.attempt.count`.
    pub fn attempts(mut self, count: u64) -> Self {
        self.attempts = Some(count);
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.common,
            "auth.login.failed",
            {
                user.name = self.user_name,
                auth.method = self.method,
                error.type = self.reason,
                auth.attempt.count = self.attempts,
            },
            "login failed"
        );
    }
}

/// A session was ended on purpose: `auth.logout`, severity low.
///
/// ```
/// throughline::streams::security::logout("u-1").emit();
/// ```
pub fn logout<'a>(user: impl Into<Id<'a>>) -> Logout<'a> {
    Logout {
        common: Common::of(Severity::Low, user.into()),
    }
}

/// An `auth.logout`; made by [`logout`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Logout<'a> {
    common: Common<'a>,
}

impl<'a> Logout<'a> {
    common_options!();

    /// Records it.
    pub fn emit(self) {
        emit!(self.common, "auth.logout", {}, "logged out");
    }
}

/// A password is another now: `auth.password.changed`, severity low.
///
/// `account` is whose password it is, as `audit.resource.id`; who changed it is the request's
/// user, or [`by`](AccountEvent::by).
///
/// ```
/// throughline::streams::security::password_changed("u-1").by("admin-1").emit();
/// ```
pub fn password_changed<'a>(account: impl Into<Id<'a>>) -> AccountEvent<'a> {
    AccountEvent::new(Happened::PasswordChanged, Severity::Low, account.into())
}

/// An account may be used: `account.enabled`, severity low.
///
/// ```
/// throughline::streams::security::account_enabled("u-1").by("admin-1").emit();
/// ```
pub fn account_enabled<'a>(account: impl Into<Id<'a>>) -> AccountEvent<'a> {
    AccountEvent::new(Happened::Enabled, Severity::Low, account.into())
}

/// An account may no longer be used: `account.disabled`, severity medium.
///
/// ```
/// throughline::streams::security::account_disabled("u-1").reason("chargeback").emit();
/// ```
pub fn account_disabled<'a>(account: impl Into<Id<'a>>) -> AccountEvent<'a> {
    AccountEvent::new(Happened::Disabled, Severity::Medium, account.into())
}

#[derive(Clone, Copy, Debug)]
enum Happened {
    PasswordChanged,
    Enabled,
    Disabled,
}

/// An `auth.password.changed`, `account.enabled` or `account.disabled`; made by
/// [`password_changed`], [`account_enabled`] and [`account_disabled`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct AccountEvent<'a> {
    common: Common<'a>,
    happened: Happened,
    account: Id<'a>,
    reason: Option<&'a str>,
}

impl<'a> AccountEvent<'a> {
    const fn new(happened: Happened, severity: Severity, account: Id<'a>) -> Self {
        Self {
            common: Common::new(severity),
            happened,
            account,
            reason: None,
        }
    }

    common_options!();

    /// Who did it: `user.id`. Default: the request's user.
    pub fn by(mut self, user: impl Into<Id<'a>>) -> Self {
        self.common.user = Some(user.into());
        self
    }

    /// Why, from a short list of the service's own: `audit.reason`.
    pub fn reason(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Records it.
    pub fn emit(self) {
        macro_rules! emit_account {
            ($event:literal, $message:literal) => {
                emit!(
                    self.common,
                    $event,
                    {
                        audit.resource.type = "user",
                        audit.resource.id = field::display(self.account),
                        audit.reason = self.reason,
                    },
                    $message
                )
            };
        }
        match self.happened {
            Happened::PasswordChanged => {
                emit_account!("auth.password.changed", "password changed");
            }
            Happened::Enabled => emit_account!("account.enabled", "account enabled"),
            Happened::Disabled => emit_account!("account.disabled", "account disabled"),
        }
    }
}

/// Somebody asked for what they may not have: `auth.permission.denied`, severity medium.
///
/// `action` is what they wanted to do, as `audit.action`. Who they are is the request's user,
/// or [`user`](PermissionDenied::user).
///
/// ```
/// throughline::streams::security::permission_denied("password_change")
///     .user(3)
///     .roles("manager")
///     .resource("user", 42)
///     .emit();
/// ```
pub fn permission_denied(action: &str) -> PermissionDenied<'_> {
    PermissionDenied {
        common: Common::new(Severity::Medium),
        action,
        roles: None,
        resource: None,
    }
}

/// An `auth.permission.denied`; made by [`permission_denied`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct PermissionDenied<'a> {
    common: Common<'a>,
    action: &'a str,
    roles: Option<&'a str>,
    resource: Option<(&'a str, Id<'a>)>,
}

impl<'a> PermissionDenied<'a> {
    common_options!();

    /// Who asked: `user.id`. Default: the request's user.
    pub fn user(mut self, user: impl Into<Id<'a>>) -> Self {
        self.common.user = Some(user.into());
        self
    }

    /// The roles that they have: `user.roles`.
    pub fn roles(mut self, roles: &'a str) -> Self {
        self.roles = Some(roles);
        self
    }

    /// What they asked for: `audit.resource.type` and `audit.resource.id`.
    pub fn resource(mut self, kind: &'a str, id: impl Into<Id<'a>>) -> Self {
        self.resource = Some((kind, id.into()));
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.common,
            "auth.permission.denied",
            {
                audit.action = self.action,
                user.roles = self.roles,
                audit.resource.type = self.resource.map(|(kind, _)| kind),
                audit.resource.id = self.resource.map(|(_, id)| field::display(id)),
            },
            "permission denied"
        );
    }
}
