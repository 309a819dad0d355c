//! What an SDK is told, in the words of Sentry's own servers.
//!
//! Never 429: an SDK then throws away all that it has for a minute, and on a laptop nobody is
//! over a quota.

use serde_json::json;

use super::{Envelope, EnvelopeError};

/// A status and a body of `application/json`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// To a body that was read: 200 with the event's id, or 400 where none of it was of use.
pub(crate) fn taken(envelope: &Envelope) -> Answer {
    let nothing = envelope.events.is_empty()
        && envelope.check_ins.is_empty()
        && envelope.client_reports.is_empty()
        && envelope.others.is_empty();
    match envelope.unreadable.first() {
        Some(item) if nothing => refusal(400, &format!("{}: {}", item.kind, item.detail)),
        _ => Answer {
            status: 200,
            body: match &envelope.event_id {
                Some(id) => json!({ "id": id }).to_string(),
                None => "{}".to_owned(),
            },
        },
    }
}

/// To a body that was not: 413 where it is too much, else 400.
pub(crate) fn refused(error: &EnvelopeError) -> Answer {
    let status = if error.is_too_large() { 413 } else { 400 };
    refusal(status, &error.to_string())
}

/// To one that came when it could not be stored: 503, upon which an SDK drops this envelope
/// alone, and says so in its next client report.
pub(crate) fn not_stored() -> Answer {
    refusal(503, "it cannot be stored at the moment")
}

fn refusal(status: u16, detail: &str) -> Answer {
    Answer {
        status,
        body: json!({ "detail": detail }).to_string(),
    }
}
