//! Records on standard output: for people, or for machines.

pub(super) mod json;
mod line;
mod pretty;

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use super::record::Record;
use crate::settings::LogFormat;

/// What every JSON line says of the process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) pid: u32,
}

#[derive(Debug)]
pub(crate) enum Console {
    Json(json::Constant),
    Pretty { colour: bool },
}

impl Console {
    /// `None` asks standard output: a terminal gets the pretty form, anything else JSON.
    pub(crate) fn new(format: Option<LogFormat>, process: Process) -> Option<Self> {
        let terminal = std::io::stdout().is_terminal();
        // https://no-color.org
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match format {
            Some(LogFormat::Off) => None,
            Some(LogFormat::Pretty) => Some(Self::Pretty { colour }),
            Some(LogFormat::Json) => Some(Self::Json(json::Constant::of(&process))),
            None if terminal => Some(Self::Pretty { colour }),
            None => Some(Self::Json(json::Constant::of(&process))),
        }
    }

    pub(crate) fn emit(&self, record: &Record<'_>) {
        line::with(|line| {
            match self {
                Self::Json(constant) => json::write(line, record, constant),
                Self::Pretty { colour } => pretty::write(&mut line.bytes, record, *colour),
            }
            line.bytes.push(b'\n');
            // One write, so that lines of several threads do not mix. A closed standard
            // output is no reason to disturb the service.
            let _ = std::io::stdout().lock().write_all(&line.bytes);
        });
    }
}

/// RFC 3339, UTC, microseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::record::{Exception, Value};
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use proptest::prelude::*;
    use std::time::Duration;
    use tracing::Level;

    pub(in crate::event) fn record() -> Record<'static> {
        Record {
            timestamp: SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_007),
            level: Level::ERROR,
            target: "shop::cart",
            name: Some("checkout.failed"),
            module: Some("shop::cart"),
            file: Some("src/cart.rs"),
            line: Some(7),
            callsite: None,
            span: Some("checkout"),
            trace: Some(SpanContext::new(
                TraceId::from(0xabc),
                SpanId::from(0xdef),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            )),
            correlation: None,
            known: Default::default(),
            message: "no\nstock".to_owned(),
            fields: vec![
                ("order.id", Value::Int(7)),
                ("level", Value::Text("gold".to_owned())),
                ("order.id", Value::Int(8)),
            ],
            exception: Some(Exception {
                kind: None,
                message: "declined".to_owned(),
                sources: vec!["limit".to_owned()],
                stacktrace: None,
            }),
        }
    }

    #[test]
    fn a_timestamp_is_rfc_3339_in_utc_with_microseconds() {
        assert_eq!(timestamp(record().timestamp), "2023-11-14T22:13:20.000007Z");
    }

    fn value() -> impl Strategy<Value = crate::event::Value> {
        use crate::event::Value;
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::Uint),
            any::<f64>().prop_map(Value::Float),
            nasty().prop_map(Value::Text),
        ]
    }

    /// Said again here, so that the code under test is not its own judge.
    fn breaks(c: char) -> bool {
        let separators = [
            '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ];
        u32::from(c) < 0x20 || (0x7f..0xa0).contains(&u32::from(c)) || separators.contains(&c)
    }

    /// Any text, with a bias to what breaks lines, quotes and terminals.
    fn nasty() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            any::<char>(),
            proptest::sample::select(vec![
                '\n', '\r', '\t', '\0', '"', '\\', '{', '}', '=', ' ', '\u{1b}', '\u{7f}',
                '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{feff}',
            ]),
        ];
        proptest::collection::vec(c, 0..40).prop_map(|text| text.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_record_makes_more_than_one_line_or_invalid_json(
            message in nasty(),
            target in nasty(),
            file in nasty(),
            error in nasty(),
            source in nasty(),
            values in proptest::collection::vec(value(), 5),
        ) {
            // Names are constants of the program, but a program can write anything.
            let names = ["plain", "level", "a\nb", "trace_id", "plain"];
            let record = Record {
                message: message.clone(),
                target: &target,
                file: Some(&file),
                fields: names.into_iter().zip(values).collect(),
                exception: Some(Exception {
                    kind: Some("shop::Error"),
                    message: error,
                    sources: vec![source],
                    stacktrace: None,
                }),
                ..record()
            };
            let process = Process {
                service: message.clone(),
                ..Process::default()
            };
            let mut json = line::Line::default();
            json::write(&mut json, &record, &json::Constant::of(&process));
            let json = String::from_utf8(json.bytes).unwrap();
            prop_assert!(!json.chars().any(breaks), "{json:?}");
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed["message"].as_str(), Some(message.as_str()));
            prop_assert_eq!(parsed["level"].as_str(), Some("ERROR"));

            let mut pretty = Vec::new();
            pretty::write(&mut pretty, &record, false);
            let pretty = String::from_utf8(pretty).unwrap();
            prop_assert!(!pretty.chars().any(breaks), "{pretty:?}");
        }
    }
}
