//! Records as OTLP log records, encoded at once:
//! <https://opentelemetry.io/docs/specs/otel/logs/data-model/>.
//!
//! The SDK's record has to be filled, cloned into a queue and translated before it is
//! encoded, which costs more than the encoding, and holds it as a tree of small allocations
//! while it waits.

use tracing::Level;

use super::record::{Record, Value};
use crate::export::{LogWriter, Scalar, Stage};
use crate::limits;
use crate::settings::LimitSettings;

#[derive(Debug)]
pub(crate) struct OtlpLogs {
    stage: Stage,
    limits: LimitSettings,
}

impl OtlpLogs {
    pub(crate) fn new(stage: Stage, limits: LimitSettings) -> Self {
        Self { stage, limits }
    }

    pub(crate) fn emit(&self, record: &Record<'_>) {
        self.stage.leave(
            record,
            |record, buffer| self.encode(record, buffer),
            |record, items, encoded| items.add(record.target, encoded),
        );
    }

    fn encode(&self, record: &Record<'_>, buffer: &mut Vec<u8>) {
        let mut log = LogWriter(buffer);
        log.time(record.timestamp);
        let (number, text) = severity(record);
        log.severity(number, text);
        log.body(&record.message);
        self.attributes(record, &mut log);
        if let Some(ids) = &record.trace {
            log.ids(ids);
        }
        if let Some(name) = record.name {
            log.event_name(name);
        }
    }

    fn attributes(&self, record: &Record<'_>, log: &mut LogWriter<'_>) {
        let mut attributes = Attributes {
            log,
            left: self.limits.log_attributes,
            length: self.limits.log_value_length,
            dropped: 0,
        };
        match record.callsite {
            Some(callsite)
                if attributes.length.is_none() && attributes.left >= callsite.attributes =>
            {
                attributes.log.encoded(&callsite.otlp);
                attributes.left -= callsite.attributes;
            }
            _ => attributes.place(record.file, record.line),
        }
        for (name, value) in record.promoted() {
            attributes.add(name, Scalar::Text(value));
        }
        for (name, value) in &record.fields {
            match value {
                Value::Bool(value) => attributes.add(name, Scalar::Bool(*value)),
                Value::Int(value) => attributes.add(name, Scalar::Int(*value)),
                // OTLP has no unsigned integer; what does not fit keeps its digits.
                Value::Uint(value) => match i64::try_from(*value) {
                    Ok(value) => attributes.add(name, Scalar::Int(value)),
                    Err(_) => attributes.add(name, Scalar::Text(&value.to_string())),
                },
                Value::Float(value) => attributes.add(name, Scalar::Double(*value)),
                Value::Text(value) => attributes.add(name, Scalar::Text(value)),
            }
        }
        if let Some(exception) = &record.exception {
            if let Some(kind) = exception.kind {
                attributes.add("exception.type", Scalar::Text(kind));
            }
            attributes.add("exception.message", Scalar::Text(&exception.message));
            if let Some(stacktrace) = exception.trace_text() {
                attributes.add("exception.stacktrace", Scalar::Text(&stacktrace));
            }
        }
        let dropped = attributes.dropped;
        log.dropped_attributes(dropped);
    }
}

/// A record's attributes, up to the limits.
struct Attributes<'a, 'b> {
    log: &'a mut LogWriter<'b>,
    left: usize,
    length: Option<usize>,
    dropped: u32,
}

/// The attributes that say where a callsite stands, and how many they are.
pub(super) fn place(out: &mut Vec<u8>, file: Option<&str>, line: Option<u32>) -> usize {
    let mut attributes = Attributes {
        log: &mut LogWriter(out),
        left: usize::MAX,
        length: None,
        dropped: 0,
    };
    attributes.place(file, line);
    usize::MAX - attributes.left
}

impl Attributes<'_, '_> {
    fn place(&mut self, file: Option<&str>, line: Option<u32>) {
        if let Some(file) = file {
            self.add("code.file.path", Scalar::Text(file));
        }
        if let Some(line) = line {
            self.add("code.line.number", Scalar::Int(line.into()));
        }
    }

    fn add(&mut self, key: &str, value: Scalar<'_>) {
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped += 1;
            return;
        };
        self.left = left;
        let value = match (value, self.length) {
            (Scalar::Text(text), Some(length)) => {
                Scalar::Text(limits::cut(text, length).unwrap_or(text))
            }
            (value, _) => value,
        };
        self.log.attribute(key, value);
    }
}

fn severity(record: &Record<'_>) -> (u8, &'static str) {
    if record.is_critical() {
        return (21, "FATAL");
    }
    match record.level {
        Level::TRACE => (1, "TRACE"),
        Level::DEBUG => (5, "DEBUG"),
        Level::INFO => (9, "INFO"),
        Level::WARN => (13, "WARN"),
        Level::ERROR => (17, "ERROR"),
    }
}
