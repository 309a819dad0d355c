//! The log: streams, levels, words and attributes, the newest line first.

use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::{
    App,
    context::Context,
    failure::failure,
    lines::{line, trace_id},
    links::Links,
    performance,
    ranged::Ranged,
    stream::{Item, says},
    table::Table,
    volume::{by_level, totals},
};
use crate::{
    page::{
        PageRequest, Query, View,
        format::{count, rfc3339, time},
        markup::Markup,
        record::level,
        table::{LogTable, Pager},
    },
    store::{Page, Reader, RecordFilter, StoreError, Volume, parse_query},
};

/// Lines of one page.
const LINES: usize = 100;
/// Lines of one download.
const EXPORTED: usize = 10_000;

/// The streams in the order of the tabs, by what `stream=` says and by what the tab says.
const STREAMS: [(&str, &str); 10] = [
    ("", "All"),
    ("app", "App"),
    ("error", "Error"),
    ("security", "Security"),
    ("audit", "Audit"),
    ("business", "Business"),
    ("performance", "Performance"),
    ("analytics", "Analytics"),
    ("job", "Job"),
    ("request", "Request"),
];

/// What `level=` may say, with the first severity number of it.
const LEVELS: [(&str, i32); 6] = [
    ("trace", 1),
    ("debug", 5),
    ("info", 9),
    ("warn", 13),
    ("error", 17),
    ("fatal", 21),
];

#[derive(Debug)]
struct Tab {
    label: String,
    href: String,
    count: String,
    current: bool,
    /// There is something, and it is bad.
    alarm: bool,
}

/// A condition that stands in no field, and how to be rid of it.
#[derive(Debug)]
struct Chip {
    name: &'static str,
    value: String,
    without: String,
}

#[derive(Template)]
#[template(path = "logs.html")]
struct Logs {
    tabs: Vec<Tab>,
    chips: Vec<Chip>,
    q: String,
    levels: Vec<(&'static str, bool)>,
    /// Parameters that the form has no field for.
    kept: Vec<(String, String)>,
    chart: Option<Markup>,
    /// Of the stream `performance`.
    slow: Option<Table>,
    lines: LogTable,
    pager: Pager,
    /// Where to search on, and how far back it got, where time ran out.
    further: Option<(String, Markup)>,
    export: String,
    wider: Option<String>,
}

pub(super) async fn logs(State(app): State<App>, request: PageRequest) -> Response {
    Ranged::new(View::Logs, "Logs", "records")
        .respond(&app, &request, answer)
        .await
}

/// The selection of an address.
fn filter(query: &Query, context: &Context) -> RecordFilter {
    RecordFilter {
        service: context.service.clone(),
        stream: query.get("stream").map(str::to_owned),
        event: query.get("event").map(str::to_owned),
        severity: query.get("level").and_then(severity),
        trace: query
            .get("trace")
            .and_then(|id| u128::from_str_radix(id, 16).ok()),
        since: context.from(),
        query: query.get("q").map(parse_query).unwrap_or_default(),
    }
}

fn severity(name: &str) -> Option<i32> {
    LEVELS
        .iter()
        .find(|(level, _)| *level == name)
        .map(|(_, number)| *number)
}

fn answer(reader: &Reader, context: &Context, request: &PageRequest) -> Result<Logs, StoreError> {
    let query = &request.query;
    let filter = filter(query, context);
    let row = |name| query.get(name).and_then(|row| row.parse::<i64>().ok());
    let (found, newer) = find(reader, &filter, row("before"), row("after"))?;

    let intervals = context.intervals(reader.first_volume()?);
    let volumes = reader.volumes_in(
        context.since,
        intervals.seconds(),
        context.service.as_deref(),
        None,
    )?;
    // What is counted is neither by words nor by traces.
    let chart = (filter.query.is_empty() && filter.trace.is_none()).then(|| {
        let shown: Vec<Volume> = volumes
            .iter()
            .filter(|volume| fits(&filter, volume))
            .cloned()
            .collect();
        by_level("Records", intervals, &shown).render()
    });

    let at = |key: &str, row: i64| query.with(key, &row.to_string()).at("/logs");
    let first = found.items.first().map(|(row, _)| row.id);
    let pager = Pager {
        newer: first.filter(|_| newer).map(|first| {
            // A search for attributes goes one way only.
            if filter.query.terms.is_empty() {
                at("after", first)
            } else {
                query.without("before").at("/logs")
            }
        }),
        older: found
            .next
            .filter(|_| !found.unfinished)
            .map(|next| at("before", next)),
    };
    let further = match found.next.filter(|_| found.unfinished) {
        Some(next) => {
            let reached = reader.record_row(next)?.map_or(0, |row| row.time);
            Some((at("before", next), time(reached)))
        }
        None => None,
    };
    let wider = request.wider().filter(|_| found.items.is_empty());
    let logs = Logs {
        tabs: tabs(query, &volumes),
        chips: chips(query),
        q: query.get("q").unwrap_or_default().to_owned(),
        levels: LEVELS
            .iter()
            .map(|(name, _)| (*name, query.get("level") == Some(name)))
            .collect(),
        kept: query
            .only(&["stream", "service", "since", "trace", "event"])
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        chart,
        slow: match query.get("stream") {
            Some(performance::STREAM) if row("before").is_none() && filter.query.is_empty() => {
                performance::slowest(reader, context, &Links::of(request))?
            }
            _ => None,
        },
        lines: LogTable {
            caption: "Records, the newest first".to_owned(),
            lines: found
                .items
                .iter()
                .map(|item| line(item, Some(query)))
                .collect(),
            empty: if further.is_some() {
                "Nothing so far.".to_owned()
            } else if row("before").is_some() {
                "No older records.".to_owned()
            } else {
                format!("No records fit {}.", request.since().within())
            },
        },
        pager,
        further,
        export: query.without("before").without("after").at("/logs.json"),
        wider,
    };
    Ok(logs)
}

/// The page of records, and whether there may be newer ones than these.
fn find(
    reader: &Reader,
    filter: &RecordFilter,
    before: Option<i64>,
    after: Option<i64>,
) -> Result<(Page<Item>, bool), StoreError> {
    if let Some(after) = after {
        let newer = reader.records_after(filter, after, LINES)?;
        let mut items = newer.items;
        items.reverse();
        // Less than a page is the beginning, where the newest belong.
        if newer.next.is_some() && !items.is_empty() {
            let next = items.last().map(|(row, _)| row.id);
            let page = Page {
                items,
                next,
                unfinished: false,
            };
            return Ok((page, true));
        }
        return Ok((reader.records(filter, None, LINES)?, false));
    }
    Ok((reader.records(filter, before, LINES)?, before.is_some()))
}

/// Whether what was counted is of the selection.
fn fits(filter: &RecordFilter, volume: &Volume) -> bool {
    let stream = match filter.stream.as_deref() {
        None => true,
        Some("error") => volume.level >= 17,
        Some("app") => volume.stream.is_empty(),
        Some(stream) => *volume.stream == *stream,
    };
    let event = filter.event.as_deref();
    stream
        && event.is_none_or(|event| *volume.event == *event)
        && filter
            .severity
            .is_none_or(|least| volume.level >= i64::from(least))
}

fn tabs(query: &Query, volumes: &[Volume]) -> Vec<Tab> {
    let chosen = query.get("stream").unwrap_or_default();
    let streams = totals(volumes, |volume| Some(&volume.stream));
    let errors: u64 = volumes
        .iter()
        .filter(|volume| volume.level >= 17)
        .map(|volume| volume.count)
        .sum();
    let of = |stream: &str| match stream {
        "" => streams.iter().map(|(_, count)| count).sum(),
        "error" => errors,
        stream => {
            let stream = if stream == "app" { "" } else { stream };
            let found = streams.iter().find(|(name, _)| *name == stream);
            found.map_or(0, |(_, count)| *count)
        }
    };
    // Streams of the service's own come last, as many as there is room for.
    let own = streams
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.is_empty() && !STREAMS.iter().any(|(stream, _)| stream == name));
    let own: Vec<_> = own.take(10).map(|name| (name, name)).collect();
    let unknown =
        (!STREAMS.iter().chain(&own).any(|(name, _)| *name == chosen)).then_some((chosen, chosen));
    // Another stream has other events.
    let rest = query.without("event");
    STREAMS
        .into_iter()
        .chain(own)
        .chain(unknown)
        .map(|(stream, label)| Tab {
            label: label.to_owned(),
            href: rest.with("stream", stream).at("/logs"),
            count: count(of(stream)),
            current: stream == chosen,
            alarm: stream == "error" && errors > 0,
        })
        .collect()
}

fn chips(query: &Query) -> Vec<Chip> {
    ["event", "trace"]
        .into_iter()
        .filter_map(|name| {
            Some(Chip {
                name,
                value: query.get(name)?.to_owned(),
                without: query.without(name).at("/logs"),
            })
        })
        .collect()
}

/// The selection as a line of JSON for each record, the newest first.
pub(super) async fn export(State(app): State<App>, request: PageRequest) -> Response {
    let context = Context::of(&app, &request);
    let filter = filter(&request.query, &context);
    let answer = app
        .readers
        .ask(move |reader| {
            let mut out = String::new();
            let (mut before, mut lines) = (None, 0);
            loop {
                let page = reader.records(&filter, before, 500)?;
                for item in page.items.iter().take(EXPORTED - lines) {
                    out.push_str(&json(item).to_string());
                    out.push('\n');
                }
                lines += page.items.len();
                before = page.next;
                if before.is_none() || lines >= EXPORTED {
                    return Ok(out);
                }
            }
        })
        .await;
    match answer {
        Ok(lines) => (
            [
                (header::CONTENT_TYPE, "application/x-ndjson"),
                (
                    header::CONTENT_DISPOSITION,
                    "attachment; filename=\"logs.jsonl\"",
                ),
            ],
            lines,
        )
            .into_response(),
        Err(error) => failure(&request, View::Logs, &error),
    }
}

/// A record as the SDK's console writes it, so that the same scripts read both.
fn json((row, record): &Item) -> serde_json::Value {
    let log: &LogRecord = record;
    let mut json = serde_json::json!({
        "id": row.id,
        "timestamp": rfc3339(row.time),
        "severity_text": level(row.severity).0.to_uppercase(),
        "severity_number": row.severity,
        "service.name": &*row.service,
        "scope.name": record.scope.name,
        "body": log.body.as_ref().map(value),
        "attributes": values(&log.attributes),
        "resource": values(&record.resource.attributes),
    });
    let mut set = |name: &str, value: Option<String>| {
        if let (Some(value), Some(object)) = (value, json.as_object_mut()) {
            object.insert(name.to_owned(), value.into());
        }
    };
    set("event_name", row.event.as_deref().map(str::to_owned));
    set("trace_id", row.trace.map(trace_id));
    set("span_id", row.span.map(super::lines::span_id));
    let category = says(&log.attributes, "log.category");
    set("log.category", (!category.is_empty()).then_some(category));
    json
}

fn values(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
) -> serde_json::Map<String, serde_json::Value> {
    attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().map(value);
            (attribute.key.clone(), value.unwrap_or_default())
        })
        .collect()
}

fn value(value: &opentelemetry_proto::tonic::common::v1::AnyValue) -> serde_json::Value {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    match &value.value {
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(value)) => (*value).into(),
        Some(Value::IntValue(value)) => (*value).into(),
        Some(Value::DoubleValue(value)) => (*value).into(),
        Some(Value::BytesValue(bytes)) => bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(self::value).collect(),
        Some(Value::KvlistValue(map)) => values(&map.values).into(),
        _ => serde_json::Value::Null,
    }
}
