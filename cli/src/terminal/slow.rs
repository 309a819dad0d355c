//! `throughline slow`: where the time goes.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use owo_colors::OwoColorize;
use serde_json::json;

use super::{Common, Out, json, moment, nothing};
use crate::{
    page::format::{count, duration, share},
    render::value,
    store::{Endpoint, SpanRow},
};

/// Nothing here is by time: the longest parts are read, in seconds.
const HOUR: i64 = 3_600;

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,

    /// At most so many endpoints, and so many traces
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let reader = options.common.reader()?;
    let since = options.common.since().unwrap_or(0);
    let service = options.common.service.as_deref();
    let mut endpoints = reader.endpoints(since, HOUR, service)?;
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.durations.quantile(0.95)));
    endpoints.truncate(options.limit);
    let traces = reader.slowest(since, service, options.limit)?;
    if options.common.json {
        for endpoint in &endpoints {
            out.json(&as_json(endpoint))?;
        }
        for trace in &traces {
            let mut object = json::span_row(trace);
            object["type"] = "trace".into();
            out.json(&object)?;
        }
    } else {
        text(out, &endpoints, &traces)?;
    }
    out.flush()?;
    if endpoints.is_empty() && traces.is_empty() {
        nothing(
            "no requests",
            "none was seen that fits; try a longer --since, or another --service",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(endpoint: &Endpoint) -> serde_json::Value {
    let quantile = |of| endpoint.durations.quantile(of);
    json!({
        "type": "endpoint",
        "service": endpoint.service.as_ref(),
        "name": endpoint.name.as_ref(),
        "count": endpoint.count,
        "errors": endpoint.errors,
        "p50_ns": quantile(0.5),
        "p95_ns": quantile(0.95),
        "p99_ns": quantile(0.99),
    })
}

fn text(out: &mut Out, endpoints: &[Endpoint], traces: &[SpanRow]) -> Result<()> {
    if !endpoints.is_empty() {
        out.line("Endpoints, by their 95th percentile".bold())?;
        let mut table = table([
            "service", "endpoint", "p50", "p95", "p99", "requests", "errors",
        ]);
        for endpoint in endpoints {
            let quantile = |of| {
                let quantile = endpoint.durations.quantile(of);
                right(quantile.map_or_else(|| "-".to_owned(), duration))
            };
            // Counts are shown with three digits of their share.
            #[allow(clippy::cast_precision_loss)]
            let failed = endpoint.errors as f64 / endpoint.count.max(1) as f64;
            table.add_row([
                Cell::new(value::text(&endpoint.service)),
                Cell::new(value::text(&endpoint.name)),
                quantile(0.5),
                quantile(0.95),
                quantile(0.99),
                right(count(endpoint.count)),
                right(share(failed)),
            ]);
        }
        write(out, &table)?;
    }
    if !traces.is_empty() {
        out.line("Traces, the slowest first".bold())?;
        let mut table = table(["service", "request", "duration", "began", "trace"]);
        for trace in traces {
            table.add_row([
                Cell::new(value::text(&trace.service)),
                Cell::new(value::text(&trace.name)),
                right(duration(trace.duration)),
                Cell::new(moment(trace.start)),
                Cell::new(format!("{:032x}", trace.trace)),
            ]);
        }
        write(out, &table)?;
    }
    Ok(())
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A table without lines, whose cells are as wide as what is in them.
pub(super) fn table<const N: usize>(names: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(names);
    table
}

pub(super) fn write(out: &mut Out, table: &Table) -> Result<()> {
    for line in table.trim_fmt().lines() {
        out.line(line)?;
    }
    out.line("")?;
    Ok(())
}
