//! The search box: from an id to what it means.

use std::cell::OnceCell;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::{App, failure::failure};
use crate::{
    page::{self, Find, PageRequest, View},
    store::{Reader, RecordFilter},
};

pub(super) async fn go(State(app): State<App>, request: PageRequest) -> Response {
    let text = request.query.get("q").unwrap_or_default().to_owned();
    let answer = app
        .readers
        .ask(move |reader| {
            let stored = Stored {
                reader,
                key: OnceCell::new(),
            };
            Ok(page::destination(&text, &stored))
        })
        .await;
    match answer {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(error) => failure(&request, View::Overview, &error),
    }
}

/// Ids that are attributes, those that mean one request first.
const REQUEST: &str = "request.id";
const KEYS: [&str; 3] = [REQUEST, "user.id", "user.name"];

/// What the database knows of an id. A question that fails is a "no": the search for the text
/// that it ends in will say what is wrong.
struct Stored<'a> {
    reader: &'a Reader,
    /// What the text is, once that was looked for.
    key: OnceCell<Option<&'static str>>,
}

impl Stored<'_> {
    fn key(&self, id: &str) -> Option<&'static str> {
        *self.key.get_or_init(|| {
            // A sentence is no id, and looking for one takes long.
            if id.contains(char::is_whitespace) {
                return None;
            }
            self.reader.key_of(&KEYS, id).ok().flatten()
        })
    }
}

impl Find for Stored<'_> {
    fn has_trace(&self, trace_id: &str) -> bool {
        let Ok(trace) = u128::from_str_radix(trace_id, 16) else {
            return false;
        };
        self.reader
            .trace_rows(trace, 1)
            .is_ok_and(|rows| !rows.is_empty())
            || self
                .reader
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
        let trace = self.reader.trace_of_span(span).ok()??;
        Some(super::lines::trace_id(trace))
    }

    fn error(&self, id: &str) -> Option<String> {
        let issue = self.reader.issue_of_event(id).ok()??;
        Some(issue.issue.to_string())
    }

    fn has_request(&self, id: &str) -> bool {
        self.key(id) == Some(REQUEST)
    }

    fn has_user(&self, id: &str) -> bool {
        self.key(id).is_some_and(|key| key != REQUEST)
    }
}
