//! Ids as services have them, texts or numbers, without a text made of each.

use std::fmt;

/// The id of a user, an order or anything else: a text or a number, made by `into`.
///
/// ```
/// use throughline::streams::Id;
///
/// let order: u64 = 7;
/// assert_eq!(Id::from(order).to_string(), "7");
/// assert_eq!(Id::from("o-7").to_string(), "o-7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a>(Value<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Text(&'a str),
    Signed(i64),
    Unsigned(u64),
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => text.fmt(f),
            Value::Signed(number) => number.fmt(f),
            Value::Unsigned(number) => number.fmt(f),
        }
    }
}

impl<'a> From<&'a str> for Id<'a> {
    fn from(text: &'a str) -> Self {
        Self(Value::Text(text))
    }
}

impl<'a> From<&'a String> for Id<'a> {
    fn from(text: &'a String) -> Self {
        Self(Value::Text(text))
    }
}

macro_rules! from_numbers {
    ($($number:ty => $variant:ident as $wide:ty),*) => {$(
        impl From<$number> for Id<'_> {
            fn from(number: $number) -> Self {
                Self(Value::$variant(number as $wide))
            }
        }
    )*};
}

from_numbers! {
    i32 => Signed as i64,
    i64 => Signed as i64,
    u32 => Unsigned as u64,
    u64 => Unsigned as u64,
    usize => Unsigned as u64
}
