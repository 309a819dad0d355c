//! Attributes and values:
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto>.

use opentelemetry::{Array, KeyValue, Value};

use super::wire;

// KeyValue
const KEY: u32 = 1;
const VALUE: u32 = 2;
// AnyValue
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
// ArrayValue
const VALUES: u32 = 1;

/// A value without parts, whose length is known beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    fn any_value_len(self) -> usize {
        match self {
            Self::Bool(_) => 2,
            Self::Int(value) => 1 + wire::varint_len(value as u64),
            Self::Double(_) => 9,
            Self::Text(text) => wire::bytes_len(text.len()),
        }
    }

    fn any_value(self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => wire::number_always(out, BOOL, u64::from(value)),
            Self::Int(value) => wire::number_always(out, INT, value as u64),
            Self::Double(value) => wire::fixed64_always(out, DOUBLE, value.to_bits()),
            Self::Text(text) => wire::bytes_always(out, STRING, text.as_bytes()),
        }
    }

    /// The value as a field of its own, such as a record's body.
    pub(super) fn field(self, out: &mut Vec<u8>, field: u32) {
        wire::header(out, field, self.any_value_len());
        self.any_value(out);
    }

    /// A `KeyValue` as a field.
    pub(super) fn attribute(self, out: &mut Vec<u8>, field: u32, key: &str) {
        let value = self.any_value_len();
        let length = wire::bytes_len(key.len()) + wire::bytes_len(value);
        wire::two_headers(out, (field, length), (KEY, key.len()));
        out.extend_from_slice(key.as_bytes());
        match self {
            Self::Text(text) => {
                wire::two_headers(out, (VALUE, value), (STRING, text.len()));
                out.extend_from_slice(text.as_bytes());
            }
            _ => {
                wire::header(out, VALUE, value);
                self.any_value(out);
            }
        }
    }
}

fn scalar(value: &Value) -> Option<Scalar<'_>> {
    match value {
        Value::Bool(value) => Some(Scalar::Bool(*value)),
        Value::I64(value) => Some(Scalar::Int(*value)),
        Value::F64(value) => Some(Scalar::Double(*value)),
        Value::String(text) => Some(Scalar::Text(text.as_str())),
        _ => None,
    }
}

pub(super) fn attributes<'a>(
    out: &mut Vec<u8>,
    field: u32,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) {
    for KeyValue { key, value, .. } in attributes {
        attribute(out, field, key.as_str(), value);
    }
}

pub(super) fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &Value) {
    if let Some(scalar) = scalar(value) {
        scalar.attribute(out, field, key);
        return;
    }
    wire::message(out, field, |out| {
        wire::bytes_always(out, KEY, key.as_bytes());
        wire::message(out, VALUE, |out| {
            if let Value::Array(array) = value {
                wire::message(out, ARRAY, |out| elements(out, array));
            }
        });
    });
}

fn elements(out: &mut Vec<u8>, array: &Array) {
    let mut element = |scalar: Scalar<'_>| scalar.field(out, VALUES);
    match array {
        Array::Bool(values) => values.iter().for_each(|it| element(Scalar::Bool(*it))),
        Array::I64(values) => values.iter().for_each(|it| element(Scalar::Int(*it))),
        Array::F64(values) => values.iter().for_each(|it| element(Scalar::Double(*it))),
        Array::String(values) => values
            .iter()
            .for_each(|it| element(Scalar::Text(it.as_str()))),
        // A kind that the API has today no name for would arrive as an empty list.
        _ => {}
    }
}
