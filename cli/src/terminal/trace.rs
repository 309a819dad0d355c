//! `throughline trace ID`: all of one trace.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use opentelemetry::{SpanId, TraceId};
use owo_colors::OwoColorize;
use serde_json::json;

use super::{Common, Out, id, json, more, nothing};
use crate::{
    render::{
        log,
        trace::{Note, Parts, SpanOf, assemble, render},
        value,
    },
    store::{StoreError, TraceIssue},
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The trace id, of 32 hexadecimal digits
    id: String,

    #[command(flatten)]
    common: Common,
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let trace_id = id(&options.id, 32)?;
    let reader = options.common.reader()?;
    let (trace, errors) = reader.at_one_moment(|reader| {
        Ok::<_, StoreError>((reader.trace(trace_id)?, reader.issues_of_trace(trace_id)?))
    })?;
    if trace.spans.is_empty() && trace.records.is_empty() && errors.is_empty() {
        nothing(
            &format!("no trace {trace_id:032x}"),
            "it was not sent here, was not sampled, or was deleted as too old; `throughline search --traces` lists what there is",
        );
        return Ok(ExitCode::FAILURE);
    }
    let ours = |service: &str| {
        options
            .common
            .service
            .as_deref()
            .is_none_or(|wanted| wanted == service)
    };
    let since = options.common.since().unwrap_or(0).unsigned_abs();
    let spans: Vec<_> = trace
        .spans
        .iter()
        .filter(|span| ours(&span.service) && span.start_time_unix_nano >= since)
        .collect();
    let records: Vec<_> = trace
        .records
        .iter()
        .filter(|record| ours(&record.service))
        .collect();
    if options.common.json {
        for span in spans {
            out.json(&json::span(span))?;
        }
        for record in records {
            out.json(&json::record(record))?;
        }
        for error in &errors {
            out.json(&as_json(error))?;
        }
    } else {
        let known: std::collections::HashSet<_> =
            spans.iter().map(|span| span.span_id.as_slice()).collect();
        let parts = Parts {
            spans: spans
                .iter()
                .map(|span| SpanOf {
                    service: &span.service,
                    span: &span.item,
                })
                .collect(),
            records: records.iter().map(|record| &record.item).collect(),
            notes: errors.iter().map(|error| note(trace_id, error)).collect(),
        };
        for tree in assemble(&parts) {
            for line in render(&tree).lines() {
                out.line(line)?;
            }
        }
        // What names no span that is here.
        for record in &records {
            if !known.contains(record.span_id.as_slice()) {
                out.line(log::render(&record.item))?;
            }
        }
        for error in &errors {
            let span = error.span.map(u64::to_be_bytes);
            if !span.is_some_and(|span| known.contains(span.as_slice())) {
                out.line(line(error))?;
            }
        }
    }
    out.flush()?;
    if trace.left_out > 0 {
        more(&format!(
            "{} spans of this trace are not shown, as there are too many",
            trace.left_out
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(error: &TraceIssue) -> String {
    format!(
        "{}  {}  {}  {}",
        "✗".red().bold(),
        value::text(&error.title).red().bold(),
        value::text(&error.subtitle),
        format!("error {}", error.issue).dimmed(),
    )
}

fn note(trace: u128, error: &TraceIssue) -> Note {
    Note {
        trace: TraceId::from_bytes(trace.to_be_bytes()),
        span: SpanId::from_bytes(error.span.unwrap_or_default().to_be_bytes()),
        time: error.time,
        line: line(error),
    }
}

fn as_json(error: &TraceIssue) -> serde_json::Value {
    json!({
        "type": "error",
        "id": error.issue.to_string(),
        "title": error.title,
        "subtitle": error.subtitle,
        "service": error.service.as_ref(),
        "time": json::time(error.time),
        "span_id": error.span.map(|span| format!("{span:016x}")),
    })
}
