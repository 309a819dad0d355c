//! `throughline errors`: what went wrong, each failure once; and one of them in full.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use owo_colors::OwoColorize;
use serde_json::json;

use super::{Common, Out, json, moment, more, nothing, query};
use crate::{
    issue::Fingerprint,
    page::format::count,
    render::{log, value},
    sentry::{Exception, Frame},
    store::{Issue, IssueFilter, IssueState, OccurrenceRow, Reader},
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// One error in full: its id of 16 hexadecimal digits, or that of Sentry's event
    id: Option<String>,

    #[command(flatten)]
    common: Common,

    /// Only those that are so [default: those that are not resolved]
    #[arg(long, value_enum)]
    status: Option<Which>,

    /// Words and the terms release, environment, user, level and type
    #[arg(long, short = 'q', value_name = "SEARCH")]
    query: Vec<String>,

    /// At most so many, the last seen
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Open,
    Resolved,
    Regressed,
    All,
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let reader = options.common.reader()?;
    reader.at_one_moment(|reader| match &options.id {
        Some(id) => one(options, reader, id, out),
        None => list(options, reader, out),
    })
}

fn list(options: &Options, reader: &Reader, out: &mut Out) -> Result<ExitCode> {
    let filter = IssueFilter {
        states: match options.status {
            Some(Which::Open) => vec![IssueState::Open],
            Some(Which::Resolved) => vec![IssueState::Resolved],
            Some(Which::Regressed) => vec![IssueState::Regressed],
            Some(Which::All) => Vec::new(),
            None => vec![IssueState::Open, IssueState::Regressed],
        },
        service: options.common.service.clone(),
        since: options.common.since(),
        query: query(&options.query),
    };
    let page = reader.issues(&filter, 0, options.limit.max(1))?;
    for issue in &page.items {
        if options.common.json {
            out.json(&json::issue(issue))?;
        } else {
            write(out, issue)?;
        }
    }
    out.flush()?;
    if page.items.is_empty() {
        nothing(
            "no errors",
            "none was seen that fits; try --status all, or a longer --since",
        );
    } else if page.next.is_some() {
        more("there are more: ask for them with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

fn write(out: &mut Out, issue: &Issue) -> Result<()> {
    let state = match issue.state {
        IssueState::Open => String::new(),
        IssueState::Resolved => format!("  {}", "resolved".green()),
        IssueState::Regressed => format!("  {}", "regressed".red()),
    };
    out.line(format_args!(
        "{}  {}  {}  {}{state}",
        issue.fingerprint.to_string().dimmed(),
        value::text(&issue.service).cyan(),
        value::text(&issue.title).red().bold(),
        value::text(&issue.subtitle),
    ))?;
    let users = match issue.users {
        0 => String::new(),
        1 => ", 1 user".to_owned(),
        users => format!(", {} users", count(users)),
    };
    out.line(format_args!(
        "{:16}  {}",
        "",
        format!(
            "{}{users}, first {}, last {}{}",
            match issue.count {
                1 => "once".to_owned(),
                many => format!("{} times", count(many)),
            },
            moment(issue.first_seen),
            moment(issue.last_seen),
            match value::text(&issue.culprit) {
                culprit if culprit.is_empty() => String::new(),
                culprit => format!(", at {culprit}"),
            }
        )
        .dimmed()
    ))?;
    Ok(())
}

fn one(options: &Options, reader: &Reader, id: &str, out: &mut Out) -> Result<ExitCode> {
    let plain: String = id.chars().filter(|letter| *letter != '-').collect();
    let found = match plain.len() {
        32 => reader
            .issue_of_event(&plain.to_ascii_lowercase())?
            .map(|found| (found.issue, Some(found.occurrence))),
        16 => plain
            .parse::<Fingerprint>()
            .ok()
            .map(|fingerprint| (fingerprint, None)),
        _ => None,
    };
    let issue = match found {
        Some((fingerprint, _)) => reader.issue(fingerprint)?,
        None => None,
    };
    let Some(issue) = issue else {
        nothing(
            &format!("no error {}", value::text(id)),
            "it was deleted as too old, or is grouped with another now; `throughline errors --status all` lists what there is",
        );
        return Ok(ExitCode::FAILURE);
    };
    let row = match found.and_then(|(_, occurrence)| occurrence) {
        Some(occurrence) => reader.occurrence(occurrence)?,
        None => reader.occurrences(issue.id, 1)?.pop(),
    };
    if options.common.json {
        let mut object = json::issue(&issue);
        object["occurrence"] = match &row {
            Some(row) => as_json(reader, row)?,
            None => serde_json::Value::Null,
        };
        out.json(&object)?;
    } else {
        write(out, &issue)?;
        if let (Some(at), release) = (issue.regressed_at, &issue.regressed_in) {
            let release = release.as_deref().map_or_else(String::new, |release| {
                format!(" in {}", value::text(release))
            });
            out.line(format_args!("came back {}{release}", moment(at)).red())?;
        }
        if let Some(row) = &row {
            full(out, reader, row)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(reader: &Reader, row: &OccurrenceRow) -> Result<serde_json::Value> {
    let body = reader.occurrence_body(row)?;
    Ok(json!({
        "time": json::time(row.time),
        "source": row.source,
        "event_id": row.event,
        "trace_id": row.trace.map(|trace| format!("{trace:032x}")),
        "span_id": row.span.map(|span| format!("{span:016x}")),
        "exception_type": row.kind,
        "message": row.message,
        "log_message": row.log_message,
        "culprit": row.culprit,
        "level": row.level,
        "handled": row.handled,
        "service": row.service.as_ref(),
        "release": row.release,
        "environment": row.environment,
        "user": row.user,
        "event": serde_json::to_value(&body.event)?,
        "record": body.record.as_deref().map(json::record),
        "span": body.span.as_deref().map(json::span),
    }))
}

/// One occurrence, with all that one needs to find what went wrong.
fn full(out: &mut Out, reader: &Reader, row: &OccurrenceRow) -> Result<()> {
    let body = reader.occurrence_body(row)?;
    out.line("")?;
    let facts = [
        ("time", Some(moment(row.time))),
        ("told by", Some(row.source.to_string())),
        ("release", row.release.as_deref().map(value::text)),
        ("environment", row.environment.as_deref().map(value::text)),
        ("user", row.user.as_deref().map(value::text)),
        ("event", row.event.as_deref().map(value::text)),
        ("trace", row.trace.map(|trace| format!("{trace:032x}"))),
        ("logged as", row.log_message.as_deref().map(value::text)),
    ];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            out.line(format_args!("{}  {fact}", format!("{name:>11}").dimmed()))?;
        }
    }
    let (chain, raw) = body.exceptions(Some(row));
    if chain.is_empty() {
        out.line("")?;
        out.line(value::whole(&row.message))?;
    }
    for (place, exception) in chain.iter().rev().enumerate() {
        out.line("")?;
        thrown(out, exception, place > 0)?;
    }
    for line in raw.iter().flat_map(|raw| raw.lines()) {
        out.line(value::whole(line))?;
    }
    if let Some(event) = &body.event {
        if !event.breadcrumbs.is_empty() {
            out.line(format_args!("\n{}", "before".bold()))?;
        }
        for crumb in &event.breadcrumbs {
            let category = crumb.category.as_deref().or(crumb.kind.as_deref());
            out.line(format_args!(
                "  {}  {}  {}",
                crumb.timestamp.map_or_else(String::new, moment).dimmed(),
                value::text(category.unwrap_or_default()).cyan(),
                value::whole(crumb.message.as_deref().unwrap_or_default()),
            ))?;
        }
        if !event.tags.is_empty() {
            out.line(format_args!("\n{}", "tags".bold()))?;
        }
        for (tag, tagged) in &event.tags {
            out.line(format_args!(
                "  {}={}",
                value::text(tag),
                value::text(tagged)
            ))?;
        }
    }
    if let Some(record) = &body.record {
        out.line(format_args!("\n{}", "record".bold()))?;
        out.line(format_args!("  {}", log::whole(&record.item)))?;
    }
    Ok(())
}

fn thrown(out: &mut Out, exception: &Exception, cause: bool) -> Result<()> {
    let kind = value::text(exception.kind.as_deref().unwrap_or("an error"));
    let cause = if cause { "caused by " } else { "" };
    out.line(format_args!(
        "{cause}{}  {}",
        kind.red().bold(),
        value::whole(exception.value.as_deref().unwrap_or_default())
    ))?;
    let any_own = exception.frames.iter().any(is_own);
    let mut folded = 0_usize;
    for frame in exception.frames.iter().rev() {
        if any_own && !is_own(frame) {
            folded += 1;
            continue;
        }
        fold(out, &mut folded)?;
        let place = frame.filename.as_deref().or(frame.abs_path.as_deref());
        let line = frame
            .lineno
            .map_or_else(String::new, |line| format!(":{line}"));
        out.line(format_args!(
            "  {}  {}",
            value::text(frame.function.as_deref().unwrap_or("(no name)")),
            format!("{}{line}", value::text(place.unwrap_or_default())).dimmed()
        ))?;
        if let Some(line) = &frame.context_line {
            out.line(format_args!("      {}", value::whole(line.trim()).yellow()))?;
        }
    }
    fold(out, &mut folded)
}

fn is_own(frame: &Frame) -> bool {
    frame.in_app == Some(true)
}

fn fold(out: &mut Out, folded: &mut usize) -> Result<()> {
    match std::mem::take(folded) {
        0 => {}
        1 => out.line("  … 1 call of a library".dimmed())?,
        calls => out.line(format_args!("  … {calls} calls of libraries").dimmed())?,
    }
    Ok(())
}
