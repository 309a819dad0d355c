//! Records as OTLP log records:
//! <https://opentelemetry.io/docs/specs/otel/logs/data-model/>.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::{Context, Key};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use tracing::Level;

use super::record::{Record, Value};
use crate::export::Ledger;
use crate::limits;
use crate::settings::LimitSettings;

#[derive(Debug)]
pub(crate) struct OtlpLogs {
    logger: SdkLogger,
    ledger: Arc<Ledger>,
    limits: LimitSettings,
}

impl OtlpLogs {
    pub(crate) fn new(
        provider: &SdkLoggerProvider,
        ledger: Arc<Ledger>,
        limits: LimitSettings,
    ) -> Self {
        Self {
            // The scope's name comes from each record's target.
            logger: provider.logger(""),
            ledger,
            limits,
        }
    }

    pub(crate) fn emit(&self, record: &Record<'_>) {
        let mut log = self.logger.create_log_record();
        log.set_timestamp(record.timestamp);
        log.set_observed_timestamp(record.timestamp);
        let (number, text) = severity(record);
        log.set_severity_number(number);
        log.set_severity_text(text);
        log.set_target(record.target.to_owned());
        if let Some(name) = record.name {
            log.set_event_name(name);
        }
        log.set_body(AnyValue::from(record.message.clone()));
        if let Some(ids) = &record.trace {
            log.set_trace_context(ids.trace_id(), ids.span_id(), Some(ids.trace_flags()));
        }
        let mut attributes = Attributes::new(&mut log, &self.limits);
        if let Some(file) = record.file {
            attributes.add("code.file.path", file.to_owned());
        }
        if let Some(line) = record.line {
            attributes.add("code.line.number", i64::from(line));
        }
        for (name, value) in record.promoted() {
            attributes.add(name, AnyValue::String(Arc::clone(value).into()));
        }
        for (name, value) in &record.fields {
            attributes.add(Cow::Borrowed(*name), any_value(value));
        }
        if let Some(exception) = &record.exception {
            if let Some(kind) = exception.kind {
                attributes.add("exception.type", kind);
            }
            attributes.add("exception.message", exception.message.clone());
            if let Some(stacktrace) = exception.trace_text() {
                attributes.add("exception.stacktrace", stacktrace);
            }
        }
        self.ledger.emitted(1);
        // The logger gives a record without ids those of the current span, which an event
        // with `parent: None` has just declined.
        let _detached = record.trace.is_none().then(|| Context::new().attach());
        self.logger.emit(log);
    }
}

/// A record's attributes, up to the limits. The SDK's record has no place for the number of
/// those that were left out.
struct Attributes<'a> {
    log: &'a mut SdkLogRecord,
    left: usize,
    length: Option<usize>,
}

impl<'a> Attributes<'a> {
    fn new(log: &'a mut SdkLogRecord, limits: &LimitSettings) -> Self {
        Self {
            log,
            left: limits.log_attributes,
            length: limits.log_value_length,
        }
    }

    fn add(&mut self, key: impl Into<Key>, value: impl Into<AnyValue>) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        let mut value = value.into();
        if let (AnyValue::String(text), Some(length)) = (&value, self.length)
            && let Some(shorter) = limits::cut(text.as_str(), length)
        {
            value = AnyValue::from(shorter.to_owned());
        }
        self.log.add_attribute(key, value);
    }
}

fn any_value(value: &Value) -> AnyValue {
    match value {
        Value::Bool(value) => AnyValue::Boolean(*value),
        Value::Int(value) => AnyValue::Int(*value),
        // OTLP has no unsigned integer; what does not fit keeps its digits.
        Value::Uint(value) => match i64::try_from(*value) {
            Ok(value) => AnyValue::Int(value),
            Err(_) => AnyValue::from(value.to_string()),
        },
        Value::Float(value) => AnyValue::Double(*value),
        Value::Text(value) => AnyValue::from(value.clone()),
    }
}

fn severity(record: &Record<'_>) -> (Severity, &'static str) {
    if record.is_critical() {
        return (Severity::Fatal, "FATAL");
    }
    match record.level {
        Level::TRACE => (Severity::Trace, "TRACE"),
        Level::DEBUG => (Severity::Debug, "DEBUG"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::WARN => (Severity::Warn, "WARN"),
        Level::ERROR => (Severity::Error, "ERROR"),
    }
}
