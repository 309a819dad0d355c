//! A log record.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>

use super::{AttributeView, Fields, Malformed, ValueView, span_id, trace_id, value::attribute};

/// The number of `LogRecord.attributes`.
pub(crate) const ATTRIBUTES: u32 = 6;

/// What an index needs of a log record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordView<'a> {
    /// Nanoseconds since 1970: when it happened, or, where nobody knows, when it was seen.
    pub(crate) time: u64,
    pub(crate) severity: i32,
    pub(crate) body: ValueView<'a>,
    pub(crate) trace_id: Option<u128>,
    pub(crate) span_id: Option<u64>,
    pub(crate) event_name: &'a str,
}

impl<'a> RecordView<'a> {
    /// Reads and validates the whole record; `with` gets each of its attributes.
    pub(crate) fn read(
        message: &'a [u8],
        mut with: impl FnMut(AttributeView<'a>),
    ) -> Result<Self, Malformed> {
        let mut record = Self {
            time: 0,
            severity: 0,
            body: ValueView::Empty,
            trace_id: None,
            span_id: None,
            event_name: "",
        };
        let mut observed = 0;
        let mut severity_text = "";
        let mut fields = Fields::new(message);
        while let Some((field, wire)) = fields.next()? {
            match field {
                1 => record.time = wire.fixed64(1)?,
                2 => record.severity = wire.int32(2)?,
                3 => severity_text = wire.text(3)?,
                5 => record.body = ValueView::read(wire.bytes(5)?)?,
                ATTRIBUTES => with(attribute(wire, ATTRIBUTES)?),
                7 => {
                    wire.varint(7)?;
                }
                8 => {
                    wire.fixed32(8)?;
                }
                9 => record.trace_id = trace_id(wire.bytes(9)?)?,
                10 => record.span_id = span_id(wire.bytes(10)?)?,
                11 => observed = wire.fixed64(11)?,
                12 => record.event_name = wire.text(12)?,
                _ => {}
            }
        }
        if record.time == 0 {
            record.time = observed;
        }
        if record.severity == 0 {
            record.severity = severity(severity_text);
        }
        Ok(record)
    }
}

/// The number of a level that has only its name, as old appenders send it.
///
/// <https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/#appendix-b-severitynumber-example-mappings>
fn severity(text: &str) -> i32 {
    const NAMES: [(&str, i32); 11] = [
        ("trace", 1),
        ("debug", 5),
        ("info", 9),
        ("information", 9),
        ("notice", 10),
        ("warn", 13),
        ("warning", 13),
        ("error", 17),
        ("fatal", 21),
        ("critical", 21),
        ("emergency", 21),
    ];
    NAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map_or(0, |(_, number)| *number)
}
