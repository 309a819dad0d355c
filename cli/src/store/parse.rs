//! A request read once: validated whole, and taken apart into what its rows need.
//!
//! This runs where the request came in, so that the one writer only writes.

use std::ops::Range;

use bytes::Bytes;

use super::{
    StoreError,
    subjects::{self, MaybeNamed},
    token,
};
use crate::wire::{self, Malformed, RecordView, SpanView, ValueView};

/// Names are for lists: what is longer is cut there, and whole in the item itself.
const NAME: usize = 256;

/// How much of a record's text is indexed for the full-text search.
const TEXT: usize = 16 * 1024;

/// What a request may bring: two bytes of an empty record become some two hundred here.
const ITEMS: usize = 250_000;

/// A part of the request's body.
pub(super) type Part = Range<u32>;

/// What one scope brought.
#[derive(Debug)]
pub(super) struct Group<T> {
    pub(super) resource: Part,
    pub(super) scope: Part,
    pub(super) items: Vec<T>,
}

/// A request of spans or of log records, ready to be written.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    pub(super) body: Bytes,
    pub(super) groups: Vec<Group<T>>,
    pub(super) count: usize,
    /// Items that are valid protobuf and can still not be kept, with the reason.
    pub(super) refused: Option<(i64, &'static str)>,
}

#[derive(Debug)]
pub(super) struct SpanItem {
    pub(super) bytes: Part,
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) parent: Option<u64>,
    pub(super) start: u64,
    pub(super) duration: u64,
    pub(super) name: Part,
    pub(super) route: Option<Part>,
    pub(super) kind: i32,
    pub(super) status: i32,
    pub(super) http_status: Option<i64>,
    pub(super) exception: bool,
    pub(super) named: MaybeNamed,
    pub(super) tokens: Tokens,
}

#[derive(Debug)]
pub(super) struct RecordItem {
    pub(super) bytes: Part,
    pub(super) time: u64,
    pub(super) severity: i32,
    pub(super) trace: Option<u128>,
    pub(super) span: Option<u64>,
    pub(super) stream: Option<Part>,
    pub(super) event: Option<Part>,
    /// The message's words, and those of the attributes.
    pub(super) body: String,
    pub(super) attributes: String,
    pub(super) named: MaybeNamed,
    pub(super) tokens: Tokens,
}

/// The tokens of one item; without an end there are more than are kept.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) list: Vec<u32>,
    pub(super) overflow: bool,
}

impl Tokens {
    fn add(&mut self, attribute: &wire::AttributeView<'_>) {
        if let ValueView::Nested(list) = attribute.value {
            // One of a list, or of a map, is found like a value of its own.
            wire::leaves(list, &mut |value| {
                self.add(&wire::AttributeView {
                    key: attribute.key,
                    value,
                });
                !self.overflow
            });
        } else if self.list.len() == token::PER_ITEM {
            self.overflow = true;
        } else if let Some(token) = token::attribute(attribute) {
            if self.list.is_empty() {
                // What an item usually has.
                self.list.reserve(16);
            }
            self.list.push(token);
        }
    }
}

/// Where `part`, which lies in `body`, lies in it.
fn part(body: &[u8], part: &[u8]) -> Part {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    // Requests are at most some megabytes long.
    #[allow(clippy::cast_possible_truncation)]
    let range = start as u32..(start + part.len()) as u32;
    range
}

fn name(body: &[u8], text: &str) -> Part {
    let mut end = text.len().min(NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    part(body, &text.as_bytes()[..end])
}

fn parse<T>(
    body: &Bytes,
    mut item: impl FnMut(&[u8], &[u8]) -> Result<Result<T, &'static str>, Malformed>,
) -> Result<Parsed<T>, StoreError> {
    let mut groups = Vec::new();
    let mut count = 0;
    let mut room = ITEMS;
    let mut one_more = || {
        room = room.checked_sub(1).ok_or(StoreError::TooMany(ITEMS))?;
        Ok::<_, StoreError>(())
    };
    let mut refused: Option<(i64, &'static str)> = None;
    wire::groups(body, |group| {
        one_more()?;
        let mut items = Vec::new();
        group.items(|message| {
            one_more()?;
            match item(body, message)? {
                Ok(item) => items.push(item),
                Err(reason) => refused.get_or_insert((0, reason)).0 += 1,
            }
            Ok::<_, StoreError>(())
        })?;
        count += items.len();
        groups.push(Group {
            resource: part(body, group.resource),
            scope: part(body, group.scope),
            items,
        });
        Ok::<_, StoreError>(())
    })?;
    Ok(Parsed {
        body: body.clone(),
        groups,
        count,
        refused,
    })
}

/// Reads an `ExportTraceServiceRequest`.
pub(super) fn spans(body: &Bytes) -> Result<Parsed<SpanItem>, StoreError> {
    parse(body, |body, message| {
        let mut tokens = Tokens::default();
        let (mut route, mut http_status) = (None, None);
        let mut named = None;
        let span = SpanView::read(message, |attribute| {
            match (attribute.key, attribute.value) {
                ("http.route", ValueView::Text(text)) => route = Some(name(body, text)),
                // The older name is what many SDKs still send.
                ("http.response.status_code" | "http.status_code", ValueView::Int(code)) => {
                    http_status = Some(code);
                }
                _ => {}
            }
            subjects::note(&mut named, &attribute);
            tokens.add(&attribute);
        })?;
        let (Some(trace), Some(id)) = (span.trace_id, span.span_id) else {
            return Ok(Err("a span without a trace id or a span id"));
        };
        Ok(Ok(SpanItem {
            bytes: part(body, message),
            trace,
            span: id,
            parent: span.parent,
            start: span.start,
            duration: span.duration(),
            name: name(body, span.name),
            route,
            kind: span.kind,
            status: span.status,
            http_status,
            exception: span.exception,
            named,
            tokens,
        }))
    })
}

/// Reads an `ExportLogsServiceRequest`.
pub(super) fn records(body: &Bytes) -> Result<Parsed<RecordItem>, StoreError> {
    parse(body, |body, message| {
        let mut tokens = Tokens::default();
        let (mut stream, mut event) = (None, None);
        let mut named = None;
        let mut attributes = String::new();
        let record = RecordView::read(message, |attribute| {
            match (attribute.key, attribute.value) {
                ("log.category", ValueView::Text(text)) => stream = Some(name(body, text)),
                ("event.name", ValueView::Text(text)) => event = Some(name(body, text)),
                _ => {}
            }
            words(&mut attributes, attribute.value);
            subjects::note(&mut named, &attribute);
            tokens.add(&attribute);
        })?;
        let mut text = String::new();
        words(&mut text, record.body);
        if !record.event_name.is_empty() {
            event = Some(name(body, record.event_name));
            words(&mut attributes, ValueView::Text(record.event_name));
        }
        Ok(Ok(RecordItem {
            bytes: part(body, message),
            time: record.time,
            severity: record.severity,
            trace: record.trace_id,
            span: record.span_id,
            stream,
            event,
            body: text,
            attributes,
            named,
            tokens,
        }))
    })
}

/// Adds a value's words to a text that the full-text index gets.
fn words(into: &mut String, value: ValueView<'_>) {
    let text = match value {
        ValueView::Text(text) => text,
        ValueView::Int(number) => {
            push(into, itoa::Buffer::new().format(number));
            return;
        }
        ValueView::Nested(value) => {
            nested(into, value);
            return;
        }
        _ => return,
    };
    push(into, text);
}

fn push(into: &mut String, text: &str) {
    let mut end = text.len().min(TEXT.saturating_sub(into.len()));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end > 0 {
        if !into.is_empty() {
            into.push(' ');
        }
        into.push_str(&text[..end]);
    }
}

/// The texts of a list or of a map, whose depth was bounded when it was read.
fn nested(into: &mut String, value: &[u8]) {
    wire::leaves(value, &mut |leaf| {
        words(into, leaf);
        into.len() < TEXT
    });
}
