//! Who did what to what, and how it ended.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    links::{self, Links},
    ranged::Ranged,
    stream::{Item, Tally, filter, read, says},
    table::{Cell, Table},
};
use crate::{
    page::{
        PageRequest, Query, View,
        format::{count, time},
        markup::Markup,
        table::Pager,
    },
    store::{
        Order, Page, Reader, RecordFilter, StoreError, SubjectFilter, SubjectKind, SubjectRow, Term,
    },
};

const STREAM: &str = "audit";
const LINES: usize = 100;
/// Of each kind, how many are offered to choose from.
const CHOICES: usize = 12;

/// What the address may ask for, and the attribute that has it. The actor is one of two.
const FILTERS: [(&str, &str, &str); 4] = [
    ("action", "Action", "audit.action"),
    ("type", "Resource", "audit.resource.type"),
    ("resource", "Its id", "audit.resource.id"),
    ("outcome", "Outcome", "audit.outcome"),
];

#[derive(Debug)]
struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    offered: Vec<String>,
}

/// A choice of how often each was there.
#[derive(Debug)]
struct Facet {
    label: &'static str,
    choices: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    /// Everything that is stored, where the range has nothing that fits.
    wider: Option<String>,
    fields: Vec<Field>,
    kept: Vec<(String, String)>,
    filtered: bool,
    facets: Vec<Facet>,
    note: String,
    table: Table,
    pager: Pager,
    further: Option<(String, Markup)>,
}

pub(super) async fn audit(State(app): State<App>, request: PageRequest) -> Response {
    let query = &request.query;
    let title = match (query.get("type"), query.get("resource")) {
        (Some(kind), Some(id)) => format!("Audit trail of {kind} {id}"),
        (None, Some(id)) => format!("Audit trail of {id}"),
        _ => "Audit".to_owned(),
    };
    Ranged::new(View::Audit, title, "records")
        .respond(&app, &request, answer)
        .await
}

fn answer(reader: &Reader, context: &Context, request: &PageRequest) -> Result<Audit, StoreError> {
    let (query, links) = (&request.query, Links::of(request));
    let before = query.get("before").and_then(|row| row.parse().ok());
    let base = filter(context, STREAM);
    let found = find(reader, &base, query, before)?;

    // What one can choose is of the whole stream, else one could not choose anew.
    let offered = read(reader, &base)?;
    let mut tallies: [Tally; 5] = Default::default();
    for (_, record) in &offered.items {
        let attributes = &record.item.attributes;
        tallies[0].add(actor(attributes));
        for (tally, (_, _, key)) in tallies[1..].iter_mut().zip(FILTERS) {
            tally.add(says(attributes, key));
        }
    }
    let mut note = String::new();
    if offered.more {
        // All but the ids of resources, which are offered without a count.
        for (place, kind) in [
            (0, SubjectKind::Actor),
            (1, SubjectKind::Action),
            (2, SubjectKind::ResourceType),
            (4, SubjectKind::Outcome),
        ] {
            let (rows, left_out) = counted(reader, context, kind)?;
            tallies[place] = Tally::counted(rows);
            if left_out > 0 {
                note.push_str(&format!(
                    " {} that came once or rarely are left out.",
                    count(left_out)
                ));
            }
        }
        if context.since > 0 {
            note.insert_str(
                0,
                "What there is to choose is counted from the full hour on in which the range begins.",
            );
        }
    }
    let names = [("actor", "Actor")]
        .into_iter()
        .chain(FILTERS.map(|(name, label, _)| (name, label)));
    let fields = names
        .clone()
        .zip(&tallies)
        .map(|((name, label), tally)| Field {
            name,
            label,
            value: query.get(name).unwrap_or_default().to_owned(),
            offered: tally
                .most(CHOICES)
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        })
        .collect();
    let facets = names
        .zip(&tallies)
        // One of thousands of ids is no choice; the table leads to its trail.
        .filter(|((name, _), _)| *name != "resource")
        .map(|((name, label), tally)| Facet {
            label,
            choices: tally
                .most(CHOICES)
                .iter()
                .map(|(choice, number)| {
                    let href = query.with(name, choice).at("/audit");
                    ((*choice).to_owned(), href, count(*number))
                })
                .collect(),
        })
        .filter(|facet| !facet.choices.is_empty())
        .collect();

    let next = found
        .next
        .map(|next| query.with("before", &next.to_string()).at("/audit"));
    let further = match (found.unfinished, &next, found.next) {
        (true, Some(href), Some(row)) => {
            let reached = reader.record_row(row)?.map_or(0, |row| row.time);
            Some((href.clone(), time(reached)))
        }
        _ => None,
    };
    Ok(Audit {
        wider: request.wider().filter(|_| found.items.is_empty()),
        fields,
        kept: query
            .only(&["since", "service"])
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        filtered: wanted(query).next().is_some() || query.get("actor").is_some(),
        facets,
        note,
        table: table(&found, query, &links),
        pager: Pager {
            newer: before.map(|_: i64| query.without("before").at("/audit")),
            older: next.filter(|_| further.is_none()),
        },
        further,
    })
}

/// The most frequent of a kind in the range, and how many were left out.
fn counted(
    reader: &Reader,
    context: &Context,
    kind: SubjectKind,
) -> Result<(Vec<SubjectRow>, u64), StoreError> {
    let found = reader.subjects(
        &SubjectFilter {
            kind,
            since: context.since,
            service: context.service.as_deref(),
            event: None,
            part: "",
            order: Order::MostFrequent,
        },
        CHOICES,
    )?;
    Ok((found.items, found.left_out))
}

fn wanted(query: &Query) -> impl Iterator<Item = Term> {
    FILTERS.into_iter().filter_map(|(name, _, key)| {
        Some(Term {
            key: key.to_owned(),
            value: query.get(name)?.to_owned(),
        })
    })
}

/// A page of what fits. The actor is a user, or else something that has no account.
fn find(
    reader: &Reader,
    base: &RecordFilter,
    query: &Query,
    before: Option<i64>,
) -> Result<Page<Item>, StoreError> {
    let mut filter = base.clone();
    filter.query.terms = wanted(query).collect();
    let Some(actor) = query.get("actor") else {
        return reader.records(&filter, before, LINES);
    };
    let mut found: Page<Item> = Page::default();
    let mut rest = Vec::new();
    for key in ["user.id", "audit.actor"] {
        let mut one = filter.clone();
        one.query.terms.push(Term {
            key: key.to_owned(),
            value: actor.to_owned(),
        });
        let page = reader.records(&one, before, LINES)?;
        found.unfinished |= page.unfinished;
        rest.extend(page.next);
        found.items.extend(page.items);
    }
    found
        .items
        .sort_by_key(|(row, _)| std::cmp::Reverse(row.id));
    found.items.dedup_by_key(|(row, _)| row.id);
    // Where one of the two stopped, the other has not looked yet.
    let stopped = rest.into_iter().max();
    if let Some(stopped) = stopped {
        found.items.retain(|(row, _)| row.id >= stopped);
    }
    found.next = stopped;
    if found.items.len() > LINES {
        found.items.truncate(LINES);
        found.next = found.items.last().map(|(row, _)| row.id);
        found.unfinished = false;
    }
    Ok(found)
}

fn actor(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> String {
    let user = says(attributes, "user.id");
    if user.is_empty() {
        says(attributes, "audit.actor")
    } else {
        user
    }
}

fn table(found: &Page<Item>, query: &Query, links: &Links) -> Table {
    let mut table = Table::new(
        "Who did what",
        &[
            "When", "Actor", "Action", "Resource", "Outcome", "Changes", "Event", "",
        ],
        if found.unfinished {
            "Nothing so far."
        } else {
            "Nothing that fits was audited in this range."
        },
    );
    for (row, record) in &found.items {
        let attributes = &record.item.attributes;
        let user = says(attributes, "user.id");
        let actor = actor(attributes);
        let who = if user.is_empty() {
            query.with("actor", &actor).at("/audit")
        } else {
            links.user(&user)
        };
        let action = says(attributes, "audit.action");
        let (kind, id) = (
            says(attributes, "audit.resource.type"),
            says(attributes, "audit.resource.id"),
        );
        let trail = crate::page::query::href(
            &["audit"],
            &[("type", &kind), ("resource", &id), ("since", "all")],
        );
        let outcome = says(attributes, "audit.outcome");
        let class = match outcome.as_str() {
            "success" => "ok",
            "" => "",
            "failure" | "error" | "denied" | "failed" => "error",
            _ => "warn",
        };
        let mut changes = says(attributes, "audit.changes");
        let reason = says(attributes, "audit.reason");
        if !reason.is_empty() {
            if !changes.is_empty() {
                changes.push_str(": ");
            }
            changes.push_str(&reason);
        }
        let event = row.event.as_deref().unwrap_or_default();
        table.row(
            row.id.to_string(),
            vec![
                Cell::time(row.time).to(links::record(row)),
                Cell::text(&actor).to(who).class("id"),
                Cell::text(&action).to(query.with("action", &action).at("/audit")),
                Cell::text(format_args!("{kind} {id}"))
                    .to(trail)
                    .class("id"),
                Cell::badge(&outcome, class),
                Cell::text(changes),
                Cell::text(event)
                    .to(links.logs(&[("stream", STREAM), ("event", event)]))
                    .class("muted"),
                Cell::text(if row.trace.is_some() { "trace" } else { "" }).to(links::trace(row)),
            ],
        );
    }
    table
}
