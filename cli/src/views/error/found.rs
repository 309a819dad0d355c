//! One error as the store has it: the issue, one time that it happened, and what is beside.

use crate::{
    issue::Fingerprint,
    page::href,
    store::{Issue, OccurrenceBody, OccurrenceRow, Reader, Shares, StoreError, Trace, TraceIssue},
    views::errors::{Line, lines},
};

/// Occurrences that are listed below.
const OTHERS: usize = 20;

/// An issue that looks like this one is listed; so many are.
const SIMILAR: usize = 5;

/// What the page needs of the store.
pub(super) struct Found {
    pub(super) issue: Issue,
    pub(super) row: Option<OccurrenceRow>,
    pub(super) body: OccurrenceBody,
    pub(super) older: Option<i64>,
    pub(super) newer: Option<i64>,
    pub(super) others: Vec<OccurrenceRow>,
    pub(super) shares: Shares,
    pub(super) volume: Vec<(u64, u64)>,
    pub(super) similar: Vec<Line>,
    pub(super) trace: Trace,
    pub(super) of_trace: Vec<TraceIssue>,
}

pub(super) enum Answer {
    Found(Box<Found>),
    /// The address was that of Sentry's event.
    Elsewhere(String),
    Nothing,
}

pub(super) fn find(
    reader: &Reader,
    id: &str,
    occurrence: Option<i64>,
    now: i64,
) -> Result<Answer, StoreError> {
    let event: String = id.chars().filter(|letter| *letter != '-').collect();
    if event.len() == 32 {
        let of_event = reader.issue_of_event(&event.to_ascii_lowercase())?;
        return Ok(of_event.map_or(Answer::Nothing, |found| {
            Answer::Elsewhere(href(
                &["errors", &found.issue.to_string()],
                &[("occurrence", &found.occurrence.to_string())],
            ))
        }));
    }
    let Some(issue) = id
        .parse::<Fingerprint>()
        .ok()
        .map(|fingerprint| reader.issue(fingerprint))
        .transpose()?
        .flatten()
    else {
        return Ok(Answer::Nothing);
    };
    let others = reader.occurrences(issue.id, OTHERS)?;
    let row = match occurrence {
        // One that moved to another issue is shown there.
        Some(id) => reader.occurrence(id)?.filter(|row| row.issue == issue.id),
        None => None,
    };
    let row = row.or_else(|| others.first().cloned());
    let mut body = OccurrenceBody::default();
    let (mut older, mut newer) = (None, None);
    let (mut trace, mut of_trace) = (Trace::default(), Vec::new());
    if let Some(row) = &row {
        body = reader.occurrence_body(row)?;
        (older, newer) = reader.occurrences_beside(row)?;
        if let Some(id) = row.trace {
            trace = reader.trace(id)?;
            of_trace = reader.issues_of_trace(id)?;
        }
    }
    let day = now.saturating_sub(86_400_000_000_000);
    let similar = reader.similar_issues(&issue, SIMILAR)?;
    Ok(Answer::Found(Box::new(Found {
        shares: reader.shares(issue.id)?,
        volume: reader.issue_volume(issue.id, day)?,
        similar: lines(reader, similar, day, now)?,
        issue,
        row,
        body,
        older,
        newer,
        others,
        trace,
        of_trace,
    })))
}
