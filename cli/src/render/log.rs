//! A log record as one line.

use owo_colors::OwoColorize;
use throughline_receiver::proto::logs::v1::LogRecord;

use super::value;

/// In short, beside others in a report.
pub(crate) fn render(record: &LogRecord) -> String {
    with_message(record, value::text)
}

/// With its message as long as it is.
pub(crate) fn whole(record: &LogRecord) -> String {
    with_message(record, value::whole)
}

fn with_message(record: &LogRecord, text: fn(&str) -> String) -> String {
    use throughline_receiver::proto::common::v1::any_value::Value;
    let message = match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(message)) => text(message),
        Some(_) => value::any(record.body.as_ref()),
        None if record.event_name.is_empty() => "(no text)".into(),
        None => value::text(&record.event_name),
    };
    let attributes = value::attributes(&record.attributes);
    let line = format!("{}  {message}", level(record.severity_number));
    if attributes.is_empty() {
        line
    } else {
        format!("{line}  {}", attributes.dimmed())
    }
}

/// The short names of the ranges in
/// <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>.
pub(crate) fn level(severity: i32) -> String {
    match severity {
        1..=4 => "TRACE".dimmed().to_string(),
        5..=8 => "DEBUG".blue().to_string(),
        9..=12 => "INFO".green().to_string(),
        13..=16 => "WARN".yellow().to_string(),
        17..=20 => "ERROR".red().to_string(),
        21..=24 => "FATAL".red().bold().to_string(),
        _ => "LOG".dimmed().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture::Fixture;

    fn line(severity: i32) -> String {
        let received = Fixture::default()
            .log(1, 1, severity, "payment failed", 0, &[("order.id", "3")])
            .contents();
        render(&received.logs[0])
    }

    #[test]
    fn a_record_is_one_line_with_its_level_and_attributes() {
        let plain = anstream::adapter::strip_str(&line(17)).to_string();
        assert_eq!(plain, "ERROR  payment failed  order.id=3");
    }

    #[test]
    fn a_level_is_coloured_and_an_unknown_one_is_shown_as_a_log() {
        assert!(line(17).contains("\u{1b}[31mERROR"));
        assert!(line(0).contains("LOG"));
    }
}
