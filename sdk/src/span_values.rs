//! Unsigned values of spans as numbers.
//!
//! `tracing-opentelemetry` 0.34 has no visit for unsigned integers, so `usize`, `u16` and
//! `u64` fields fall through to `Debug` and arrive as text: a status code that no query can
//! compare. OTLP has signed integers only; what fits is given to the layer as one.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write};
use std::ops::Range;

use tracing::Value;
use tracing::field::{Field, FieldSet, ValueSet, Visit};

/// A span of more fields than this has its list of values allocated; with fewer the empty
/// places cost as much as the values, and the conventions' server span has a dozen.
const FEW: usize = 16;

/// Values with more text than this in all give its storage back.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// Storage that is used again. It is taken out while it is in use, so that a value
    /// whose `Debug` makes a span of its own finds an empty one.
    static STORAGE: Cell<Owned> = const { Cell::new(Owned::new()) };
}

/// Calls `then` with the values rewritten, or with `None` where they can stay as they are.
pub(crate) fn signed<R>(
    fields: &FieldSet,
    visit: impl Fn(&mut dyn Visit),
    then: impl FnOnce(Option<&ValueSet<'_>>) -> R,
) -> R {
    let mut unsigned = HasUnsigned(false);
    visit(&mut unsigned);
    if !unsigned.0 {
        return then(None);
    }
    let mut owned = STORAGE.try_with(Cell::take).unwrap_or_default();
    owned.values.resize(fields.len(), None);
    visit(&mut owned);
    let result = if owned.complete {
        owned.lend(fields, then)
    } else {
        then(None)
    };
    owned.clear();
    // A thread at its end has no place for it.
    let _ = STORAGE.try_with(|storage| storage.set(owned));
    result
}

/// Looks at no value, only whether there is work to do.
struct HasUnsigned(bool);

impl Visit for HasUnsigned {
    fn record_u64(&mut self, _: &Field, _: u64) {
        self.0 = true;
    }

    // Spares the text of errors, strings and the rest.
    fn record_str(&mut self, _: &Field, _: &str) {}
    fn record_error(&mut self, _: &Field, _: &(dyn Error + 'static)) {}
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Clone)]
enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Where it lies in [`Owned::text`].
    Text(Range<usize>),
}

struct Owned {
    values: Vec<Option<Scalar>>,
    /// All texts, one after the other.
    text: String,
    /// An error value cannot be kept, and its chain is worth more than a number.
    complete: bool,
}

impl Default for Owned {
    fn default() -> Self {
        Self::new()
    }
}

impl Owned {
    const fn new() -> Self {
        Self {
            values: Vec::new(),
            text: String::new(),
            complete: true,
        }
    }

    fn put(&mut self, field: &Field, value: Scalar) {
        match self.values.get_mut(field.index()) {
            Some(place) => *place = Some(value),
            None => self.complete = false,
        }
    }

    fn put_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let start = self.text.len();
        // Writing to a String does not fail; a value whose own form fails keeps the part
        // that it gave.
        let _ = self.text.write_fmt(text);
        self.put(field, Scalar::Text(start..self.text.len()));
    }

    /// Calls `then` with the values as `tracing` wants them, which is borrowed twice.
    fn lend<R>(&self, fields: &FieldSet, then: impl FnOnce(Option<&ValueSet<'_>>) -> R) -> R {
        let count = self.values.len();
        let (mut few_texts, mut many_texts) = ([""; FEW], Vec::new());
        let texts: &mut [&str] = if count <= FEW {
            &mut few_texts[..count]
        } else {
            many_texts.resize(count, "");
            &mut many_texts
        };
        for (text, value) in texts.iter_mut().zip(&self.values) {
            if let Some(Scalar::Text(range)) = value {
                *text = &self.text[range.clone()];
            }
        }
        let (mut few, mut many) = ([None; FEW], Vec::new());
        let values: &mut [Option<&dyn Value>] = if count <= FEW {
            &mut few[..count]
        } else {
            many.resize(count, None);
            &mut many
        };
        for ((lent, value), text) in values.iter_mut().zip(&self.values).zip(&*texts) {
            *lent = value.as_ref().map(|value| match value {
                Scalar::Bool(value) => value as &dyn Value,
                Scalar::Int(value) => value,
                Scalar::Float(value) => value,
                Scalar::Text(_) => text,
            });
        }
        then(Some(&fields.value_set_all(values)))
    }

    fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.complete = true;
    }
}

impl Visit for Owned {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Scalar::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Scalar::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, Scalar::Int(value)),
            Err(_) => self.put_text(field, format_args!("{value}")),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Scalar::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.put(field, Scalar::Text(start..self.text.len()));
    }

    fn record_error(&mut self, _: &Field, _: &(dyn Error + 'static)) {
        self.complete = false;
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }
}
