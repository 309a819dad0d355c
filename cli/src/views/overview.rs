//! The first page: how the services are, what is slow, what failed, and what was logged; and before
//! anything came, how to send something.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::{Context, Intervals, services},
    failure::failure,
    red::{Clock, Tally, tally},
    table::{Cell, Table},
    volume::{by_level, totals},
};
use crate::{
    dev::Running,
    page::{
        PageRequest, Shell, View,
        chart::{Kind, Series, TimeChart, colour, sparkline},
        format::{count, rate, seconds, share},
        markup::Markup,
        query::href,
        table::RedTable,
    },
    store::{Durations, IssueFilter, IssueState, Reader, StoreError, Volume},
};

/// Rows of each list of endpoints.
const ENDPOINTS: usize = 7;
/// Errors that are named.
const ERRORS: usize = 6;
/// Events that a stream's line names.
const EVENTS: usize = 6;
/// An endpoint of fewer requests than that is slow by chance.
const ENOUGH: u64 = 3;

/// One number that matters.
#[derive(Debug)]
struct Card {
    name: &'static str,
    href: String,
    value: String,
    small: String,
    class: &'static str,
    line: Option<Markup>,
}

/// A stream in one line.
#[derive(Debug)]
struct Stream {
    name: &'static str,
    href: String,
    count: String,
    /// Events, how often, and where they are.
    events: Vec<(String, String, String)>,
    more: usize,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    cards: Vec<Card>,
    services: RedTable,
    busiest: RedTable,
    slowest: RedTable,
    errors: Table,
    requests: Markup,
    volume: Markup,
    streams: Vec<Stream>,
    /// Everything, where the range has nothing.
    wider: Option<String>,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    running: Running,
}

enum Answer {
    Empty,
    Full(Vec<String>, Box<Overview>),
}

pub(super) async fn overview(State(app): State<App>, request: PageRequest) -> Response {
    let context = Context::of(&app, &request);
    let (asked, view) = (request.clone(), context.clone());
    let answer = app
        .readers
        .ask(move |reader| {
            if reader.is_empty()? {
                return Ok(Answer::Empty);
            }
            let overview = answer(reader, &asked, &view)?;
            Ok(Answer::Full(services(reader)?, Box::new(overview)))
        })
        .await;
    match answer {
        Ok(Answer::Empty) => Shell::new(&request, View::Overview, "Waiting for the first data")
            .live("spans records errors points", context.counters)
            .respond(&Welcome {
                running: app.running,
            }),
        Ok(Answer::Full(services, overview)) => Shell::new(&request, View::Overview, "Overview")
            .services(services)
            .range()
            .live("spans records errors", context.counters)
            .respond(&*overview),
        Err(error) => failure(&request, View::Overview, &error),
    }
}

fn answer(
    reader: &Reader,
    request: &PageRequest,
    context: &Context,
) -> Result<Overview, StoreError> {
    let service = context.service.as_deref();
    let first_request = reader.first_request(context.since, service)?;
    let first = [first_request, reader.first_volume()?]
        .into_iter()
        .flatten()
        .min();
    let intervals = context.intervals(first);
    let endpoints = reader.endpoints(context.since, intervals.seconds(), service)?;
    let volumes = reader.volumes_in(context.since, intervals.seconds(), service, None)?;
    let clock = Clock::of(context, intervals, first_request);

    let mut of_services = tally(&endpoints, intervals, |one| (&one.service, ""));
    // One that answers no requests is a service as well.
    for name in reader.services()? {
        let known = of_services.iter().any(|one| *one.service == *name);
        if !known && service.is_none_or(|chosen| *chosen == *name) {
            of_services.push(Tally {
                service: name.to_string(),
                ..Tally::default()
            });
        }
    }
    of_services.sort_by(|left, right| {
        (right.count > 0)
            .cmp(&(left.count > 0))
            .then(left.service.cmp(&right.service))
    });
    let mut of_endpoints = tally(&endpoints, intervals, |one| (&one.service, &one.name));
    let table = |caption: &str, first: &str, tallies: &[Tally], most: usize, empty: String| {
        let rows = tallies.iter().take(most);
        RedTable {
            caption: caption.to_owned(),
            first: first.to_owned(),
            rows: rows.map(|one| one.row(&clock, request)).collect(),
            empty,
        }
    };
    let none = format!("No requests {}.", request.since().within());
    of_endpoints.sort_by_key(|one| std::cmp::Reverse(one.count));
    let busiest = table(
        "Busiest endpoints",
        "Endpoint",
        &of_endpoints,
        ENDPOINTS,
        none.clone(),
    );
    let enough = if of_endpoints.iter().any(|one| one.count >= ENOUGH) {
        ENOUGH
    } else {
        1
    };
    of_endpoints.retain(|one| one.count >= enough);
    of_endpoints.sort_by_key(|one| std::cmp::Reverse(one.durations.quantile(0.95)));
    let slowest = table(
        "Slowest endpoints, by p95",
        "Endpoint",
        &of_endpoints,
        ENDPOINTS,
        none,
    );
    Ok(Overview {
        cards: cards(request, &clock, &of_services, intervals, &volumes),
        services: table(
            "Services",
            "Service",
            &of_services,
            usize::MAX,
            "No service has sent anything.".to_owned(),
        ),
        busiest,
        slowest,
        errors: errors(reader, request, context)?,
        requests: requests(&of_services, intervals, &clock),
        volume: by_level("Log records by level", intervals, &volumes).render(),
        streams: streams(request, &volumes),
        wider: request
            .wider()
            .filter(|_| endpoints.is_empty() && volumes.is_empty()),
    })
}

fn cards(
    request: &PageRequest,
    clock: &Clock,
    services: &[Tally],
    intervals: Intervals,
    volumes: &[Volume],
) -> Vec<Card> {
    let mut all = Tally {
        parts: vec![Default::default(); intervals.len()],
        ..Tally::default()
    };
    for service in services {
        all.count += service.count;
        all.errors += service.errors;
        all.durations.merge(&service.durations);
        for (sum, part) in all.parts.iter_mut().zip(&service.parts) {
            sum.count += part.count;
            sum.errors += part.errors;
            sum.durations.merge(&part.durations);
        }
    }
    let row = all.row(clock, request);
    let kept = request.query.only(&["since", "service"]);
    let quantile = |durations: &Durations, quantile| {
        durations
            .quantile(quantile)
            .map_or("–".to_owned(), |value| seconds(value as f64 / 1e9))
    };
    let records: u64 = volumes.iter().map(|volume| volume.count).sum();
    let bad = |volume: &&Volume| volume.level >= 17;
    let errors: u64 = volumes.iter().filter(bad).map(|one| one.count).sum();
    let mut error_line = vec![0.0; intervals.len()];
    for volume in volumes.iter().filter(bad) {
        let at = (volume.at.unsigned_abs() * 1_000_000_000).max(intervals.start);
        if let Some(index) = intervals.index(at) {
            error_line[index] += volume.count as f64;
        }
    }
    let percent: Vec<f64> = row.failures.iter().map(|share| share * 100.0).collect();
    vec![
        Card {
            name: "Requests",
            href: kept.at("/traces"),
            value: rate(row.rate),
            small: format!("{} in all", count(all.count)),
            class: "",
            line: Some(sparkline(&row.rates, "1/s", "requests", "c0")),
        },
        Card {
            name: "Failed requests",
            href: kept.with("status", "error").at("/traces"),
            value: share(row.failed),
            small: format!("{} in all", count(all.errors)),
            class: if all.errors > 0 { "error-text" } else { "" },
            line: Some(sparkline(&percent, "%", "failed requests", "error")),
        },
        Card {
            name: "Duration, p95",
            href: kept.at("/traces"),
            value: quantile(&all.durations, 0.95),
            small: format!(
                "p50 {}, p99 {}",
                quantile(&all.durations, 0.5),
                quantile(&all.durations, 0.99)
            ),
            class: "",
            line: Some(sparkline(&row.durations, "s", "95th percentile", "c3")),
        },
        Card {
            name: "Errors in the log",
            href: kept.with("stream", "error").at("/logs"),
            value: count(errors),
            small: format!("of {} records", count(records)),
            class: if errors > 0 { "error-text" } else { "" },
            line: Some(sparkline(&error_line, "{record}", "errors", "error")),
        },
    ]
}

/// Requests a second of each service, on top of one another.
fn requests(services: &[Tally], intervals: Intervals, clock: &Clock) -> Markup {
    let series = services.iter().filter(|one| one.count > 0);
    TimeChart {
        title: "Requests by service".to_owned(),
        unit: "{request}/s".to_owned(),
        kind: Kind::Stacked,
        start: intervals.start,
        end: intervals.end,
        series: series
            .map(|one| Series {
                name: one.service.clone(),
                class: colour(&one.service),
                points: clock
                    .rates(one)
                    .into_iter()
                    .enumerate()
                    .map(|(index, rate)| (intervals.at(index), rate))
                    .collect(),
            })
            .collect(),
        exemplars: Vec::new(),
    }
    .render()
}

/// What failed lately, each failure once.
fn errors(reader: &Reader, request: &PageRequest, context: &Context) -> Result<Table, StoreError> {
    let filter = IssueFilter {
        service: context.service.clone(),
        since: context.from(),
        ..IssueFilter::default()
    };
    let mut table = Table::new(
        "Errors lately",
        &["Last seen", "Service", "What", "State", "#Times"],
        &format!("No errors {}.", request.since().within()),
    );
    let found = reader.issues(&filter, 0, ERRORS)?;
    if found.next.is_some() {
        table.note = "the newest of them; the rest is under Errors".to_owned();
    }
    for issue in found.items {
        let mut service = Markup::new();
        let swatch = format!("swatch {}", colour(&issue.service));
        service
            .element("i", &[("class", &swatch)], &"")
            .text(&issue.service);
        let what = match issue.subtitle.as_str() {
            "" => issue.title.clone(),
            subtitle => format!("{}: {subtitle}", issue.title),
        };
        let address = href(&["errors", &issue.fingerprint.to_string()], &[]);
        let class = match issue.state {
            IssueState::Open => "",
            IssueState::Resolved => "ok",
            IssueState::Regressed => "error",
        };
        let cells = vec![
            Cell::ago(issue.last_seen),
            Cell::markup(service).class("nowrap"),
            Cell::text(what).class("cut").to(address),
            Cell::badge(issue.state.as_str(), class),
            Cell::number(issue.count),
        ];
        table.row(issue.fingerprint.to_string(), cells);
    }
    Ok(table)
}

/// What the streams with readers of their own had.
fn streams(request: &PageRequest, volumes: &[Volume]) -> Vec<Stream> {
    let kept = request.query.only(&["since", "service"]);
    [
        ("security", "Security", "/security"),
        ("business", "Business", "/business"),
        ("audit", "Audit", "/audit"),
        ("analytics", "Analytics", "/analytics"),
    ]
    .into_iter()
    .filter_map(|(stream, name, path)| {
        let of = |volume: &Volume| *volume.stream == *stream;
        let all: u64 = volumes
            .iter()
            .filter(|one| of(one))
            .map(|one| one.count)
            .sum();
        let events = totals(volumes, |volume| of(volume).then_some(&*volume.event));
        (all > 0).then(|| Stream {
            name,
            href: kept.at(path),
            count: count(all),
            more: events.len().saturating_sub(EVENTS),
            events: events
                .into_iter()
                .take(EVENTS)
                .map(|(event, number)| {
                    let address = kept.with("stream", stream).with("event", event).at("/logs");
                    let name = if event.is_empty() { "other" } else { event };
                    (name.to_owned(), count(number), address)
                })
                .collect(),
        })
    })
    .collect()
}
