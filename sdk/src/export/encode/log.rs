//! A log record:
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>.

use std::time::SystemTime;

use opentelemetry::trace::SpanContext;

use super::attribute::Scalar;
use super::{nanos, wire};

const TIME: u32 = 1;
const SEVERITY_NUMBER: u32 = 2;
const SEVERITY_TEXT: u32 = 3;
const BODY: u32 = 5;
const ATTRIBUTES: u32 = 6;
const DROPPED_ATTRIBUTES: u32 = 7;
const FLAGS: u32 = 8;
const TRACE_ID: u32 = 9;
const SPAN_ID: u32 = 10;
const OBSERVED_TIME: u32 = 11;
const EVENT_NAME: u32 = 12;

/// A log record, field after field.
pub(crate) struct LogWriter<'a>(pub(crate) &'a mut Vec<u8>);

impl LogWriter<'_> {
    pub(crate) fn time(&mut self, at: SystemTime) {
        let at = nanos(at);
        wire::fixed64(self.0, TIME, at);
        wire::fixed64(self.0, OBSERVED_TIME, at);
    }

    /// The number and the word, by
    /// <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>.
    pub(crate) fn severity(&mut self, number: u8, text: &str) {
        wire::number(self.0, SEVERITY_NUMBER, number.into());
        wire::bytes(self.0, SEVERITY_TEXT, text.as_bytes());
    }

    pub(crate) fn body(&mut self, text: &str) {
        Scalar::Text(text).field(self.0, BODY);
    }

    pub(crate) fn attribute(&mut self, key: &str, value: Scalar<'_>) {
        value.attribute(self.0, ATTRIBUTES, key);
    }

    /// Attributes that were written before, by another writer.
    pub(crate) fn encoded(&mut self, attributes: &[u8]) {
        self.0.extend_from_slice(attributes);
    }

    pub(crate) fn dropped_attributes(&mut self, count: u32) {
        wire::number(self.0, DROPPED_ATTRIBUTES, count.into());
    }

    pub(crate) fn ids(&mut self, ids: &SpanContext) {
        wire::fixed32(self.0, FLAGS, ids.trace_flags().to_u8().into());
        wire::bytes(self.0, TRACE_ID, &ids.trace_id().to_bytes());
        wire::bytes(self.0, SPAN_ID, &ids.span_id().to_bytes());
    }

    pub(crate) fn event_name(&mut self, name: &str) {
        wire::bytes(self.0, EVENT_NAME, name.as_bytes());
    }
}
