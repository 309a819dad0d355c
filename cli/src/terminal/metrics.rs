//! `throughline metrics`: the names; and the series of one with their last values.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{Cell, CellAlignment};
use serde_json::json;

use super::{
    Common, Out, json, moment, more, nothing,
    slow::{table, write},
};
use crate::{
    page::format::{count, quantity},
    render::value,
    store::{MetricName, Point, Reader, SeriesFilter},
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The metric whose series are shown
    name: Option<String>,

    #[command(flatten)]
    common: Common,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let reader = options.common.reader()?;
    match &options.name {
        Some(name) => series(options, &reader, name, out),
        None => names(options, &reader, out),
    }
}

fn names(options: &Options, reader: &Reader, out: &mut Out) -> Result<ExitCode> {
    let mut names = reader.metric_names(options.common.service.as_deref())?;
    let all = names.len();
    names.truncate(options.limit);
    if options.common.json {
        for name in &names {
            out.json(&as_json(name))?;
        }
    } else if !names.is_empty() {
        let mut table = table([
            "metric",
            "kind",
            "unit",
            "series",
            "services",
            "description",
        ]);
        for name in &names {
            let services: Vec<_> = name.services.iter().map(|one| value::text(one)).collect();
            table.add_row([
                Cell::new(value::text(&name.name)),
                Cell::new(json::kind(name.kind)),
                Cell::new(value::text(&name.unit)),
                Cell::new(count(name.series)).set_alignment(CellAlignment::Right),
                Cell::new(services.join(", ")),
                Cell::new(value::text(&name.description)),
            ]);
        }
        write(out, &table)?;
    }
    out.flush()?;
    if names.is_empty() {
        nothing(
            "no metrics",
            "none arrived; SDKs export them once a minute unless OTEL_METRIC_EXPORT_INTERVAL says otherwise",
        );
    } else if all > names.len() {
        more("there are more: ask for them with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(name: &MetricName) -> serde_json::Value {
    let services = name.services.iter().map(AsRef::as_ref);
    json!({
        "type": "metric",
        "name": name.name.as_ref(),
        "kind": json::kind(name.kind),
        "unit": name.unit,
        "description": name.description,
        "series": name.series,
        "services": services.collect::<Vec<&str>>(),
    })
}

fn series(options: &Options, reader: &Reader, name: &str, out: &mut Out) -> Result<ExitCode> {
    let filter = SeriesFilter {
        service: options.common.service.clone(),
        name: Some(name.to_owned()),
    };
    let since = options.common.since().unwrap_or(0);
    let mut shown = 0;
    let mut table = table(["service", "attributes", "value", "at"]);
    for series in reader.series(&filter)? {
        let Some((at, point)) = reader.last_point(&series)? else {
            continue;
        };
        if at < since || shown == options.limit {
            continue;
        }
        shown += 1;
        if options.common.json {
            out.json(&json::series(&series, at, &point))?;
        } else {
            table.add_row([
                Cell::new(value::text(&series.service)),
                Cell::new(value::all_attributes(&series.attributes)),
                Cell::new(reading(&point, &series.unit)).set_alignment(CellAlignment::Right),
                Cell::new(moment(at.unsigned_abs())),
            ]);
        }
    }
    if shown == 0 {
        nothing(
            &format!("no metric {}", value::text(name)),
            "`throughline metrics` lists the names that there are",
        );
    } else if !options.common.json {
        write(out, &table)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn reading(point: &Point, unit: &str) -> String {
    match point {
        Point::Number(value) => quantity(*value, unit),
        Point::Histogram(point) => distribution(point.count, point.sum, unit),
        Point::Exponential(point) => distribution(point.count, point.sum, unit),
        Point::Summary(point) => distribution(point.count, Some(point.sum), unit),
    }
}

fn distribution(number: u64, sum: Option<f64>, unit: &str) -> String {
    match sum {
        // A count above 2^53 would lose a digit of a mean that is shown with three.
        #[allow(clippy::cast_precision_loss)]
        Some(sum) if number > 0 => format!(
            "{} of mean {}",
            count(number),
            quantity(sum / number as f64, unit)
        ),
        _ => count(number),
    }
}
