//! The terminal's commands: what is stored, in colour for a reader and as JSON for a script.
//!
//! They read the database beside the program that writes it, and also when none runs.

mod errors;
mod json;
mod lines;
mod metrics;
mod search;
mod slow;
mod tail;
mod trace;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use owo_colors::OwoColorize;

use crate::{
    dev::{self, DataDir},
    store::{self, Query, Reader, parse_duration, parse_query},
};

/// What is asked of what is stored.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show log records as they arrive
    Tail(tail::Options),
    /// Find log records, or traces, by words and key=value terms
    Search(search::Options),
    /// Show a trace as a tree, with its logs and errors at their place
    Trace(trace::Options),
    /// List what went wrong, each failure once; or show one in full
    Errors(errors::Options),
    /// Show the slowest endpoints and the slowest traces
    Slow(slow::Options),
    /// List metrics; or show the series of one with their last values
    Metrics(metrics::Options),
}

/// What all commands have.
#[derive(Args, Clone, Debug)]
struct Common {
    #[command(flatten)]
    data: DataDir,

    /// Write one JSON object a line
    #[arg(long)]
    json: bool,

    /// Only of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Only what happened in this time, such as 15m, 2h or 1d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Duration>,
}

fn since(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("{text:?} is no time: write 90s, 15m, 2h or 1d"))
}

impl Common {
    fn reader(&self) -> Result<Reader> {
        let path = dev::database(&self.data.path()?)?;
        Ok(Reader::open(&path)?)
    }

    /// The beginning of the time that is asked for, in nanoseconds since 1970.
    fn since(&self) -> Option<i64> {
        let back = i64::try_from(self.since?.as_nanos()).unwrap_or(i64::MAX);
        Some(store::now().saturating_sub(back))
    }
}

/// The words and terms of a command line as one search line. The shell took the quotes.
fn query(words: &[String]) -> Query {
    let quoted = words.iter().map(|word| match word.split_once('=') {
        _ if word.contains('"') || !word.contains(char::is_whitespace) => word.clone(),
        Some((key, value)) if !key.contains(char::is_whitespace) => format!("{key}=\"{value}\""),
        _ => format!("\"{word}\""),
    });
    parse_query(&quoted.collect::<Vec<_>>().join(" "))
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let mut out = Out::new();
    let done = match command {
        Command::Tail(options) => tail::run(options, &mut out),
        Command::Search(options) => search::run(options, &mut out),
        Command::Trace(options) => trace::run(options, &mut out),
        Command::Errors(options) => errors::run(options, &mut out),
        Command::Slow(options) => slow::run(options, &mut out),
        Command::Metrics(options) => metrics::run(options, &mut out),
    };
    let done = done.and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        // Whoever read this has seen enough: `throughline search … | head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Where answers go: with colour to a terminal, without to anything else.
struct Out(io::BufWriter<anstream::Stdout>);

impl Out {
    fn new() -> Self {
        Self(io::BufWriter::new(anstream::stdout()))
    }

    fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.0, "{line}")
    }

    fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        writeln!(self.0, "{value}")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Says on the error stream that there is nothing, and what to try.
fn nothing(what: &str, hint: &str) {
    anstream::eprintln!("{} {hint}", format!("{what}:").yellow());
}

/// Says that the answer is not all that there is.
fn more(hint: &str) {
    anstream::eprintln!("{}", hint.dimmed());
}

/// The bytes of an id of that many hexadecimal digits, with or without dashes.
fn id(text: &str, digits: usize) -> Result<u128> {
    let plain: String = text.chars().filter(|letter| *letter != '-').collect();
    match u128::from_str_radix(&plain, 16) {
        Ok(id) if plain.len() == digits => Ok(id),
        _ => bail!("{text:?} is no such id: it has {digits} hexadecimal digits"),
    }
}

/// A moment for a reader: to the millisecond, in UTC.
fn moment(nanoseconds: u64) -> String {
    crate::page::format::rfc3339(nanoseconds).unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_took_the_quotes_of_is_a_phrase_or_a_value_still() {
        let words = ["card refused", "fail*", "order.name=two words", "a=b"];
        let query = query(&words.map(str::to_owned));
        assert_eq!(query.words, ["card refused", "fail*"]);
        let terms: Vec<_> = query
            .terms
            .iter()
            .map(|term| (term.key.as_str(), term.value.as_str()))
            .collect();
        assert_eq!(terms, [("order.name", "two words"), ("a", "b")]);
    }

    #[test]
    fn an_id_is_read_as_it_is_copied() {
        assert_eq!(id("00000000-0000-0000-0000-0000000000Ff", 32).unwrap(), 255);
        assert!(id("ff", 32).is_err());
        assert!(id("zz", 2).is_err());
    }
}
