//! A span or a log record as it came, with what it shares with others.

use std::{ops::Deref, sync::Arc};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

use crate::wire::Fields;

/// An item of which more attributes than this came is shown with so many.
const ATTRIBUTES: usize = 1000;

/// Items that are longer than this are looked at before they are decoded.
const LONG: usize = 256 * 1024;

/// An item with its resource and scope. It derefs to the item.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    /// The row, which grows with arrival.
    pub(crate) id: i64,
    pub(crate) service: Arc<str>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<InstrumentationScope>,
    pub(crate) item: T,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

/// The attribute's value, if it is there.
pub(crate) fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes
        .iter()
        .find(|attribute| attribute.key == key)?
        .value
        .as_ref()
}

/// The attribute's text, if it is there and is a text.
pub(crate) fn attribute_text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attribute(attributes, key)?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Decodes an item that was validated when it came, with as many of its repeated fields as one
/// can look at.
pub(in crate::store) fn decode<M: prost::Message + Default>(
    bytes: &[u8],
) -> Result<M, prost::DecodeError> {
    if bytes.len() <= LONG {
        return M::decode(bytes);
    }
    let mut cut = Vec::new();
    let mut counts = [0_usize; 32];
    let mut fields = Fields::new(bytes);
    let mut from = 0;
    while let Ok(Some((field, _))) = fields.next() {
        let to = bytes.len() - fields.remaining();
        let count = &mut counts[(field as usize).min(31)];
        *count += 1;
        if *count <= ATTRIBUTES {
            cut.extend_from_slice(&bytes[from..to]);
        }
        from = to;
    }
    M::decode(cut.as_slice())
}
