//! Where things of one id, user or kind are found, within the range that the page shows.

use super::lines::{span_id, trace_id};
use crate::{
    page::{PageRequest, query::href},
    store::RecordRow,
};

/// Keeps the range and the service of a page in the links that lead on from it.
#[derive(Clone, Debug)]
pub(super) struct Links {
    since: String,
    service: String,
}

impl Links {
    pub(super) fn of(request: &PageRequest) -> Self {
        let kept = |name| request.query.get(name).unwrap_or_default().to_owned();
        Self {
            since: kept("since"),
            service: kept("service"),
        }
    }

    /// From a page without a range, as that of one thing: whatever it leads to may be old.
    pub(super) fn everything() -> Self {
        Self {
            since: "all".to_owned(),
            service: String::new(),
        }
    }

    /// Nowhere for somebody unknown, as everywhere here.
    pub(super) fn user(&self, user: &str) -> String {
        self.users("user", user)
    }

    pub(super) fn address(&self, address: &str) -> String {
        self.users("address", address)
    }

    fn users(&self, kind: &str, id: &str) -> String {
        if id.is_empty() {
            return String::new();
        }
        href(&["users"], &[(kind, id), ("since", &self.since)])
    }

    /// The log with these conditions; the value of `q` may be made by [`term`].
    pub(super) fn logs(&self, conditions: &[(&str, &str)]) -> String {
        let mut all = conditions.to_vec();
        all.push(("service", &self.service));
        all.push(("since", &self.since));
        href(&["logs"], &all)
    }
}

/// A condition on an attribute as a search line has it; empty where it cannot be said.
pub(super) fn term(key: &str, value: &str) -> String {
    if value.is_empty() || value.contains(['"', '\n', '…']) {
        String::new()
    } else if value.contains(char::is_whitespace) {
        format!("{key}=\"{value}\"")
    } else {
        format!("{key}={value}")
    }
}

/// The record itself, with what was around it.
pub(super) fn record(row: &RecordRow) -> String {
    href(&["logs", &row.id.to_string()], &[])
}

/// The trace of a record at its span; empty where it has none.
pub(super) fn trace(row: &RecordRow) -> String {
    let Some(trace) = row.trace else {
        return String::new();
    };
    let span = row.span.map(span_id).unwrap_or_default();
    href(&["traces", &trace_id(trace)], &[("span", &span)])
}
