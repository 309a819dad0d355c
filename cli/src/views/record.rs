//! One line of the log, whole, with what its service wrote before and after it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    App,
    failure::failure,
    lines::{line, trace_id},
    links::{self, Links, term},
    stream::says,
};
use crate::{
    page::{
        PageRequest, Shell, View,
        format::time,
        markup::Markup,
        not_found,
        query::href,
        table::{LogLine, LogTable},
        value,
    },
    store::{Reader, StoreError},
};

/// Lines before it, and as many after it.
const AROUND: usize = 50;

/// A way on from the line.
#[derive(Debug)]
struct Onward {
    what: &'static str,
    name: String,
    href: String,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    line: LogLine,
    at: Markup,
    scope: String,
    onward: Vec<Onward>,
    attributes: Markup,
    resource: Markup,
    stack: String,
    around: LogTable,
}

pub(super) async fn record(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Response {
    let links = Links::everything();
    let answer = match id.parse() {
        Ok(id) => {
            app.readers
                .ask(move |reader| answer(reader, id, &links))
                .await
        }
        Err(_) => Ok(None),
    };
    match answer {
        Ok(Some(record)) => Shell::new(&request, View::Logs, "Line of the log").respond(&record),
        Ok(None) => not_found(
            &request,
            View::Logs,
            "such line",
            "It was deleted, as it became too old or too much was stored, or there never was one.",
        ),
        Err(error) => failure(&request, View::Logs, &error),
    }
}

fn answer(reader: &Reader, id: i64, links: &Links) -> Result<Option<Record>, StoreError> {
    let around = reader.records_around(id, AROUND)?;
    let Some(item) = around.iter().find(|(row, _)| row.id == id) else {
        return Ok(None);
    };
    let (row, stored) = item;
    let attributes = &stored.item.attributes;
    let mut onward = Vec::new();
    let mut add = |what, name: String, href: String| {
        if !name.is_empty() && !href.is_empty() {
            onward.push(Onward { what, name, href });
        }
    };
    for (issue, title) in reader.issues_beside(row.id, row.time, row.trace)? {
        add("error", title, href(&["errors", &issue.to_string()], &[]));
    }
    add(
        "trace",
        row.trace.map(trace_id).unwrap_or_default(),
        links::trace(row),
    );
    let user = says(attributes, "user.id");
    add("user", user.clone(), links.user(&user));
    let address = says(attributes, "client.address");
    add("address", address.clone(), links.address(&address));
    for (what, key) in [
        ("request", "request.id"),
        ("session", "session.id"),
        ("order", "order.id"),
        ("payment", "payment.id"),
    ] {
        let id = says(attributes, key);
        let search = term(key, &id);
        let all = ("since", "all");
        if !search.is_empty() {
            add(what, id, href(&["logs"], &[("q", &search), all]));
        }
    }
    if let Some(event) = &row.event {
        let all = links.logs(&[("event", event)]);
        add("event", event.to_string(), all);
    }

    let stack = says_whole(attributes, "exception.stacktrace");
    let told: Vec<_> = attributes
        .iter()
        .filter(|attribute| attribute.key != "exception.stacktrace")
        .cloned()
        .collect();
    let lines = around
        .iter()
        .map(|item| LogLine {
            chosen: item.0.id == id,
            ..line(item, None)
        })
        .collect();
    Ok(Some(Record {
        line: line(item, None),
        at: time(row.time),
        scope: stored.scope.name.clone(),
        onward,
        attributes: value::attributes_of_record(&told, |_, _| None),
        resource: value::attributes(&stored.resource.attributes),
        stack,
        around: LogTable {
            caption: format!("What {} wrote before and after", row.service),
            lines,
            empty: String::new(),
        },
    }))
}

/// A text with its lines, which is cut where no page could show it.
fn says_whole(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
    key: &str,
) -> String {
    const LONGEST: usize = 64 * 1024;
    let text = crate::page::trace::text(attributes, key).unwrap_or_default();
    text.chars().take(LONGEST).collect()
}
