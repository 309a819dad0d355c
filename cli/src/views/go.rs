//! The search box: from an id to what it means.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::{App, failure::failure};
use crate::{
    page::{self, Find, PageRequest, View},
    store::{Reader, RecordFilter, SpanFilter, Term},
};

pub(super) async fn go(State(app): State<App>, request: PageRequest) -> Response {
    let text = request.query.get("q").unwrap_or_default().to_owned();
    let answer = app
        .readers
        .ask(move |reader| Ok(page::destination(&text, &Stored(reader))))
        .await;
    match answer {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(error) => failure(&request, View::Overview, &error),
    }
}

/// What the database knows of an id. A question that fails is a "no": the search for the text
/// that it ends in will say what is wrong.
struct Stored<'a>(&'a Reader);

impl Stored<'_> {
    /// Whether anything has this attribute, looked for as long as one search may take.
    fn has(&self, key: &str, value: &str) -> bool {
        let terms = vec![Term {
            key: key.to_owned(),
            value: value.to_owned(),
        }];
        let mut records = RecordFilter::default();
        records.query.terms.clone_from(&terms);
        let found = self.0.records(&records, None, 1);
        if found.is_ok_and(|page| !page.items.is_empty()) {
            return true;
        }
        let mut spans = SpanFilter::default();
        spans.query.terms = terms;
        let found = self.0.spans(&spans, None, 1);
        found.is_ok_and(|page| !page.items.is_empty())
    }
}

impl Find for Stored<'_> {
    fn has_trace(&self, trace_id: &str) -> bool {
        let Ok(trace) = u128::from_str_radix(trace_id, 16) else {
            return false;
        };
        self.0
            .trace_rows(trace, 1)
            .is_ok_and(|rows| !rows.is_empty())
            || self
                .0
                .records(
                    &RecordFilter {
                        trace: Some(trace),
                        ..RecordFilter::default()
                    },
                    None,
                    1,
                )
                .is_ok_and(|page| !page.items.is_empty())
    }

    fn trace_of_span(&self, span_id: &str) -> Option<String> {
        let span = u64::from_str_radix(span_id, 16).ok()?;
        let trace = self.0.trace_of_span(span).ok()??;
        Some(super::lines::trace_id(trace))
    }

    fn error(&self, id: &str) -> Option<String> {
        let issue = self.0.issue_of_event(id).ok()??;
        Some(issue.issue.to_string())
    }

    fn has_request(&self, id: &str) -> bool {
        // A sentence is no id, and looking for one takes long.
        !id.contains(char::is_whitespace) && self.has("request.id", id)
    }

    fn has_user(&self, id: &str) -> bool {
        !id.contains(char::is_whitespace) && (self.has("user.id", id) || self.has("user.name", id))
    }
}
