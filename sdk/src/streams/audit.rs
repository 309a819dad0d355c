//! Who did what to what, for those who have to answer for it later.
//!
//! ```
//! use throughline::streams::audit;
//!
//! audit::created("story", 42).actor("ada").emit();
//! audit::exported("report", "q3").actor("ada").outcome(audit::Outcome::Denied).emit();
//! ```

use std::fmt;

use tracing::field;

use super::Id;
use crate::context;

/// How it ended: `audit.outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outcome {
    /// It was done: `success`.
    #[default]
    Success,
    /// It was tried, and went wrong: `failure`.
    Failure,
    /// It was asked for, and refused: `denied`.
    Denied,
}

impl Outcome {
    /// The value of `audit.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! changes {
    ($($name:ident => $verb:ident, $event:literal, $action:literal, $doc:literal;)*) => {
        $(
            #[doc = concat!($doc, ": `", $event, "`, action `", $action, "`.")]
            ///
            /// `kind` says what sort of thing it is (`audit.resource.type`), `id` which one
            /// (`audit.resource.id`).
            pub fn $name<'a>(kind: &'a str, id: impl Into<Id<'a>>) -> Change<'a> {
                Change::new(Verb::$verb, kind, id.into())
            }
        )*

        #[derive(Clone, Copy, Debug)]
        enum Verb {
            $($verb,)*
        }

        impl Change<'_> {
            /// Records it.
            pub fn emit(self) {
                match self.verb {
                    $(Verb::$verb => crate::audit!(
                        $event,
                        user.id = self.actor.map(field::display),
                        audit.actor = self.actor_that_is_no_user(),
                        audit.action = self.action.unwrap_or($action),
                        audit.resource.type = self.kind,
                        audit.resource.id = field::display(self.id),
                        audit.outcome = self.outcome.as_str(),
                        audit.changes = self.changes,
                        audit.reason = self.reason,
                        "{} {} {}",
                        self.action.unwrap_or($action),
                        self.kind,
                        self.id
                    ),)*
                }
            }
        }
    };
}

changes! {
    created => Created, "audit.created", "create", "Somebody made something";
    updated => Updated, "audit.updated", "update", "Somebody changed something";
    deleted => Deleted, "audit.deleted", "delete", "Somebody took something away";
    viewed => Viewed, "audit.viewed", "view", "Somebody looked at something that is watched";
    exported => Exported, "audit.exported", "export", "Somebody took a copy out";
}

/// A record for an audit; made by [`created`], [`updated`], [`deleted`], [`viewed`] and
/// [`exported`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Change<'a> {
    verb: Verb,
    kind: &'a str,
    id: Id<'a>,
    actor: Option<Id<'a>>,
    system: Option<&'a str>,
    action: Option<&'a str>,
    outcome: Outcome,
    changes: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Change<'a> {
    const fn new(verb: Verb, kind: &'a str, id: Id<'a>) -> Self {
        Self {
            verb,
            kind,
            id,
            actor: None,
            system: None,
            action: None,
            outcome: Outcome::Success,
            changes: None,
            reason: None,
        }
    }

    /// The user who did it: `user.id`. Default: the request's user.
    pub fn actor(mut self, user: impl Into<Id<'a>>) -> Self {
        self.actor = Some(user.into());
        self
    }

    /// What did it where it was no user, such as `nightly cleanup`: `audit.actor`. Where
    /// neither this nor any user is known, that is `unknown`.
    pub fn system(mut self, name: &'a str) -> Self {
        self.system = Some(name);
        self
    }

    /// The service's own word for what was done: `audit.action`, such as `complete` or
    /// `reset`. Default: the verb of the event.
    pub fn action(mut self, action: &'a str) -> Self {
        self.action = Some(action);
        self
    }

    /// How it ended. Default: [`Outcome::Success`].
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// What was changed, by the names of the fields and not by their values, which may be
    /// secret: `audit.changes`.
    pub fn changes(mut self, fields: &'a str) -> Self {
        self.changes = Some(fields);
        self
    }

    /// Why, where somebody has to give a reason: `audit.reason`.
    pub fn reason(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// No record of an audit is without an actor.
    fn actor_that_is_no_user(&self) -> Option<&'a str> {
        let known = || self.actor.is_some() || context::user_is_known();
        self.system.or_else(|| (!known()).then_some("unknown"))
    }
}
