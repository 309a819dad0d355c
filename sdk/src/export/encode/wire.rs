//! The few forms of Protocol Buffers that OTLP is made of, written into a reused buffer:
//! <https://protobuf.dev/programming-guides/encoding/>.
//!
//! As in the generated code, a scalar at its default is left out.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// How many bytes a number takes.
pub(super) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and at least one.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[inline]
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn key(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

/// A whole number, also one that says which of several.
pub(super) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        number_always(out, field, value);
    }
}

/// As [`number`], in a `oneof`, where the default is a value like any other.
pub(super) fn number_always(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, VARINT);
    varint(out, value);
}

pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        fixed64_always(out, field, value);
    }
}

pub(super) fn fixed64_always(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        key(out, field, FIXED32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        bytes_always(out, field, value);
    }
}

pub(super) fn bytes_always(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    header(out, field, value.len());
    out.extend_from_slice(value);
}

/// The beginning of a text or a message of this length.
pub(super) fn header(out: &mut Vec<u8>, field: u32, length: usize) {
    key(out, field, BYTES);
    varint(out, length as u64);
}

/// The beginning of a message and that of the first field in it: the fields' numbers, below
/// 16, and lengths. Nearly always four bytes, which are then written as one: a byte alone
/// costs as much.
pub(super) fn two_headers(out: &mut Vec<u8>, outer: (u32, usize), inner: (u32, usize)) {
    if outer.1 < 0x80 && inner.1 < 0x80 {
        let key = |field: u32| (field << 3 | BYTES) as u8;
        out.extend_from_slice(&[key(outer.0), outer.1 as u8, key(inner.0), inner.1 as u8]);
    } else {
        header(out, outer.0, outer.1);
        header(out, inner.0, inner.1);
    }
}

/// What [`bytes_always`] takes for a field below 16.
pub(super) const fn bytes_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// A message whose length is known only once it is written. One byte is kept for the
/// length, which is enough for most; a longer one moves what was written.
pub(super) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, BYTES);
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    let more = varint_len(length as u64) - 1;
    if more > 0 {
        out.resize(out.len() + more, 0);
        out.copy_within(at + 1..at + 1 + length, at + 1 + more);
    }
    let mut rest = length as u64;
    for place in &mut out[at..=at + more] {
        *place = (rest as u8) | 0x80;
        rest >>= 7;
    }
    out[at + more] &= 0x7f;
}

/// One field of a message.
pub(super) enum Field<'a> {
    Bytes(u32, &'a [u8]),
    /// Any other form, with its key.
    Other(&'a [u8]),
}

/// The fields of a message, in order; `None` stands for what is not a message.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = field(&mut message);
        if field.is_none() {
            message = &[];
        }
        Some(field)
    })
}

fn field<'a>(message: &mut &'a [u8]) -> Option<Field<'a>> {
    let whole = *message;
    let key = take_varint(message)?;
    let number = u32::try_from(key >> 3).ok()?;
    match key as u32 & 7 {
        BYTES => {
            let length = usize::try_from(take_varint(message)?).ok()?;
            return Some(Field::Bytes(number, take(message, length)?));
        }
        VARINT => {
            take_varint(message)?;
        }
        FIXED64 => {
            take(message, 8)?;
        }
        FIXED32 => {
            take(message, 4)?;
        }
        _ => return None,
    }
    Some(Field::Other(&whole[..whole.len() - message.len()]))
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3)] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!((out.len(), varint_len(value)), (length, length), "{value}");
            assert_eq!(take_varint(&mut out.as_slice()), Some(value));
        }
        assert_eq!(varint_len(u64::MAX), 10);
    }

    #[test]
    fn a_message_has_its_length_in_front_however_long_it_gets() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = Vec::new();
            message(&mut out, 2, |out| out.resize(out.len() + length, 7));
            let mut plain = Vec::new();
            bytes_always(&mut plain, 2, &vec![7; length]);
            assert!(out == plain, "{length}");
            assert_eq!(bytes_len(length), plain.len());
        }
    }

    #[test]
    fn what_is_not_a_message_is_told_and_ends() {
        let mut out = Vec::new();
        number(&mut out, 1, 300);
        bytes(&mut out, 2, b"ab");
        fixed32(&mut out, 3, 1);
        let whole: Vec<_> = fields(&out).collect();
        assert_eq!(whole.len(), 3);
        assert!(matches!(whole[1], Some(Field::Bytes(2, b"ab"))));
        let cut: Vec<_> = fields(&out[..out.len() - 1]).collect();
        assert!(cut.len() == 3 && cut[2].is_none());
        assert!(fields(&[0xff; 11]).all(|field| field.is_none()));
    }
}
