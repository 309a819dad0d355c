//! OTLP's JSON turned into its protobuf.
//!
//! Field by field, as serde reads it, by a table of the messages: nothing is built in
//! between that could be larger than the body. The serde support of `opentelemetry-proto`
//! builds every message, takes no enum by name, and stumbles over an unknown field next to
//! an attribute's value, which the specification tells a receiver to ignore.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

mod scalar;
mod schema;

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use self::{
    scalar::Scalar,
    schema::{Field, Kind, Schema},
};
use crate::request::Signal;

/// Turns the `Export…ServiceRequest` of a signal from JSON into protobuf.
pub(crate) fn to_protobuf(signal: Signal, body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let schema = match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Metrics => &schema::METRICS,
        Signal::Logs => &schema::LOGS,
    };
    let mut out = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Message {
        schema,
        out: &mut out,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(out)
}

/// Writes the fields of an object, without a length in front.
struct Message<'a> {
    schema: &'static Schema,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(self.schema))? {
            match field {
                Some(field) if field.repeated => map.next_value_seed(Elements {
                    field,
                    out: self.out,
                })?,
                Some(field) => map.next_value_seed(One {
                    field,
                    out: self.out,
                })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The field of this name, if there is one.
struct Name(&'static Schema);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.name == name))
    }
}

/// The values of a repeated field.
struct Elements<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array in {:?}", self.field.name)
    }

    /// `null` is the same as absence, here and in every field.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { field, out } = self;
        match field.kind {
            Kind::Message(_) | Kind::Text => {
                while elements
                    .next_element_seed(One {
                        field,
                        out: &mut *out,
                    })?
                    .is_some()
                {}
            }
            // Numbers are packed, as proto3 does.
            kind => framed(field.number, out, |out| {
                while let Some(value) = elements.next_element_seed(Scalar { field })? {
                    if let Some(value) = value {
                        value.write(kind, out);
                    }
                }
                Ok(())
            })?,
        }
        Ok(())
    }
}

/// One value with its key in front.
struct One<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if let Kind::Message(_) = self.field.kind {
            return deserializer.deserialize_option(self);
        }
        let value = Scalar { field: self.field }.deserialize(deserializer)?;
        let explicit = self.field.explicit || self.field.repeated;
        if let Some(value) = value.filter(|value| explicit || !value.is_default()) {
            encode_key(
                self.field.number,
                value.wire_type(self.field.kind),
                self.out,
            );
            value.write(self.field.kind, self.out);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object in {:?}", self.field.name)
    }

    fn visit_none<E>(self) -> Result<(), E> {
        // In an array it has its place, and others are counted from it.
        if self.field.repeated {
            framed(self.field.number, self.out, |_| Ok(()))?;
        }
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Kind::Message(schema) = self.field.kind else {
            unreachable!("only messages are deserialized as options")
        };
        framed(self.field.number, self.out, |out| {
            Message { schema, out }.deserialize(deserializer)
        })
    }
}

/// Writes a field whose length is known only after it is written.
fn framed<E>(
    number: u32,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    encode_key(number, WireType::LengthDelimited, out);
    let start = out.len();
    // Most messages are shorter than 128 bytes, and need not be moved.
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    let prefix = encoded_len_varint(length as u64);
    out.splice(start + 1..start + 1, std::iter::repeat_n(0, prefix - 1));
    encode_varint(length as u64, &mut &mut out[start..start + prefix]);
    Ok(())
}
