//! What the load did and what came of it, for whoever compares that with what arrived.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) seed: u64,
    /// How often each was done.
    pub(super) actions: BTreeMap<&'static str, u64>,
    /// Those that had to be left out, such as the refund of an order that did not come about.
    pub(super) left_out: BTreeMap<&'static str, u64>,
    /// Requests that were sent, also those without an answer.
    pub(super) requests: u64,
    pub(super) answers: BTreeMap<u16, u64>,
    pub(super) unanswered: u64,
    pub(super) logins: Logins,
    pub(super) registrations: u64,
    pub(super) password_changes: u64,
    pub(super) permissions_denied: u64,
    pub(super) accounts_disabled: u64,
    pub(super) accounts_enabled: u64,
    pub(super) checkouts: Checkouts,
    pub(super) refunds: u64,
    pub(super) subscriptions: u64,
    /// Answers of the page with the bug, where it panicked.
    pub(super) panics: u64,
    pub(super) jobs: Jobs,
    /// Suspicious requests by kind, as the SDK's events are called.
    pub(super) attacks: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Logins {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Checkouts {
    pub(super) completed: u64,
    /// What was paid, in cents.
    pub(super) amount: i64,
    /// By the status of the answer: 402 not paid, 409 not to be had.
    pub(super) failed: BTreeMap<u16, u64>,
}

/// What the worker was asked to do.
#[derive(Debug, Default, Serialize)]
pub(super) struct Jobs {
    pub(super) asked: u64,
    /// Digests for users without an address, which fail.
    pub(super) to_fail: u64,
}

impl Tally {
    pub(super) fn did(&mut self, action: &'static str) {
        *self.actions.entry(action).or_default() += 1;
    }

    pub(super) fn left_out(&mut self, action: &'static str) {
        *self.left_out.entry(action).or_default() += 1;
    }

    pub(super) fn attacked(&mut self, kind: &'static str) {
        *self.attacks.entry(kind).or_default() += 1;
    }

    pub(super) fn answered(&mut self, status: Option<u16>) {
        self.requests += 1;
        match status {
            Some(status) => *self.answers.entry(status).or_default() += 1,
            None => self.unanswered += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: u64 = self.answers.range(500..).map(|(_, count)| count).sum();
        let attacks: u64 = self.attacks.values().sum();
        write!(
            f,
            "{} requests, {failures} answered with an error, {} not at all; {} logins and {} failed; {} checkouts worth {}.{:02} EUR; {attacks} attacks; seed {}",
            self.requests,
            self.unanswered,
            self.logins.succeeded,
            self.logins.failed,
            self.checkouts.completed,
            self.checkouts.amount / 100,
            self.checkouts.amount % 100,
            self.seed,
        )
    }
}
