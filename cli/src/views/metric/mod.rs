//! One metric: its lines over time, how its values are spread, measurements that lead to traces,
//! and the last values.

mod distribution;
pub(super) mod lines;
mod rate;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use self::lines::{Line, Lines, SHOWN, Shape, attribute, differing, read};
use super::{
    App,
    context::{Context, Intervals, services},
    failure::failure,
    lines::{span_id, trace_id},
    table::{Cell, Table},
};
use crate::{
    page::{
        PageRequest, Query, Shell, View,
        chart::{self, HeatMap, Histogram, Kind, TimeChart, quantile, series_class},
        format::{count, quantity},
        markup::Markup,
        not_found,
        query::href,
    },
    store::{Reader, Series, SeriesFilter, StoreError},
};

/// Lines that one can tell apart.
const LINES: usize = 9;
/// Rows of the table.
const ROWS: usize = 100;
/// Values of an attribute that are offered.
const VALUES: usize = 12;
/// Measurements with a trace that are drawn.
const EXEMPLARS: usize = 60;

/// A link that narrows or widens the selection.
#[derive(Debug)]
struct Choice {
    label: String,
    href: String,
    current: bool,
}

#[derive(Debug)]
struct Attribute {
    key: String,
    values: Vec<Choice>,
    more: usize,
}

#[derive(Template)]
#[template(path = "metric.html")]
struct Metric {
    description: String,
    kind: &'static str,
    unit: String,
    series: usize,
    exported: String,
    chosen: Vec<(String, String, String)>,
    grouping: Vec<Choice>,
    attributes: Vec<Attribute>,
    notes: Vec<String>,
    charts: Vec<Markup>,
    table: Table,
}

enum Answer {
    None,
    Found(Vec<String>, Box<Metric>),
}

pub(super) async fn metric(
    State(app): State<App>,
    Path(metric): Path<String>,
    request: PageRequest,
) -> Response {
    let context = Context::of(&app, &request);
    let (asked, view, of) = (request.clone(), context.clone(), metric.clone());
    let answer = app
        .readers
        .ask(move |reader| answer(reader, &asked, &view, &of))
        .await;
    match answer {
        Ok(Answer::None) => not_found(
            &request,
            View::Metrics,
            "such metric",
            "No service has sent a value by this name, or all of them are older than what is kept.",
        ),
        Ok(Answer::Found(services, page)) => Shell::new(&request, View::Metrics, metric)
            .services(services)
            .range()
            .live("points", context.counters)
            .respond(&*page),
        Err(error) => failure(&request, View::Metrics, &error),
    }
}

/// What a kind of metric is called.
pub(super) fn kind_name(kind: i64, monotonic: bool) -> &'static str {
    match (kind, monotonic) {
        (1, _) => "gauge",
        (2, true) => "counter",
        (2, false) => "up-and-down counter",
        (3, _) => "histogram",
        (4, _) => "exponential histogram",
        (5, _) => "summary",
        _ => "metric",
    }
}

/// The conditions of an address: `where=key=value`, as often as one likes.
fn conditions(query: &Query) -> Vec<(String, String)> {
    query
        .all("where")
        .filter_map(|one| one.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The address with one condition more, or less.
fn toggled(request: &PageRequest, key: &str, value: &str) -> String {
    let wanted = format!("{key}={value}");
    let mut all: Vec<&str> = request.query.all("where").collect();
    match all.iter().position(|one| *one == wanted) {
        Some(at) => _ = all.remove(at),
        None => all.push(&wanted),
    }
    let rest = request.query.without("where");
    let mut pairs: Vec<(&str, &str)> = rest.pairs().collect();
    pairs.extend(all.iter().map(|one| ("where", *one)));
    let base = href(&[], &pairs);
    format!("{}{}", request.path, base.trim_start_matches('/'))
}

fn answer(
    reader: &Reader,
    request: &PageRequest,
    context: &Context,
    metric: &str,
) -> Result<Answer, StoreError> {
    let every = reader.series(&SeriesFilter {
        service: context.service.clone(),
        name: Some(metric.to_owned()),
    })?;
    let Some(first) = every.first() else {
        return Ok(Answer::None);
    };
    let mut notes = Vec::new();
    let alike = |one: &&Series| {
        one.kind == first.kind && one.unit == first.unit && Shape::of(one) == Shape::of(first)
    };
    let others = every.iter().filter(|one| !alike(one)).count();
    if others > 0 {
        notes.push(format!(
            "{} series of this name are of another kind or unit, and not shown here.",
            count(others as u64)
        ));
    }
    if every.len() == 200 {
        notes.push("Only the first 200 series are looked at.".to_owned());
    }
    let conditions = conditions(&request.query);
    let chosen: Vec<Series> = every
        .iter()
        .filter(alike)
        .filter(|one| {
            conditions
                .iter()
                .all(|(key, value)| attribute(one, key) == *value)
        })
        .cloned()
        .collect();
    let shape = Shape::of(first);
    let keys = differing(&chosen);
    let by = grouping(&request.query, shape, &keys, chosen.len());
    let mut intervals = context.intervals(None);
    if context.since == 0 {
        intervals = context.intervals(reader.first_point(&chosen)?);
    }
    let mut read = read(
        reader,
        &chosen,
        &by,
        intervals_start(context, intervals),
        &mut intervals,
    )?;
    read.lines.sort_by(|left, right| {
        right
            .last()
            .total_cmp(&left.last())
            .then(left.name.cmp(&right.name))
    });
    // What is not known is last.
    read.lines.sort_by_key(|line| line.last().is_nan());
    if read.unread > 0 {
        notes.push(format!(
            "{} series were left out, as reading them takes long: choose a shorter range, or fewer of them.",
            count(read.unread as u64)
        ));
    }
    if read.lines.len() > LINES {
        notes.push(format!(
            "The {LINES} largest of {} lines are drawn: group them, or choose some.",
            count(read.lines.len() as u64)
        ));
    }
    if read.other_buckets > 0 {
        notes.push(format!(
            "{} points have other buckets than the newest, and are left out.",
            count(read.other_buckets as u64)
        ));
    }
    let exemplars = exemplars(reader, &chosen, intervals)?;
    let unit = shape.unit(&first.unit);
    let found = Metric {
        description: first.description.clone(),
        kind: kind_name(first.kind, first.monotonic),
        unit: first.unit.clone(),
        series: chosen.len(),
        exported: match first.temporality {
            1 => "increments (delta)".to_owned(),
            2 => "totals (cumulative)".to_owned(),
            _ => "values".to_owned(),
        },
        chosen: conditions
            .iter()
            .map(|(key, value)| (key.clone(), value.clone(), toggled(request, key, value)))
            .collect(),
        grouping: groupings(request, shape, &keys, &by),
        attributes: attributes(request, &keys),
        notes,
        charts: charts(metric, shape, &first.unit, intervals, &read, exemplars),
        table: table(shape, &unit, &first.unit, &read),
    };
    Ok(Answer::Found(services(reader)?, Box::new(found)))
}

fn intervals_start(context: &Context, intervals: Intervals) -> i64 {
    match context.since {
        0 => i64::try_from(intervals.start).unwrap_or(i64::MAX),
        since => since,
    }
}

/// The attributes that tell lines apart: those of the address, else all, of a few series; else
/// none.
fn grouping(
    query: &Query,
    shape: Shape,
    keys: &BTreeMap<String, BTreeSet<String>>,
    series: usize,
) -> Vec<String> {
    match query.get("by") {
        Some("each") => keys.keys().cloned().collect(),
        Some("all") => Vec::new(),
        Some(_) => query.all("by").map(str::to_owned).collect(),
        None if shape == Shape::Distribution || series > LINES => Vec::new(),
        None => keys.keys().cloned().collect(),
    }
}

fn groupings(
    request: &PageRequest,
    shape: Shape,
    keys: &BTreeMap<String, BTreeSet<String>>,
    by: &[String],
) -> Vec<Choice> {
    if keys.is_empty() {
        return Vec::new();
    }
    let together = match shape {
        Shape::Level | Shape::Summary => "average of all",
        _ => "all together",
    };
    let each = by.len() == keys.len() && by.len() > 1;
    let mut choices = vec![Choice {
        label: together.to_owned(),
        href: request.with("by", "all"),
        current: by.is_empty(),
    }];
    choices.extend(keys.keys().map(|key| Choice {
        label: key.clone(),
        href: request.with("by", key),
        current: by.len() == 1 && by[0] == *key,
    }));
    if keys.len() > 1 {
        choices.push(Choice {
            label: "each series".to_owned(),
            href: request.with("by", "each"),
            current: each,
        });
    }
    choices
}

fn attributes(request: &PageRequest, keys: &BTreeMap<String, BTreeSet<String>>) -> Vec<Attribute> {
    keys.iter()
        .map(|(key, values)| Attribute {
            key: key.clone(),
            more: values.len().saturating_sub(VALUES),
            values: values
                .iter()
                .take(VALUES)
                .map(|value| Choice {
                    label: if value.is_empty() {
                        "none".to_owned()
                    } else {
                        value.clone()
                    },
                    href: toggled(request, key, value),
                    current: false,
                })
                .collect(),
        })
        .collect()
}

/// Measurements in the range that lead to a trace, the newest.
fn exemplars(
    reader: &Reader,
    series: &[Series],
    intervals: Intervals,
) -> Result<Vec<chart::Exemplar>, StoreError> {
    let since = i64::try_from(intervals.start).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for one in series.iter().take(50) {
        for exemplar in reader.exemplars(one.id, since)? {
            let Some(trace) = exemplar.trace else {
                continue;
            };
            let span = exemplar.span.map(span_id).unwrap_or_default();
            found.push(chart::Exemplar {
                time: exemplar.time.unsigned_abs(),
                value: exemplar.value,
                href: href(&["traces", &trace_id(trace)], &[("span", &span)]),
            });
        }
    }
    found.sort_by_key(|exemplar| std::cmp::Reverse(exemplar.time));
    found.truncate(EXEMPLARS);
    Ok(found)
}

fn charts(
    metric: &str,
    shape: Shape,
    unit: &str,
    intervals: Intervals,
    read: &Lines,
    exemplars: Vec<chart::Exemplar>,
) -> Vec<Markup> {
    let points = |values: &[f64]| -> Vec<(u64, f64)> {
        let timed = values.iter().enumerate();
        timed
            .map(|(index, value)| (intervals.at(index), *value))
            .collect()
    };
    let chart = |title: String, unit: String, series, exemplars| TimeChart {
        title,
        unit,
        kind: Kind::Lines,
        start: intervals.start,
        end: intervals.end,
        series,
        exemplars,
    };
    let of_lines = |values: fn(&Line, Intervals) -> Vec<f64>| -> Vec<chart::Series> {
        read.lines
            .iter()
            .take(LINES)
            .enumerate()
            .map(|(index, line)| chart::Series {
                name: if line.name.is_empty() {
                    metric.to_owned()
                } else {
                    line.name.clone()
                },
                class: series_class(index),
                points: points(&values(line, intervals)),
            })
            .collect()
    };
    if shape != Shape::Distribution {
        let title = match shape {
            Shape::Rate => format!("{metric}, growth a second"),
            _ => metric.to_owned(),
        };
        // A counter's exemplars are of what was added, which is no rate.
        let exemplars = match shape {
            Shape::Level => exemplars,
            _ => Vec::new(),
        };
        let series = of_lines(|line, _| line.values.clone());
        return vec![chart(title, shape.unit(unit), series, exemplars).render()];
    }
    let mut charts = Vec::new();
    if let [line] = &read.lines[..] {
        let series = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]
            .into_iter()
            .enumerate()
            .map(|(index, (name, share))| {
                let values: Vec<f64> = line
                    .distributions
                    .iter()
                    .map(|one| quantile(&one.buckets(), share).unwrap_or(f64::NAN))
                    .collect();
                chart::Series {
                    name: name.to_owned(),
                    class: series_class(index),
                    points: points(&values),
                }
            })
            .collect();
        let title = format!("{metric}, percentiles");
        charts.push(chart(title, unit.to_owned(), series, exemplars.clone()).render());
    } else {
        let title = format!("{metric}, p{}", SHOWN * 100.0);
        let series = of_lines(|line, _| line.values.clone());
        charts.push(chart(title, unit.to_owned(), series, Vec::new()).render());
    }
    let series = of_lines(|line, intervals| {
        let seconds = intervals.width as f64 / 1e9;
        line.distributions
            .iter()
            .map(|one| {
                if one.counts.is_empty() {
                    f64::NAN
                } else {
                    one.total() as f64 / seconds
                }
            })
            .collect()
    });
    charts.push(
        chart(
            "Measurements".to_owned(),
            "1/s".to_owned(),
            series,
            Vec::new(),
        )
        .render(),
    );
    let mut columns = vec![distribution::Distribution::default(); intervals.len()];
    let mut whole = distribution::Distribution::default();
    for line in &read.lines {
        for (column, one) in columns.iter_mut().zip(&line.distributions) {
            if !one.counts.is_empty() && whole.add(one) {
                column.add(one);
            }
        }
    }
    charts.push(
        HeatMap {
            title: "Values over time".to_owned(),
            unit: unit.to_owned(),
            start: intervals.start,
            end: intervals.at(intervals.len()),
            bounds: whole.bounds.clone(),
            columns: columns
                .into_iter()
                .enumerate()
                .map(|(index, one)| {
                    let counts = if one.counts.is_empty() {
                        vec![0; whole.bounds.len() + 1]
                    } else {
                        one.counts
                    };
                    (intervals.at(index), counts)
                })
                .collect(),
            exemplars,
        }
        .render(),
    );
    charts.push(
        Histogram {
            title: "Values in the range".to_owned(),
            unit: unit.to_owned(),
            buckets: whole.buckets(),
        }
        .render(),
    );
    charts
}

fn table(shape: Shape, unit: &str, measured: &str, read: &Lines) -> Table {
    let named = |line: &Line| match line.name.as_str() {
        "" => "all together".to_owned(),
        name => name.to_owned(),
    };
    let shown = |value: f64| {
        if value.is_finite() {
            quantity(value, unit)
        } else {
            "–".to_owned()
        }
    };
    let empty = "No values in this range.";
    let mut table = if shape == Shape::Distribution {
        Table::new(
            "In this range",
            &[
                "Line",
                "#Series",
                "#Measurements",
                "#Mean",
                "#p50",
                "#p95",
                "#p99",
            ],
            empty,
        )
    } else {
        Table::new(
            "Last values",
            &["Line", "#Series", "#Last", "#Least", "#Most"],
            empty,
        )
    };
    if read.lines.len() > ROWS {
        table.note = format!("the first {ROWS} of {}", count(read.lines.len() as u64));
    }

    for line in read.lines.iter().take(ROWS) {
        let mut cells = vec![Cell::text(named(line)), Cell::number(line.series as u64)];
        if shape == Shape::Distribution {
            let whole = line.whole();
            let total = whole.total();
            let mean = whole.sum / total as f64;
            cells.push(Cell::number(total));
            let of = |value: Option<f64>| {
                let value = value.filter(|value| value.is_finite());
                Cell::text(value.map_or("–".to_owned(), |value| quantity(value, measured)))
                    .class("number")
            };
            cells.push(of((total > 0).then_some(mean)));
            let buckets = whole.buckets();
            cells.extend([0.5, 0.95, 0.99].map(|share| of(quantile(&buckets, share))));
        } else {
            let finite = || {
                line.values
                    .iter()
                    .copied()
                    .filter(|value| value.is_finite())
            };
            let least = finite().reduce(f64::min).unwrap_or(f64::NAN);
            let most = finite().reduce(f64::max).unwrap_or(f64::NAN);
            cells.extend(
                [line.last(), least, most].map(|value| Cell::text(shown(value)).class("number")),
            );
        }
        table.row(line.name.clone(), cells);
    }
    table
}

/// The lines of a series by all that tells it from its like, for a list that shows one of each.
pub(super) fn one_line(
    reader: &Reader,
    series: &[Series],
    context: &Context,
) -> Result<Option<Line>, StoreError> {
    let mut intervals = context.intervals(None);
    let start = intervals_start(context, intervals);
    let read = read(reader, series, &[], start, &mut intervals)?;
    Ok(read.lines.into_iter().next())
}
