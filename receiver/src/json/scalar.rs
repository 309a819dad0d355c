//! A single value: leniently read from JSON, written as protobuf has it.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost::encoding::{WireType, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};

use super::schema::{Field, Kind};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A value as it is to be written.
pub(super) enum Value {
    /// The bits of a number of 32 or 64 bits, or the varint.
    Bits(u64),
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Bits(bits) => *bits == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    pub(super) fn wire_type(&self, kind: Kind) -> WireType {
        match (self, kind) {
            (Self::Bytes(_), _) => WireType::LengthDelimited,
            (_, Kind::Double | Kind::Fixed64 | Kind::Sfixed64) => WireType::SixtyFourBit,
            (_, Kind::Fixed32) => WireType::ThirtyTwoBit,
            _ => WireType::Varint,
        }
    }

    pub(super) fn write(&self, kind: Kind, out: &mut Vec<u8>) {
        match (self, self.wire_type(kind)) {
            (Self::Bytes(bytes), _) => {
                encode_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            (Self::Bits(bits), WireType::SixtyFourBit) => {
                out.extend_from_slice(&bits.to_le_bytes());
            }
            (Self::Bits(bits), WireType::ThirtyTwoBit) => {
                out.extend_from_slice(&(*bits as u32).to_le_bytes());
            }
            (Self::Bits(bits), _) => encode_varint(*bits, out),
        }
    }
}

/// Reads the value of a field; none for `null`.
pub(super) struct Scalar {
    pub(super) field: &'static Field,
}

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Scalar {
    fn integer<E: Error>(&self, value: i128) -> Result<Option<Value>, E> {
        let range = match self.field.kind {
            Kind::Double => return Ok(Some(Value::Bits((value as f64).to_bits()))),
            Kind::Int32 | Kind::Sint32 | Kind::Enum(..) => {
                i128::from(i32::MIN)..=i128::from(i32::MAX)
            }
            Kind::Int64 | Kind::Sfixed64 => i128::from(i64::MIN)..=i128::from(i64::MAX),
            Kind::Uint32 | Kind::Fixed32 => 0..=i128::from(u32::MAX),
            Kind::Uint64 | Kind::Fixed64 => 0..=i128::from(u64::MAX),
            _ => return Err(E::invalid_type(Unexpected::Other("number"), self)),
        };
        if !range.contains(&value) {
            return Err(E::custom(format_args!(
                "{value} is out of range in {:?}",
                self.field.name
            )));
        }
        Ok(Some(Value::Bits(match self.field.kind {
            // Zigzag, which keeps small negative numbers short.
            Kind::Sint32 => {
                let value = value as i32;
                u64::from(((value << 1) ^ (value >> 31)) as u32)
            }
            // Sign-extended to 64 bits, as protobuf writes every negative number otherwise.
            _ => value as u64,
        })))
    }

    fn named<E: Error>(&self, prefix: &str, names: &[&str], name: &str) -> Result<i128, E> {
        let short = name.strip_prefix(prefix).unwrap_or(name);
        names
            .iter()
            .position(|known| *known == short)
            .map(|number| number as i128)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(name), self))
    }
}

impl Visitor<'_> for Scalar {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.field.kind {
            Kind::Message(_) => "an object",
            Kind::Text => "a string",
            Kind::Hex => "a string of hexadecimal digits",
            Kind::Base64 => "a string in base64",
            Kind::Bool => "true or false",
            Kind::Enum(..) => "a number or name of the enum",
            Kind::Double => "a number",
            _ => "an integer",
        };
        write!(f, "{what} in {:?}", self.field.name)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.field.kind {
            Kind::Bool => Ok(Some(Value::Bits(value.into()))),
            _ => Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.integer(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.integer(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        match self.field.kind {
            Kind::Double => Ok(Some(Value::Bits(value.to_bits()))),
            // `1e3` and `5.0` are integers in protobuf's JSON.
            _ if value.fract() == 0.0 => self.integer(value as i128),
            _ => Err(E::invalid_type(Unexpected::Float(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let invalid = || E::invalid_value(Unexpected::Str(text), &self);
        match self.field.kind {
            Kind::Text => Ok(Some(Value::Bytes(text.as_bytes().to_vec()))),
            Kind::Hex => hex(text)
                .map(|bytes| Some(Value::Bytes(bytes)))
                .ok_or_else(invalid),
            Kind::Base64 => STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .map(|bytes| Some(Value::Bytes(bytes)))
                .map_err(|_| invalid()),
            // Rust's own names include those of protobuf: NaN, Infinity, -Infinity.
            Kind::Double => text
                .parse()
                .map_err(|_| invalid())
                .and_then(|value| self.visit_f64(value)),
            Kind::Enum(prefix, names) if text.parse::<i32>().is_err() => {
                self.integer(self.named(prefix, names, text)?)
            }
            Kind::Bool | Kind::Message(_) => Err(invalid()),
            _ => match text.parse::<i128>() {
                Ok(value) => self.integer(value),
                Err(_) => Err(invalid()),
            },
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8))
        .collect()
}
