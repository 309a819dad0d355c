//! All metrics by name, each with its last value and its course.

use std::time::{Duration, Instant};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    App,
    context::Context,
    metric::{kind_name, lines::Shape, one_line},
    ranged::Ranged,
};
use crate::{
    page::{
        PageRequest, View,
        chart::{colour, sparkline},
        format::{count, quantity, unit_name},
        markup::Markup,
        query::href,
    },
    store::{Reader, SeriesFilter, StoreError},
};

/// How long values are read; the names after that stand without.
const PATIENCE: Duration = Duration::from_millis(110);

#[derive(Debug)]
struct Row {
    name: String,
    href: String,
    description: String,
    kind: &'static str,
    unit: String,
    services: Vec<(String, String)>,
    series: String,
    value: String,
    /// What the value is of: `p95`, `a second`.
    of: &'static str,
    line: Option<Markup>,
}

#[derive(Template)]
#[template(path = "metrics.html")]
struct Metrics {
    kept: Vec<(String, String)>,
    q: String,
    rows: Vec<Row>,
    none: String,
    /// Names without values, as time ran out.
    unread: usize,
}

pub(super) async fn metrics(State(app): State<App>, request: PageRequest) -> Response {
    Ranged::new(View::Metrics, "Metrics", "points")
        .respond(&app, &request, answer)
        .await
}

fn answer(
    reader: &Reader,
    context: &Context,
    request: &PageRequest,
) -> Result<Metrics, StoreError> {
    let began = Instant::now();
    let q = request.query.get("q").unwrap_or_default();
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let since = request.query.get("since").unwrap_or_default();
    let mut rows = Vec::new();
    let mut unread = 0;
    for name in reader.metric_names(context.service.as_deref())? {
        let text = format!("{} {}", name.name, name.description).to_lowercase();
        if !words.iter().all(|word| text.contains(word)) {
            continue;
        }
        let service = context.service.as_deref().unwrap_or_default();
        let mut row = Row {
            href: href(
                &["metrics", &name.name],
                &[("service", service), ("since", since)],
            ),
            name: name.name.to_string(),
            description: name.description.clone(),
            kind: kind_name(name.kind, false),
            unit: unit_name(&name.unit),
            services: name
                .services
                .iter()
                .map(|service| (colour(service), service.to_string()))
                .collect(),
            series: count(name.series),
            value: String::new(),
            of: "",
            line: None,
        };
        if began.elapsed() > PATIENCE {
            unread += 1;
            rows.push(row);
            continue;
        }
        let mut series = reader.series(&SeriesFilter {
            service: context.service.clone(),
            name: Some(name.name.to_string()),
        })?;
        if let Some(first) = series.first().cloned() {
            let shape = Shape::of(&first);
            series.retain(|one| Shape::of(one) == shape && one.unit == first.unit);
            row.kind = kind_name(first.kind, first.monotonic);
            row.of = match shape {
                Shape::Distribution => "p95",
                Shape::Rate => "growth",
                Shape::Level if series.len() > 1 => "average",
                _ => "",
            };
            if let Some(line) = one_line(reader, &series, context)? {
                let unit = shape.unit(&first.unit);
                let last = line.last();
                if last.is_finite() {
                    row.value = quantity(last, &unit);
                    row.line = Some(sparkline(&line.values, &unit, &row.name, "c0"));
                }
            }
        }
        rows.push(row);
    }
    Ok(Metrics {
        kept: request
            .query
            .only(&["service", "since"])
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        none: if q.is_empty() {
            "No metrics have come yet.".to_owned()
        } else {
            format!("No metric has “{q}” in its name or description.")
        },
        q: q.to_owned(),
        rows,
        unread,
    })
}
