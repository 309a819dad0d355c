//! A log record or a span that failed as an occurrence, by OpenTelemetry's conventions:
//! <https://opentelemetry.io/docs/specs/semconv/exceptions/>.

use opentelemetry::{SpanId, TraceId};
use throughline_receiver::Attributes;
use throughline_receiver::proto::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::resource::v1::Resource;
use throughline_receiver::proto::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::fingerprint::{Failed, Fingerprint, explicit, worked_out};
use super::{Occurrence, Source, UNKNOWN_SERVICE, frames, lines, stacktrace};
use crate::sentry::{Exception, Level};

/// From this severity on a record is an error.
const ERROR: i32 = 17;
const FATAL: i32 = 21;

/// The `exception.type` that the SDK gives a panic.
const PANIC: &str = "panic";

impl Occurrence {
    /// A record of severity ERROR or above; `None` for any other.
    pub(crate) fn from_record(
        record: &LogRecord,
        scope: Option<&InstrumentationScope>,
        resource: &Resource,
    ) -> Option<Self> {
        if record.severity_number < ERROR {
            return None;
        }
        let body = record.body.as_ref().and_then(|body| body.value.as_ref());
        let body = body.map(shown).unwrap_or_default();
        let scope = scope.map(|scope| scope.name.as_str());
        let named = Some(record.event_name.as_str()).filter(|name| !name.is_empty());
        let thrown = Thrown::of(&record.attributes);
        let time = match record.time_unix_nano {
            0 => record.observed_time_unix_nano,
            time => time,
        };
        let function = text(&record.attributes, "code.function.name");
        let place = function.or_else(|| named.or(scope).map(str::to_owned));
        let service = service(resource);
        let fingerprint = fingerprint(&service, &thrown, &body, named, scope);
        let level = match record.severity_number {
            FATAL.. => Level::Fatal,
            _ => Level::Error,
        };
        Some(Self {
            time,
            trace_id: trace_id(&record.trace_id),
            span_id: span_id(&record.span_id),
            level,
            user: user(&record.attributes),
            ..thrown.occurrence(
                Source::LogRecord,
                service,
                resource,
                body,
                place,
                fingerprint,
            )
        })
    }

    /// The exceptions of a span that failed, each once.
    ///
    /// A failed span without one is an error of its own only where a request or a job came
    /// in, and if its status says what happened. Otherwise one answer of 500 would be an error
    /// of every span around it, of the call in the service before, and so on outwards.
    pub(crate) fn from_span(span: &Span, resource: &Resource) -> Vec<Self> {
        let Some(status) = &span.status else {
            return Vec::new();
        };
        if status.code != StatusCode::Error as i32 {
            return Vec::new();
        }
        let mut occurrences: Vec<Self> = Vec::new();
        for event in span.events.iter().filter(|event| event.name == "exception") {
            let thrown = Thrown::of(&event.attributes);
            let told = occurrences.iter().any(|earlier| {
                earlier.exception_type == thrown.kind && earlier.message == thrown.message
            });
            if !told {
                let occurrence = of_span(span, thrown, String::new(), resource);
                occurrences.push(Self {
                    time: event.time_unix_nano,
                    ..occurrence
                });
            }
        }
        if occurrences.is_empty() && is_entry(span) && !status.message.trim().is_empty() {
            let thrown = Thrown {
                kind: text(&span.attributes, "error.type")
                    // A status code is no type.
                    .filter(|kind| kind.contains(|letter: char| letter.is_alphabetic())),
                ..Thrown::default()
            };
            occurrences.push(of_span(span, thrown, status.message.clone(), resource));
        }
        occurrences
    }
}

fn of_span(span: &Span, thrown: Thrown, said: String, resource: &Resource) -> Occurrence {
    let service = service(resource);
    let fingerprint = fingerprint(&service, &thrown, &said, None, None);
    let place = Some(span.name.clone()).filter(|name| !name.is_empty());
    Occurrence {
        time: span.end_time_unix_nano,
        trace_id: trace_id(&span.trace_id),
        span_id: span_id(&span.span_id),
        user: user(&span.attributes),
        ..thrown.occurrence(Source::Span, service, resource, said, place, fingerprint)
    }
}

/// Whether a request, a message or a job came in with this span.
fn is_entry(span: &Span) -> bool {
    let kind = SpanKind::try_from(span.kind).unwrap_or_default();
    match kind {
        SpanKind::Server | SpanKind::Consumer => true,
        SpanKind::Client | SpanKind::Producer => false,
        SpanKind::Internal | SpanKind::Unspecified => span.parent_span_id.is_empty(),
    }
}

/// What the attributes `exception.*` say.
#[derive(Debug, Default)]
struct Thrown {
    kind: Option<String>,
    message: String,
    handled: Option<bool>,
    /// Of the stack trace, where its form is known; else the exception alone.
    chain: Vec<Exception>,
}

impl Thrown {
    fn of(attributes: &[KeyValue]) -> Self {
        let kind = text(attributes, "exception.type");
        let said = text(attributes, "exception.message");
        let trace = text(attributes, "exception.stacktrace");
        let mut chain = trace
            .and_then(|trace| stacktrace::parse(&trace))
            .unwrap_or_default();
        if chain.is_empty() && (kind.is_some() || said.is_some()) {
            chain.push(Exception::default());
        }
        if let Some(outermost) = chain.last_mut() {
            // The attributes are whole, and a trace may begin anywhere.
            if kind.is_some() {
                outermost.kind.clone_from(&kind);
            }
            if said.is_some() {
                outermost.value.clone_from(&said);
            }
        }
        let outermost = chain.last();
        let escaped = match attributes.attribute("exception.escaped") {
            Some(Value::BoolValue(escaped)) => Some(*escaped),
            _ => None,
        };
        let panicked = (kind.as_deref() == Some(PANIC)).then_some(true);
        Self {
            kind: outermost.and_then(|one| one.kind.clone()),
            message: outermost
                .and_then(|one| one.value.clone())
                .unwrap_or_default(),
            handled: panicked.or(escaped).map(|escaped| !escaped),
            chain,
        }
    }

    fn has_frames(&self) -> bool {
        self.chain.iter().any(|one| !one.frames.is_empty())
    }

    /// With what is the same for a record and a span.
    fn occurrence(
        self,
        source: Source,
        service: String,
        resource: &Resource,
        said: String,
        place: Option<String>,
        fingerprint: Fingerprint,
    ) -> Occurrence {
        let innermost = self.chain.iter().rev().find(|one| !one.frames.is_empty());
        let culprit = innermost
            .and_then(|one| frames::culprit(&one.frames))
            .or(place);
        let (message, log_message) = match self.message.is_empty() {
            true => (said, None),
            false => (self.message, Some(said).filter(|said| !said.is_empty())),
        };
        let (title, subtitle) = lines(self.kind.as_deref(), &message, culprit.as_deref());
        let environment = text(&resource.attributes, "deployment.environment.name");
        Occurrence {
            source,
            time: 0,
            release: text(&resource.attributes, "service.version")
                .map(|version| format!("{service}@{version}")),
            environment: environment
                // Its name before version 1.27 of the conventions.
                .or_else(|| text(&resource.attributes, "deployment.environment")),
            trace_id: None,
            span_id: None,
            event_id: None,
            exception_type: self.kind,
            level: Level::Error,
            handled: self.handled,
            user: None,
            service,
            message,
            log_message,
            culprit,
            fingerprint,
            title,
            subtitle,
        }
    }
}

/// As our SDK says it to Sentry, so that an issue is the same with and without a DSN: the
/// event's name, else the target, with the exception's type. A stack tells more than a target.
fn fingerprint(
    service: &str,
    thrown: &Thrown,
    said: &str,
    named: Option<&str>,
    scope: Option<&str>,
) -> Fingerprint {
    let failed = Failed {
        service,
        exceptions: &thrown.chain,
        stack: &[],
        message: said,
    };
    let kind = thrown.kind.as_deref().filter(|kind| *kind != PANIC);
    let parts = match (named, scope.filter(|_| !thrown.has_frames()), kind) {
        (Some(name), _, kind) => [name, kind.unwrap_or("{{ default }}")],
        (None, Some(scope), Some(kind)) => [scope, kind],
        (None, ..) => return worked_out(failed),
    };
    explicit(&parts.map(str::to_owned), failed)
}

fn service(resource: &Resource) -> String {
    text(&resource.attributes, "service.name").unwrap_or_else(|| UNKNOWN_SERVICE.to_owned())
}

fn user(attributes: &[KeyValue]) -> Option<String> {
    ["user.id", "enduser.id", "user.name", "user.email"]
        .into_iter()
        .find_map(|name| text(attributes, name))
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let text = shown(attributes.attribute(name)?);
    (!text.is_empty()).then_some(text)
}

/// A value as text.
fn shown(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BytesValue(bytes) => format!("{} bytes", bytes.len()),
        Value::ArrayValue(list) => format!("a list of {}", list.values.len()),
        // A body with fields has its sentence in one of these.
        Value::KvlistValue(fields) => ["message", "msg", "event"]
            .into_iter()
            .find_map(|name| match fields.values.attribute(name)? {
                Value::StringValue(text) => Some(text.clone()),
                _ => None,
            })
            .unwrap_or_else(|| format!("{} fields", fields.values.len())),
        _ => String::new(),
    }
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    let id = TraceId::from_bytes(bytes.try_into().ok()?);
    (id != TraceId::INVALID).then_some(id)
}

fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id = SpanId::from_bytes(bytes.try_into().ok()?);
    (id != SpanId::INVALID).then_some(id)
}
