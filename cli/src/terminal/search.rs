//! `throughline search`: log records, or traces, by words and terms.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use owo_colors::OwoColorize;
use serde_json::json;

use super::{Common, Out, json, lines, moment, more, nothing, query, tail::Filter};
use crate::{
    page::format::duration,
    render::value,
    store::{Page, Reader, SpanFilter, Status, TraceSummary},
};

/// How many parts of an unfinished search are asked for: a terminal can wait for a moment.
const PATIENCE: usize = 100;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Words, "phrases" and key=value terms, all of which must fit
    words: Vec<String>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    filter: Filter,

    /// Find traces, by their spans
    #[arg(long, conflicts_with_all = ["stream", "level"])]
    traces: bool,

    /// Only traces with a failed span
    #[arg(long, requires = "traces")]
    failed: bool,

    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let reader = options.common.reader()?;
    let found = reader.at_one_moment(|reader| {
        if options.traces {
            traces(options, reader, out)
        } else {
            records(options, reader, out)
        }
    })?;
    out.flush()?;
    if found.shown == 0 {
        nothing(
            "nothing found",
            "try fewer words, a longer --since, or no --service; a beginning of a word is written fail*",
        );
    } else if found.more {
        more("there is more: ask for it with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

struct Found {
    shown: usize,
    more: bool,
}

/// Asks for parts until there are enough: each part is answered within a bound of time.
fn all<T>(
    limit: usize,
    mut part: impl FnMut(Option<i64>, usize) -> Result<Page<T>>,
) -> Result<(Vec<T>, bool)> {
    let mut items = Vec::new();
    let mut before = None;
    for _ in 0..PATIENCE {
        let page = part(before, limit - items.len())?;
        items.extend(page.items);
        before = page.next;
        if before.is_none() || items.len() >= limit {
            break;
        }
    }
    Ok((items, before.is_some()))
}

fn records(options: &Options, reader: &Reader, out: &mut Out) -> Result<Found> {
    let filter = options.filter.records(&options.common, &options.words);
    let limit = options.limit.max(1);
    let (mut items, more) = all(limit, |before, limit| {
        Ok(reader.records(&filter, before, limit)?)
    })?;
    // The newest last, where the reader's eye is.
    items.reverse();
    for (row, record) in &items {
        if options.common.json {
            out.json(&json::record_of_row(row, record))?;
        } else {
            out.line(lines::record(row, record))?;
        }
    }
    Ok(Found {
        shown: items.len(),
        more,
    })
}

fn traces(options: &Options, reader: &Reader, out: &mut Out) -> Result<Found> {
    let filter = SpanFilter {
        service: options.common.service.clone(),
        status: options.failed.then_some(Status::Error),
        since: options.common.since(),
        query: query(&options.words),
        ..SpanFilter::default()
    };
    let limit = options.limit.max(1);
    let (mut traces, more) = all(limit, |before, limit| {
        Ok(reader.traces(&filter, before, limit)?)
    })?;
    // Each part knows only its own.
    let mut seen = std::collections::HashSet::new();
    traces.retain(|trace| seen.insert(trace.trace));
    traces.reverse();
    for trace in &traces {
        if options.common.json {
            out.json(&as_json(trace))?;
        } else {
            out.line(as_line(trace))?;
        }
    }
    Ok(Found {
        shown: traces.len(),
        more,
    })
}

fn as_json(trace: &TraceSummary) -> serde_json::Value {
    let services = trace
        .services
        .iter()
        .map(|(service, spans)| json!({ "name": service.as_ref(), "spans": spans }));
    json!({
        "type": "trace",
        "trace_id": format!("{:032x}", trace.trace),
        "root": json::span_row(&trace.root),
        "start": json::time(trace.start),
        "duration_ns": trace.duration,
        "spans": trace.spans,
        "errors": trace.errors,
        "services": services.collect::<serde_json::Value>(),
    })
}

fn as_line(trace: &TraceSummary) -> String {
    let errors = match trace.errors {
        0 => String::new(),
        errors => format!("  {}", format!("{errors} failed").red()),
    };
    format!(
        "{}  {}  {}  {}  {} spans{errors}  {}",
        moment(trace.start).dimmed(),
        value::text(&trace.root.service).cyan(),
        value::text(&trace.root.name).bold(),
        duration(trace.duration),
        trace.spans,
        format!("trace {:032x}", trace.trace).dimmed(),
    )
}
