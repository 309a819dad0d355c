//! One line a record for people at a terminal.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use tracing::Level;

use crate::event::escape::one_line;
use crate::event::record::{Record, Value};

pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>, colour: bool) {
    let style = |style: Style| if colour { style } else { Style::new() };
    let dim = style(Style::new().dimmed());
    let level = style(level_style(record.level));
    let key = style(Style::new().italic());
    let time = super::timestamp(record.timestamp);
    // Writing to a Vec does not fail.
    let _ = write!(
        out,
        "{dim}{time}{dim:#} {level}{:>5}{level:#} {dim}{}{dim:#}",
        record.level.as_str(),
        one_line(record.target),
    );
    if let Some(span) = record.span {
        let _ = write!(out, " {dim}{}{dim:#}", one_line(span));
    }
    if let Some(name) = record.name {
        let _ = write!(out, " {}", one_line(name));
    }
    let _ = write!(out, ": {}", one_line(&record.message));
    for (name, value) in record.promoted() {
        let _ = write!(out, " {key}{name}{key:#}={}", quoted(value));
    }
    for (name, value) in &record.fields {
        let _ = write!(out, " {key}{}{key:#}=", one_line(name));
        let _ = match value {
            Value::Text(text) => write!(out, "{}", quoted(text)),
            other => write!(out, "{other}"),
        };
    }
    if let Some(exception) = &record.exception {
        let _ = write!(out, " {key}error{key:#}={}", quoted(&exception.message));
        for source in &exception.sources {
            let _ = write!(out, " {key}caused_by{key:#}={}", quoted(source));
        }
    }
    if let Some(ids) = &record.trace {
        let _ = write!(
            out,
            " {dim}trace_id={} span_id={}{dim:#}",
            ids.trace_id(),
            ids.span_id()
        );
    }
}

/// Quotes only where the text would not be read as one word.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains([' ', '"', '=', '\\']);
    if plain {
        one_line(text).into_owned()
    } else {
        format!(
            "\"{}\"",
            one_line(&text.replace('\\', "\\\\").replace('"', "\\\""))
        )
    }
}

fn level_style(level: Level) -> Style {
    let colour = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(colour.into()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn line(colour: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, &record(), colour);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_reads_as_one_line() {
        assert_eq!(
            line(false),
            "2023-11-14T22:13:20.000007Z ERROR shop::cart checkout checkout.failed: no\\nstock \
             order.id=7 level=gold order.id=8 error=declined caused_by=limit \
             trace_id=00000000000000000000000000000abc span_id=0000000000000def"
        );
    }

    #[test]
    fn colour_changes_no_word() {
        let coloured = line(true);
        assert!(coloured.contains("\u{1b}[31mERROR"));
        let plain: String = anstyle_strip(&coloured);
        assert_eq!(plain, line(false));
    }

    #[test]
    fn text_that_could_pass_for_several_fields_is_quoted() {
        assert_eq!(quoted("a=1 \"b\"\n"), "\"a=1 \\\"b\\\"\\n\"");
        assert_eq!(quoted("word"), "word");
        assert_eq!(quoted(""), "\"\"");
    }

    fn anstyle_strip(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\u{1b}') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            rest = &rest[rest.find('m').unwrap() + 1..];
        }
        plain + rest
    }
}
