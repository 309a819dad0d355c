//! A span:
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>.
//!
//! The generated code wants a tree of owned values first: 26 allocations a span and twelve
//! times the time.

use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceState};
use opentelemetry_sdk::trace::SpanData;

use super::attribute::attributes;
use super::{nanos, wire};

// Span
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START_TIME: u32 = 7;
const END_TIME: u32 = 8;
const ATTRIBUTES: u32 = 9;
const DROPPED_ATTRIBUTES: u32 = 10;
const EVENTS: u32 = 11;
const DROPPED_EVENTS: u32 = 12;
const LINKS: u32 = 13;
const DROPPED_LINKS: u32 = 14;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

/// Bits of `flags` above those of the W3C: whether it is known that a context came from
/// another process, and whether it did.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

pub(super) fn span(out: &mut Vec<u8>, span: &SpanData) {
    let ids = &span.span_context;
    wire::bytes(out, TRACE_ID, &ids.trace_id().to_bytes());
    wire::bytes(out, SPAN_ID, &ids.span_id().to_bytes());
    trace_state(out, TRACE_STATE, ids);
    if span.parent_span_id != SpanId::INVALID {
        wire::bytes(out, PARENT_SPAN_ID, &span.parent_span_id.to_bytes());
    }
    wire::bytes(out, NAME, span.name.as_bytes());
    wire::number(out, KIND, kind(&span.span_kind));
    wire::fixed64(out, START_TIME, nanos(span.start_time));
    wire::fixed64(out, END_TIME, nanos(span.end_time));
    attributes(out, ATTRIBUTES, &span.attributes);
    wire::number(
        out,
        DROPPED_ATTRIBUTES,
        span.dropped_attributes_count.into(),
    );
    for event in span.events.iter() {
        wire::message(out, EVENTS, |out| self::event(out, event));
    }
    wire::number(out, DROPPED_EVENTS, span.events.dropped_count.into());
    for link in span.links.iter() {
        wire::message(out, LINKS, |out| self::link(out, link));
    }
    wire::number(out, DROPPED_LINKS, span.links.dropped_count.into());
    wire::message(out, STATUS, |out| status(out, &span.status));
    let flags = u32::from(ids.trace_flags().to_u8());
    wire::fixed32(out, FLAGS, remote(span.parent_span_is_remote) | flags);
}

fn remote(is_remote: bool) -> u32 {
    if is_remote {
        HAS_IS_REMOTE | IS_REMOTE
    } else {
        HAS_IS_REMOTE
    }
}

fn trace_state(out: &mut Vec<u8>, field: u32, ids: &SpanContext) {
    // The header is a new text, also where there is nothing in it.
    if *ids.trace_state() != TraceState::NONE {
        wire::bytes(out, field, ids.trace_state().header().as_bytes());
    }
}

fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn event(out: &mut Vec<u8>, event: &Event) {
    let at: SystemTime = event.timestamp;
    wire::fixed64(out, 1, nanos(at));
    wire::bytes(out, 2, event.name.as_bytes());
    attributes(out, 3, &event.attributes);
    wire::number(out, 4, event.dropped_attributes_count.into());
}

fn link(out: &mut Vec<u8>, link: &Link) {
    let ids = &link.span_context;
    wire::bytes(out, 1, &ids.trace_id().to_bytes());
    wire::bytes(out, 2, &ids.span_id().to_bytes());
    trace_state(out, 3, ids);
    attributes(out, 4, &link.attributes);
    wire::number(out, 5, link.dropped_attributes_count.into());
    let flags = u32::from(ids.trace_flags().to_u8());
    wire::fixed32(out, 6, remote(ids.is_remote()) | flags);
}

fn status(out: &mut Vec<u8>, status: &Status) {
    match status {
        Status::Unset => {}
        Status::Ok => wire::number(out, 3, 1),
        Status::Error { description } => {
            wire::bytes(out, 2, description.as_bytes());
            wire::number(out, 3, 2);
        }
    }
}
