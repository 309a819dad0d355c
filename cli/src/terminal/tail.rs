//! `throughline tail`: log records as they arrive.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Common, Out, json, lines, query};
use crate::{
    dev::stop_signal,
    store::{Reader, RecordFilter, StoreError},
};

/// How often a commit is looked for, which costs a look at one page of the database.
const LOOK: Duration = Duration::from_millis(100);

/// Records that are read at once.
const BATCH: usize = 1_000;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Words that the records have, and key=value terms
    words: Vec<String>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    filter: Filter,

    /// Records from before that are shown first
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// What both commands on log records choose by.
#[derive(Args, Clone, Debug)]
pub(super) struct Filter {
    /// Only of this stream, such as security or audit; `error` is all errors, `app` what has no stream
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,

    /// Only of this level and above
    #[arg(long, value_enum)]
    level: Option<Level>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Filter {
    pub(super) fn records(&self, common: &Common, words: &[String]) -> RecordFilter {
        RecordFilter {
            service: common.service.clone(),
            stream: self.stream.clone(),
            severity: self.level.map(|level| match level {
                Level::Trace => 1,
                Level::Debug => 5,
                Level::Info => 9,
                Level::Warn => 13,
                Level::Error => 17,
                Level::Fatal => 21,
            }),
            since: common.since(),
            query: query(words),
            ..RecordFilter::default()
        }
    }
}

pub(super) fn run(options: &Options, out: &mut Out) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stop = std::pin::pin!(stop_signal());
        let reader = options.common.reader()?;
        let filter = options.filter.records(&options.common, &options.words);
        let mut version = version(&reader)?;
        let mut last = reader.last_record()?;
        let mut earlier = reader.records(&filter, None, options.limit)?.items;
        earlier.reverse();
        for (row, record) in &earlier {
            // What came in between is shown below.
            if row.id <= last {
                write(options, out, row, record)?;
            }
        }
        out.flush()?;
        // What is new is new, however long ago it happened.
        let filter = RecordFilter {
            since: None,
            ..filter
        };
        loop {
            tokio::select! {
                stopped = &mut stop => {
                    stopped?;
                    return Ok(ExitCode::SUCCESS);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = self::version(&reader)?;
            if now != version {
                version = now;
                last = follow(options, out, &reader, &filter, last)?;
                out.flush()?;
            }
        }
    })
}

/// Changes with each commit of another connection.
fn version(reader: &Reader) -> Result<i64, StoreError> {
    Ok(reader
        .connection()
        .pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// Shows what came after a row, and tells the last row that was looked at.
fn follow(
    options: &Options,
    out: &mut Out,
    reader: &Reader,
    filter: &RecordFilter,
    mut last: i64,
) -> Result<i64> {
    // Of one moment, so that no record lies between what was looked at and the last row.
    reader.at_one_moment(|reader| {
        let newest = reader.last_record()?;
        loop {
            let page = reader.records_after(filter, last, BATCH)?;
            for (row, record) in &page.items {
                write(options, out, row, record)?;
            }
            match page.next {
                Some(next) => last = next,
                None => return Ok(newest),
            }
        }
    })
}

fn write(
    options: &Options,
    out: &mut Out,
    row: &crate::store::RecordRow,
    record: &crate::store::Stored<opentelemetry_proto::tonic::logs::v1::LogRecord>,
) -> Result<()> {
    if options.common.json {
        out.json(&json::record_of_row(row, record))?;
    } else {
        out.line(lines::record(row, record))?;
    }
    Ok(())
}
