//! Log records as lines of the terminal.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use owo_colors::OwoColorize;

use super::moment;
use crate::{
    render::{log, value},
    store::{RecordRow, Stored},
};

/// `22:13:20.123  shop  ERROR  payment failed  order.id=7  trace 0123…`
pub(super) fn record(row: &RecordRow, record: &Stored<LogRecord>) -> String {
    let stream = row.stream.as_deref().map(value::text);
    let stream = stream.map_or_else(String::new, |stream| format!("  {}", stream.magenta()));
    let trace = row.trace.map_or_else(String::new, |trace| {
        format!("  {}", format!("trace {trace:032x}").dimmed())
    });
    format!(
        "{}  {}{stream}  {}{trace}",
        moment(row.time).dimmed(),
        value::text(&row.service).cyan(),
        log::whole(&record.item),
    )
}
