//! JSON that cannot grow in memory beyond what will be shown.
//!
//! A list of five million zeros is 10 MB of text and 160 MB of values. So what is beyond a
//! limit is skipped while it is read. That also takes any depth: skipping does not recurse.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{CUT, Limits};

/// Reads `text` as one value.
pub(super) fn read(text: &[u8], limits: &Limits) -> Result<Value, serde_json::Error> {
    let left = Cell::new(limits.values);
    let seed = Bounded {
        limits,
        depth: limits.depth,
        left: &left,
    };
    // Text that is not UTF-8 is somebody's log line in a wrong encoding, and worth showing.
    let text = String::from_utf8_lossy(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Cuts a text that is too long, at a character's border.
pub(super) fn cut(mut text: String, bytes: usize) -> String {
    // What was cut once has that length plus the mark's, and stays.
    if text.len() <= bytes || (text.ends_with(CUT) && text.len() <= bytes + CUT.len()) {
        return text;
    }
    text.truncate(start(&text, bytes).len());
    text.push_str(CUT);
    text
}

/// The first bytes of a text, up to a character's border.
pub(crate) fn start(text: &str, bytes: usize) -> &str {
    let ends = (0..=bytes.min(text.len())).rev();
    let mut starts = ends.filter_map(|end| text.get(..end));
    starts.next().unwrap_or_default()
}

#[derive(Clone, Copy)]
struct Bounded<'a> {
    limits: &'a Limits,
    depth: usize,
    /// Values that may still be kept.
    left: &'a Cell<usize>,
}

impl Bounded<'_> {
    fn spend(self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    fn deeper(self) -> Option<Self> {
        let depth = self.depth.checked_sub(1)?;
        Some(Self { depth, ..self })
    }

    fn text(self, text: &str) -> String {
        // Not all of 10 MB first.
        let kept = self.limits.text_bytes + CUT.len() + 1;
        cut(start(text, kept).to_owned(), self.limits.text_bytes)
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth == 0 {
            deserializer.deserialize_ignored_any(IgnoredAny)?;
            return Ok(Value::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(self.text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let first = self.limits.entries.div_ceil(2);
        let last = self.limits.entries - first;
        let mut head = Vec::new();
        let mut tail = VecDeque::new();
        while let Some(inner) = self.deeper().filter(|_| self.spend()) {
            let Some(value) = list.next_element_seed(inner)? else {
                return Ok(joined(head, tail));
            };
            if head.len() < first {
                head.push(value);
            } else {
                if tail.len() == last {
                    tail.pop_front();
                }
                if last > 0 {
                    tail.push_back(value);
                }
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(joined(head, tail))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = object.next_key_seed(Name(self))? {
            match self.deeper() {
                Some(inner) if kept.len() < self.limits.entries && self.spend() => {
                    let value = object.next_value_seed(inner)?;
                    kept.insert(name, value);
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }
}

fn joined(mut head: Vec<Value>, tail: VecDeque<Value>) -> Value {
    head.extend(tail);
    Value::Array(head)
}

/// A member's name, cut as every text.
struct Name<'a>(Bounded<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(self.0.text(text))
    }
}
