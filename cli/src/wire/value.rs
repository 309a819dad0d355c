//! Attributes and their values.

use super::{DEPTH, Fields, Malformed, Wire};

/// A value: of an attribute, or of a record's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueView<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "they are neither indexed nor searched")
        )]
        &'a [u8],
    ),
    /// A list or a map, as its encoded `AnyValue`.
    Nested(&'a [u8]),
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeView<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: ValueView<'a>,
}

impl<'a> AttributeView<'a> {
    fn read(message: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        let mut attribute = Self {
            key: "",
            value: ValueView::Empty,
        };
        let mut fields = Fields::new(message);
        while let Some((field, wire)) = fields.next()? {
            match field {
                1 => attribute.key = wire.text(1)?,
                2 => attribute.value = ValueView::read_at(wire.bytes(2)?, depth)?,
                3 => {
                    wire.varint(3)?;
                }
                _ => {}
            }
        }
        Ok(attribute)
    }
}

impl<'a> ValueView<'a> {
    /// Reads an `AnyValue`, and all that lies in it, so that what is stored can be read again.
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        Self::read_at(message, 0)
    }

    fn read_at(message: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        if depth > DEPTH {
            return Err(Malformed::Depth);
        }
        let mut value = Self::Empty;
        let mut fields = Fields::new(message);
        while let Some((field, wire)) = fields.next()? {
            value = match field {
                1 => Self::Text(wire.text(1)?),
                2 => Self::Bool(wire.varint(2)? != 0),
                3 => Self::Int(wire.varint(3)?.cast_signed()),
                4 => Self::Double(f64::from_bits(wire.fixed64(4)?)),
                5 => {
                    let mut items = Fields::new(wire.bytes(5)?);
                    while let Some((field, wire)) = items.next()? {
                        if field == 1 {
                            // The list is a message, and so is each value in it.
                            Self::read_at(wire.bytes(1)?, depth + 2)?;
                        }
                    }
                    Self::Nested(message)
                }
                6 => {
                    let mut items = Fields::new(wire.bytes(6)?);
                    while let Some((field, wire)) = items.next()? {
                        if field == 1 {
                            AttributeView::read(wire.bytes(1)?, depth + 3)?;
                        }
                    }
                    Self::Nested(message)
                }
                7 => Self::Bytes(wire.bytes(7)?),
                8 => {
                    wire.varint(8)?;
                    Self::Empty
                }
                _ => value,
            };
        }
        Ok(value)
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Calls `with` for each attribute in `field` of a message, and reads them to their ends.
pub(crate) fn attributes<'a>(
    message: &'a [u8],
    field: u32,
    mut with: impl FnMut(AttributeView<'a>),
) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    while let Some((found, wire)) = fields.next()? {
        if found == field {
            with(attribute(wire, field)?);
        }
    }
    Ok(())
}

/// The attribute in a field that was read already.
pub(super) fn attribute(wire: Wire<'_>, field: u32) -> Result<AttributeView<'_>, Malformed> {
    AttributeView::read(wire.bytes(field)?, 0)
}

/// The attributes of a message that was validated when it came: what does not read is left out.
pub(crate) fn attributes_of(message: &[u8], field: u32) -> impl Iterator<Item = AttributeView<'_>> {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        loop {
            let (found, wire) = fields.next().ok()??;
            if found == field
                && let Ok(attribute) = attribute(wire, field)
            {
                return Some(attribute);
            }
        }
    })
}

/// How deep [`leaves`] looks: each level is read again for the next.
const LEAVES: usize = 8;

/// Calls `with` for each single value in a list or a map, until it answers `false`. The
/// message was validated when it came.
pub(crate) fn leaves<'a>(message: &'a [u8], with: &mut impl FnMut(ValueView<'a>) -> bool) {
    leaves_at(message, 0, with);
}

fn leaves_at<'a>(
    message: &'a [u8],
    depth: usize,
    with: &mut impl FnMut(ValueView<'a>) -> bool,
) -> bool {
    let mut fields = Fields::new(message);
    while let Ok(Some((field, wire))) = fields.next() {
        let (5 | 6, Ok(list)) = (field, wire.bytes(field)) else {
            continue;
        };
        let mut items = Fields::new(list);
        while let Ok(Some((_, item))) = items.next() {
            let Ok(item) = item.bytes(1) else { continue };
            let value = if field == 5 {
                ValueView::read(item).ok()
            } else {
                AttributeView::read(item, 0).ok().map(|pair| pair.value)
            };
            let more = match value {
                Some(ValueView::Nested(inner)) if depth < LEAVES => {
                    leaves_at(inner, depth + 1, with)
                }
                Some(ValueView::Nested(_)) | None => true,
                Some(value) => with(value),
            };
            if !more {
                return false;
            }
        }
    }
    true
}
