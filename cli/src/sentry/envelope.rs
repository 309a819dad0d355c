//! The envelope: a line of JSON about all of it, then for each item a line about that item,
//! and its payload.

use opentelemetry::TraceId;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::event::event_id;
use super::{CheckIn, ClientReport, Event, Limits, json, time};

/// What was in one body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Envelope {
    /// Of the event that it is about: what the sender gets back.
    pub(crate) event_id: Option<String>,
    /// Nanoseconds since 1970, by the sender's clock.
    pub(crate) sent_at: Option<u64>,
    pub(crate) sdk: Option<SdkInfo>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) events: Vec<Event>,
    pub(crate) check_ins: Vec<CheckIn>,
    pub(crate) client_reports: Vec<ClientReport>,
    /// Items of other types, in their order: transactions, sessions, attachments, logs …
    pub(crate) others: Vec<Counted>,
    /// Items of a type that is read here, with a payload that could not be.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// An item of which only the type and size are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Counted {
    /// Its `type`: `transaction`, `session`, `attachment`, `log` …
    pub(crate) kind: String,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: usize,
    /// A batch of logs, spans or metrics is one item.
    pub(crate) count: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) kind: String,
    pub(crate) bytes: usize,
    pub(crate) detail: String,
}

/// Which SDK it was.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct SdkInfo {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl SdkInfo {
    pub(super) fn of(fields: Map<String, Value>) -> Option<Self> {
        let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            version: text("version"),
        })
    }
}

/// Why a body is refused. None of it says anything of the payloads, which may be private.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the body has {bytes} bytes, and {limit} are the most")]
    TooLarge { bytes: usize, limit: usize },
    #[error("more than {limit} items")]
    TooManyItems { limit: usize },
    #[error("the envelope is empty")]
    Empty,
    #[error("the envelope's header is not a line with a JSON object: {detail}")]
    Header { detail: String },
    #[error("the header of item {item} is not a line with a JSON object: {detail}")]
    ItemHeader { item: usize, detail: String },
    #[error("item {item} has no type")]
    NoType { item: usize },
    #[error("item {item} has a length that is no number of bytes")]
    Length { item: usize },
    #[error("item {item} is {announced} bytes long, but {left} are left")]
    TooShort {
        item: usize,
        announced: usize,
        left: usize,
    },
    #[error("item {item} does not end where its length says")]
    NotTerminated { item: usize },
    #[error("the event is not a JSON object: {detail}")]
    Event { detail: String },
}

impl EnvelopeError {
    /// Whether less of the same would have been taken.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::TooManyItems { .. })
    }
}

/// Reads the body of `/api/{project}/envelope/`.
///
/// An item that cannot be read, or is of a type that nobody knows, is counted and the others
/// are taken. A frame that does not add up refuses all, as Sentry does: no item after the
/// break could be told from data.
pub(crate) fn parse_envelope(body: &[u8], limits: &Limits) -> Result<Envelope, EnvelopeError> {
    check_size(body, limits)?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(EnvelopeError::Empty);
    }
    let (line, mut rest) = line(body);
    let header = object(line, limits).map_err(|detail| EnvelopeError::Header { detail })?;
    let mut envelope = Envelope::of(&header);
    let mut item = 0;
    loop {
        // More newlines than the format has, between items or at the end, hurt nobody.
        while let Some(after) = rest
            .strip_prefix(b"\n")
            .or_else(|| rest.strip_prefix(b"\r\n"))
        {
            rest = after;
        }
        if rest.is_empty() {
            break;
        }
        item += 1;
        if item > limits.items {
            return Err(EnvelopeError::TooManyItems {
                limit: limits.items,
            });
        }
        let (head, after) = line_of_item(rest, item, limits)?;
        let (payload, after) = payload(&head, after, item)?;
        rest = after;
        envelope.take(&head, payload, limits);
    }
    if envelope.event_id.is_none() {
        envelope.event_id = envelope.events.first().map(|event| event.event_id.clone());
    }
    Ok(envelope)
}

/// Reads the body of `/api/{project}/store/`: one event without an envelope.
pub(crate) fn parse_store(body: &[u8], limits: &Limits) -> Result<Envelope, EnvelopeError> {
    check_size(body, limits)?;
    let mut envelope = Envelope::default();
    let event = read_event(body, None, limits).map_err(|detail| EnvelopeError::Event { detail })?;
    envelope.event_id = Some(event.event_id.clone());
    envelope.sdk = event.sdk.clone();
    envelope.trace_id = event.trace_id;
    envelope.events.push(event);
    Ok(envelope)
}

impl Envelope {
    fn of(header: &Map<String, Value>) -> Self {
        let id = |value: Option<&Value>| event_id(value?.as_str()?);
        Self {
            event_id: id(header.get("event_id")),
            sent_at: header.get("sent_at").and_then(time::nanos),
            sdk: header
                .get("sdk")
                .and_then(Value::as_object)
                .and_then(|sdk| SdkInfo::of(sdk.clone())),
            trace_id: id(header.get("trace").and_then(|trace| trace.get("trace_id")))
                .and_then(|id| TraceId::from_hex(&id).ok()),
            ..Self::default()
        }
    }

    fn take(&mut self, head: &Head, payload: &[u8], limits: &Limits) {
        let read = match head.kind.as_str() {
            "event" => {
                let id = self.event_id.as_deref().filter(|_| self.events.is_empty());
                read_event(payload, id, limits).map(|event| self.events.push(event))
            }
            "check_in" => json::read(payload, limits)
                .map_err(|error| error.to_string())
                .and_then(|value| CheckIn::of(&value).ok_or_else(|| "no check-in".to_owned()))
                .map(|check_in| self.check_ins.push(check_in)),
            "client_report" => json::read(payload, limits)
                .map_err(|error| error.to_string())
                .map(|value| self.client_reports.push(ClientReport::of(&value))),
            _ => {
                self.others.push(Counted {
                    kind: head.kind.clone(),
                    content_type: head.content_type.clone(),
                    bytes: payload.len(),
                    count: head.count,
                });
                Ok(())
            }
        };
        if let Err(detail) = read {
            self.unreadable.push(Unreadable {
                kind: head.kind.clone(),
                bytes: payload.len(),
                detail,
            });
        }
    }
}

/// Reads an event and sees to it that it has an id: one of its own making is the same each
/// time that the same bytes come.
fn read_event(payload: &[u8], id: Option<&str>, limits: &Limits) -> Result<Event, String> {
    let mut event = Event::from_json(payload, limits).map_err(|error| error.to_string())?;
    if let Some(id) = id {
        id.clone_into(&mut event.event_id);
    } else if event.event_id.is_empty() {
        let digest = Sha256::digest(payload);
        event.event_id = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
    }
    Ok(event)
}

fn check_size(body: &[u8], limits: &Limits) -> Result<(), EnvelopeError> {
    if body.len() > limits.body_bytes {
        return Err(EnvelopeError::TooLarge {
            bytes: body.len(),
            limit: limits.body_bytes,
        });
    }
    Ok(())
}

/// What an item's header says.
struct Head {
    kind: String,
    content_type: Option<String>,
    length: Option<usize>,
    count: u64,
}

fn line_of_item<'a>(
    rest: &'a [u8],
    item: usize,
    limits: &Limits,
) -> Result<(Head, &'a [u8]), EnvelopeError> {
    let (line, after) = line(rest);
    let header =
        object(line, limits).map_err(|detail| EnvelopeError::ItemHeader { item, detail })?;
    let text = |name| header.get(name).and_then(Value::as_str).map(str::to_owned);
    let length = match header.get("length") {
        None | Some(Value::Null) => None,
        Some(length) => Some(
            length
                .as_u64()
                .and_then(|length| usize::try_from(length).ok())
                .ok_or(EnvelopeError::Length { item })?,
        ),
    };
    let head = Head {
        kind: text("type").ok_or(EnvelopeError::NoType { item })?,
        content_type: text("content_type"),
        length,
        count: header
            .get("item_count")
            .and_then(Value::as_u64)
            .unwrap_or(1),
    };
    Ok((head, after))
}

/// An item's payload, and what follows the newline after it.
fn payload<'a>(
    head: &Head,
    rest: &'a [u8],
    item: usize,
) -> Result<(&'a [u8], &'a [u8]), EnvelopeError> {
    let Some(announced) = head.length else {
        return Ok(line(rest));
    };
    let too_short = EnvelopeError::TooShort {
        item,
        announced,
        left: rest.len(),
    };
    let (payload, after) = rest.split_at_checked(announced).ok_or(too_short)?;
    match after.split_first() {
        None => Ok((payload, after)),
        Some((b'\n', after)) => Ok((payload, after)),
        Some(_) => Err(EnvelopeError::NotTerminated { item }),
    }
}

/// Up to the next newline, and what follows it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

fn object(line: &[u8], limits: &Limits) -> Result<Map<String, Value>, String> {
    match json::read(line, limits) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("it is another value".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
