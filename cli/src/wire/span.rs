//! A span.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>

use super::{
    AttributeView, Fields, Malformed, span_id, trace_id,
    value::{attribute, attributes},
};

/// The number of `Span.attributes`.
pub(crate) const ATTRIBUTES: u32 = 9;

/// What an index needs of a span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanView<'a> {
    pub(crate) trace_id: Option<u128>,
    pub(crate) span_id: Option<u64>,
    pub(crate) parent: Option<u64>,
    pub(crate) name: &'a str,
    /// `SpanKind`: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub(crate) kind: i32,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// `StatusCode`: 0 unset, 1 ok, 2 error.
    pub(crate) status: i32,
    /// Whether an exception was recorded on it.
    pub(crate) exception: bool,
}

impl<'a> SpanView<'a> {
    /// Reads and validates the whole span; `with` gets each of its attributes.
    pub(crate) fn read(
        message: &'a [u8],
        mut with: impl FnMut(AttributeView<'a>),
    ) -> Result<Self, Malformed> {
        let mut span = Self::default();
        let mut fields = Fields::new(message);
        while let Some((field, wire)) = fields.next()? {
            match field {
                1 => span.trace_id = trace_id(wire.bytes(1)?)?,
                2 => span.span_id = span_id(wire.bytes(2)?)?,
                3 => {
                    wire.text(3)?;
                }
                4 => span.parent = span_id(wire.bytes(4)?)?,
                5 => span.name = wire.text(5)?,
                6 => span.kind = wire.int32(6)?,
                7 => span.start = wire.fixed64(7)?,
                8 => span.end = wire.fixed64(8)?,
                ATTRIBUTES => with(attribute(wire, ATTRIBUTES)?),
                10 | 12 | 14 => {
                    wire.varint(field)?;
                }
                11 => span.exception |= event(wire.bytes(11)?)? == "exception",
                13 => link(wire.bytes(13)?)?,
                15 => span.status = status(wire.bytes(15)?)?,
                16 => {
                    wire.fixed32(16)?;
                }
                _ => {}
            }
        }
        Ok(span)
    }

    /// Nanoseconds; nothing where the end lies before the start.
    pub(crate) const fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The event's name.
fn event(message: &[u8]) -> Result<&str, Malformed> {
    let mut name = "";
    let mut fields = Fields::new(message);
    while let Some((field, wire)) = fields.next()? {
        match field {
            1 => {
                wire.fixed64(1)?;
            }
            2 => name = wire.text(2)?,
            3 => {
                attribute(wire, 3)?;
            }
            4 => {
                wire.varint(4)?;
            }
            _ => {}
        }
    }
    Ok(name)
}

fn link(message: &[u8]) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    while let Some((field, wire)) = fields.next()? {
        match field {
            1 => {
                trace_id(wire.bytes(1)?)?;
            }
            2 => {
                span_id(wire.bytes(2)?)?;
            }
            3 => {
                wire.text(3)?;
            }
            5 => {
                wire.varint(5)?;
            }
            6 => {
                wire.fixed32(6)?;
            }
            _ => {}
        }
    }
    attributes(message, 4, |_| {})
}

fn status(message: &[u8]) -> Result<i32, Malformed> {
    let mut code = 0;
    let mut fields = Fields::new(message);
    while let Some((field, wire)) = fields.next()? {
        match field {
            2 => {
                wire.text(2)?;
            }
            3 => code = wire.int32(3)?,
            _ => {}
        }
    }
    Ok(code)
}
