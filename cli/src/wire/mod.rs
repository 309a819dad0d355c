//! OTLP's messages read where they lie, without an allocation for each of their fields.
//!
//! What arrives is validated and indexed, and then kept as the bytes that came. Decoding it
//! into objects first would cost a hostile request of a million tiny attributes forty times
//! its size in memory, and an honest one most of the time of its intake.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

mod export;
#[cfg(test)]
pub(crate) mod fixture;
mod metrics;
mod record;
mod span;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use export::groups;
pub(crate) use metrics::objects;
pub(crate) use record::RecordView;
pub(crate) use span::SpanView;
pub(crate) use value::{AttributeView, ValueView, attributes_of, leaves};

/// How deep messages may lie in a value. prost and others read a hundred levels of a whole
/// request, and what is stored must be readable by them: the rest is for what the value lies in.
const DEPTH: usize = 90;

/// Why bytes are not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the message ends in the middle of a field")]
    Truncated,
    #[error("a number has more than 64 bits, or a field's more than 29")]
    Varint,
    #[error("field {field} has wire type {wire_type}, which it cannot have")]
    WireType { field: u32, wire_type: u8 },
    #[error("a text is not UTF-8")]
    Text,
    #[error("field 0 does not exist")]
    FieldZero,
    #[error("messages lie more than {DEPTH} deep in a value")]
    Depth,
    #[error("an id has {0} bytes")]
    Id(usize),
}

/// The value of one field, as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Wire<'a> {
    const fn wire_type(self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }

    fn unexpected(self, field: u32) -> Malformed {
        Malformed::WireType {
            field,
            wire_type: self.wire_type(),
        }
    }

    fn varint(self, field: u32) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            other => Err(other.unexpected(field)),
        }
    }

    /// An enumeration, or another number of 32 bits.
    #[allow(clippy::cast_possible_truncation)]
    fn int32(self, field: u32) -> Result<i32, Malformed> {
        // Protobuf sends a negative int32 as ten bytes and takes the low 32 bits back.
        self.varint(field).map(|value| value as i32)
    }

    fn fixed64(self, field: u32) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            other => Err(other.unexpected(field)),
        }
    }

    fn fixed32(self, field: u32) -> Result<u32, Malformed> {
        match self {
            Self::Fixed32(value) => Ok(value),
            other => Err(other.unexpected(field)),
        }
    }

    fn bytes(self, field: u32) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(value) => Ok(value),
            other => Err(other.unexpected(field)),
        }
    }

    fn text(self, field: u32) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| Malformed::Text)
    }
}

/// Goes through the fields of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are left.
    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next field's number and value; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = u32::try_from(key).map_err(|_| Malformed::Varint)? >> 3;
        if field == 0 {
            return Err(Malformed::FieldZero);
        }
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups left protobuf before OTLP was made.
            other => {
                return Err(Malformed::WireType {
                    field,
                    wire_type: u8::try_from(other).unwrap_or(u8::MAX),
                });
            }
        };
        Ok(Some((field, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (position, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                // Of the tenth byte only one bit is left.
                if position == 9 && byte > 1 {
                    return Err(Malformed::Varint);
                }
                self.rest = &self.rest[position + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 {
            Malformed::Truncated
        } else {
            Malformed::Varint
        })
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// A trace id's 16 bytes; none where it is left out or all zeros, which means the same.
fn trace_id(bytes: &[u8]) -> Result<Option<u128>, Malformed> {
    match bytes.len() {
        0 => Ok(None),
        16 => {
            let mut id = [0; 16];
            id.copy_from_slice(bytes);
            Ok(Some(u128::from_be_bytes(id)).filter(|id| *id != 0))
        }
        other => Err(Malformed::Id(other)),
    }
}

/// A span id's eight bytes; none where it is left out or all zeros.
fn span_id(bytes: &[u8]) -> Result<Option<u64>, Malformed> {
    match bytes.len() {
        0 => Ok(None),
        8 => {
            let mut id = [0; 8];
            id.copy_from_slice(bytes);
            Ok(Some(u64::from_be_bytes(id)).filter(|id| *id != 0))
        }
        other => Err(Malformed::Id(other)),
    }
}
