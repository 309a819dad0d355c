//! The tables that several views have: rate, errors and duration of services and endpoints, and
//! lines of the log. Each is a template of its own that a view's template puts in by its name.

use askama::Template;
use throughline_receiver::proto::common::v1::KeyValue;

use super::{
    chart::{colour, sparkline},
    format::{rate, seconds, share, time},
    markup::Markup,
    query::{Query, href},
    record::level,
    trace::text,
    value,
};

/// Shown apart from the other attributes.
const STACK: &str = "exception.stacktrace";

/// What one service or endpoint did within the range.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RedRow {
    pub(crate) name: String,
    /// Empty in a table of services.
    pub(crate) service: String,
    pub(crate) href: String,
    /// Its failed traces.
    pub(crate) errors_href: String,
    /// Requests a second, and from 0 to 1 how many of them failed.
    pub(crate) rate: f64,
    pub(crate) failed: f64,
    /// Seconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Over the range, at equal distances: requests a second, share of errors, p95 in seconds.
    pub(crate) rates: Vec<f64>,
    pub(crate) failures: Vec<f64>,
    pub(crate) durations: Vec<f64>,
}

impl RedRow {
    fn class(&self) -> String {
        colour(if self.service.is_empty() {
            &self.name
        } else {
            &self.service
        })
    }

    fn severity(&self) -> &'static str {
        match self.failed {
            ..=0.0 => "muted",
            0.05.. => "error-text",
            _ => "warn-text",
        }
    }

    fn shown_rate(&self) -> String {
        rate(self.rate)
    }

    fn shown_share(&self) -> String {
        share(self.failed)
    }

    fn rate_line(&self) -> Markup {
        sparkline(&self.rates, "1/s", "requests", "c0")
    }

    fn failure_line(&self) -> Markup {
        let percent: Vec<_> = self.failures.iter().map(|share| share * 100.0).collect();
        sparkline(
            &percent,
            "%",
            "errors",
            if self.failed > 0.0 { "error" } else { "c9" },
        )
    }

    fn duration_line(&self) -> Markup {
        sparkline(&self.durations, "s", "95th percentile", "c3")
    }

    fn percentiles(&self) -> [(&'static str, String); 3] {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), seconds);
        [
            ("p50", shown(self.p50)),
            ("p95", shown(self.p95)),
            ("p99", shown(self.p99)),
        ]
    }
}

/// Rate, errors and duration.
#[derive(Clone, Debug, Template)]
#[template(path = "red.html")]
pub(crate) struct RedTable {
    pub(crate) caption: String,
    /// What a row is: "Service", "Endpoint".
    pub(crate) first: String,
    pub(crate) rows: Vec<RedRow>,
    /// What is said where there are no rows.
    pub(crate) empty: String,
}

impl askama::filters::HtmlSafe for RedTable {}

/// One record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogLine {
    /// Of `/logs/{id}`.
    pub(crate) id: i64,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// OTLP's number.
    pub(crate) severity: i32,
    /// Empty is the application's own log.
    pub(crate) stream: String,
    pub(crate) service: String,
    pub(crate) event: String,
    pub(crate) message: String,
    pub(crate) attributes: Vec<KeyValue>,
    /// In hexadecimal; empty where there is none.
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// The line that a context is around.
    pub(crate) chosen: bool,
    /// The search of the list that the line is in, where its values can narrow that.
    pub(crate) search: Option<Query>,
}

impl LogLine {
    pub(crate) fn level(&self) -> (&'static str, &'static str) {
        level(self.severity)
    }

    fn href(&self) -> String {
        href(&["logs", &self.id.to_string()], &[])
    }

    fn trace_href(&self) -> String {
        href(&["traces", &self.trace_id], &[("span", &self.span_id)])
    }

    pub(crate) fn class(&self) -> String {
        colour(&self.service)
    }

    pub(crate) fn text(&self) -> Markup {
        let mut markup = Markup::new();
        if self.message.is_empty() {
            markup.element("span", &[("class", &"muted")], &self.event);
        } else {
            value::text(&mut markup, &self.message);
        }
        markup
    }

    fn at(&self) -> Markup {
        time(self.time)
    }

    fn facts(&self) -> Markup {
        let told: Vec<_> = self
            .attributes
            .iter()
            .filter(|attribute| attribute.key != STACK)
            .cloned()
            .collect();
        value::attributes_of_record(&told, |key, value| {
            let search = self.search.as_ref()?;
            let term = format!("{key}={value}");
            let line = match search.get("q") {
                Some(line) if line.contains(&term) => return None,
                Some(line) => format!("{line} {term}"),
                None => term,
            };
            Some(search.with("q", &line).at("/logs"))
        })
    }

    /// The stack trace of an exception, whose lines have to stay lines.
    fn stack(&self) -> Option<&str> {
        const LONGEST: usize = 32 * 1024;
        let stack = text(&self.attributes, STACK)?;
        let end = stack.char_indices().nth(LONGEST).map(|(end, _)| end);
        Some(&stack[..end.unwrap_or(stack.len())])
    }

    /// The list of all lines of this event.
    fn event_href(&self) -> String {
        match &self.search {
            Some(search) => search.with("event", &self.event).at("/logs"),
            None => href(&["logs"], &[("event", &self.event), ("since", "all")]),
        }
    }

    /// The first few values, which often tell as much as the message.
    fn gist(&self) -> Vec<(&str, String)> {
        const QUIET: [&str; 11] = [
            "request.id",
            "session.id",
            "user_agent.",
            "code.",
            STACK,
            "log.",
            "thread.",
            "network.",
            "process.",
            "telemetry.",
            "target",
        ];
        let told =
            |attribute: &&KeyValue| !QUIET.iter().any(|quiet| attribute.key.starts_with(quiet));
        self.attributes
            .iter()
            .filter(told)
            .take(4)
            .map(|attribute| {
                (
                    attribute.key.as_str(),
                    value::plain(attribute.value.as_ref(), 40),
                )
            })
            .collect()
    }
}

/// Lines of the log, newest first or in the order of time, as they are given.
#[derive(Clone, Debug, Template)]
#[template(path = "lines.html")]
pub(crate) struct LogTable {
    pub(crate) caption: String,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) empty: String,
}

impl askama::filters::HtmlSafe for LogTable {}

/// Links to the page before and after, which `[` and `]` follow.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "pager.html")]
pub(crate) struct Pager {
    pub(crate) newer: Option<String>,
    pub(crate) older: Option<String>,
}

impl askama::filters::HtmlSafe for Pager {}

#[cfg(test)]
mod tests {
    use throughline_receiver::proto::common::v1::{AnyValue, any_value::Value};

    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'";

    #[test]
    fn lines_are_inert_whatever_they_say() {
        let value = AnyValue {
            value: Some(Value::StringValue(HOSTILE.to_owned())),
        };
        let line = LogLine {
            id: 7,
            severity: 17,
            stream: HOSTILE.to_owned(),
            service: HOSTILE.to_owned(),
            message: HOSTILE.to_owned(),
            attributes: vec![KeyValue {
                key: HOSTILE.to_owned(),
                value: Some(value),
                ..KeyValue::default()
            }],
            trace_id: HOSTILE.to_owned(),
            ..LogLine::default()
        };
        let event = LogLine {
            message: String::new(),
            event: HOSTILE.to_owned(),
            ..line.clone()
        };
        let table = LogTable {
            caption: HOSTILE.to_owned(),
            lines: vec![line, event],
            empty: String::new(),
        };
        let html = table.render().unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("data-row").count(), 2, "{html}");
        assert!(html.contains("href=\"/traces/%3Cscript%3E"), "{html}");
        assert!(
            html.contains("<span class=\"badge error\">error</span>"),
            "{html}"
        );
    }

    #[test]
    fn a_table_says_that_it_has_nothing() {
        let table = LogTable {
            caption: String::new(),
            lines: Vec::new(),
            empty: "<b>".to_owned(),
        };
        assert_eq!(
            table.render().unwrap().trim(),
            "<p class=\"empty\">&#60;b&#62;</p>"
        );
    }

    #[test]
    fn rate_errors_and_duration_have_their_units() {
        let row = RedRow {
            name: HOSTILE.to_owned(),
            rate: 12.34,
            failed: 0.071,
            p50: Some(0.012),
            p99: Some(1.5),
            ..RedRow::default()
        };
        let table = RedTable {
            caption: "Services".to_owned(),
            first: "Service".to_owned(),
            rows: vec![row],
            empty: String::new(),
        };
        let html = table.render().unwrap();
        for part in ["12.3/s", "error-text", "7.1 %", "12 ms", "–", "1.5 s"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script"), "{html}");
    }
}
