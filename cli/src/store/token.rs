//! What a chunk knows of its contents without being opened: hashes of what lies in it.

use xxhash_rust::xxh3::xxh3_64;

use crate::wire::{AttributeView, ValueView};

/// Values that are longer are found by their words, not by a whole comparison.
const LONGEST: usize = 256;

/// How many of one item's attributes are indexed. An item with more marks its chunk as one
/// that every search has to look into.
pub(super) const PER_ITEM: usize = 256;

/// Whether items that have this pair have its token, too.
pub(super) fn is_indexed(key: &str, value: &str) -> bool {
    value != "*" && key.len() <= LONGEST && value.len() <= LONGEST
}

/// The token of `key=value`.
pub(super) fn pair(key: &str, value: &str) -> u32 {
    let mut text = Text::default();
    text.push(key);
    text.push("=");
    text.push(value);
    text.token()
}

/// The token of an attribute whose value is a single one, and not too long.
pub(super) fn attribute(attribute: &AttributeView<'_>) -> Option<u32> {
    if attribute.key.len() > LONGEST {
        return None;
    }
    let mut text = Text::default();
    text.push(attribute.key);
    text.push("=");
    match attribute.value {
        ValueView::Text(value) if value.len() <= LONGEST => text.push(value),
        ValueView::Int(value) => text.push(itoa::Buffer::new().format(value)),
        ValueView::Bool(value) => text.push(if value { "true" } else { "false" }),
        ValueView::Double(value) => text.push(&value.to_string()),
        _ => return None,
    }
    Some(text.token())
}

/// The token of items whose service this is, by the id of its name.
pub(super) fn service(id: i64) -> u32 {
    of_id(b's', id)
}

/// The token of spans that have this name, or this route.
pub(super) fn name(id: i64) -> u32 {
    of_id(b'n', id)
}

#[allow(clippy::cast_possible_truncation)]
fn of_id(role: u8, id: i64) -> u32 {
    let mut bytes = [role; 9];
    bytes[1..].copy_from_slice(&id.to_le_bytes());
    xxh3_64(&bytes) as u32
}

/// A short text on the stack.
struct Text {
    bytes: [u8; 2 * LONGEST + 1],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; 2 * LONGEST + 1],
            length: 0,
        }
    }
}

impl Text {
    fn push(&mut self, text: &str) {
        let room = &mut self.bytes[self.length..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
    }

    #[allow(clippy::cast_possible_truncation)]
    fn token(&self) -> u32 {
        xxh3_64(&self.bytes[..self.length]) as u32
    }
}

/// The tokens of a chunk in the form that is stored: sorted, each once, four bytes each.
pub(super) fn pack(tokens: &mut Vec<u32>) -> Vec<u8> {
    tokens.sort_unstable();
    tokens.dedup();
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect()
}

/// The tokens that were packed.
pub(super) fn unpack(packed: &[u8]) -> impl Iterator<Item = u32> {
    let (tokens, _) = packed.as_chunks::<4>();
    tokens.iter().map(|token| u32::from_le_bytes(*token))
}

/// Whether a chunk with these tokens may contain something that has all of `wanted`.
pub(super) fn may_contain(packed: &[u8], wanted: &[u32]) -> bool {
    let (tokens, _) = packed.as_chunks::<4>();
    wanted.iter().all(|token| {
        tokens
            .binary_search_by(|stored| u32::from_le_bytes(*stored).cmp(token))
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_the_text_that_a_search_would_use() {
        let read = |value| attribute(&AttributeView { key: "k", value });
        assert_eq!(read(ValueView::Text("ada")), Some(pair("k", "ada")));
        assert_eq!(read(ValueView::Int(-7)), Some(pair("k", "-7")));
        assert_eq!(read(ValueView::Bool(true)), Some(pair("k", "true")));
        assert_eq!(read(ValueView::Double(1.5)), Some(pair("k", "1.5")));
        assert_eq!(read(ValueView::Empty), None);
    }

    #[test]
    fn a_chunk_may_contain_only_what_has_all_tokens() {
        let packed = pack(&mut vec![9, 3, 7, 3]);
        assert_eq!(packed.len(), 12);
        assert!(may_contain(&packed, &[]) && may_contain(&packed, &[3, 9]));
        assert!(!may_contain(&packed, &[3, 4]));
    }
}
