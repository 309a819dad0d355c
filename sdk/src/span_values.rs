//! Unsigned values of spans as numbers.
//!
//! `tracing-opentelemetry` 0.34 has no visit for unsigned integers, so `usize`, `u16` and
//! `u64` fields fall through to `Debug` and arrive as text: a status code that no query can
//! compare. OTLP has signed integers only; what fits is given to the layer as one.

use std::error::Error;
use std::fmt;

use tracing::Value;
use tracing::field::{Field, FieldSet, ValueSet, Visit};

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
    let mut owned = Owned {
        values: (0..fields.len()).map(|_| None).collect(),
        complete: true,
    };
    visit(&mut owned);
    if !owned.complete {
        return then(None);
    }
    let values: Vec<Option<&dyn Value>> = owned
        .values
        .iter()
        .map(|value| value.as_ref().map(Scalar::as_value))
        .collect();
    then(Some(&fields.value_set_all(&values)))
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

enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Scalar {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::Bool(value) => value,
            Self::Int(value) => value,
            Self::Float(value) => value,
            Self::Text(value) => value,
        }
    }
}

struct Owned {
    values: Vec<Option<Scalar>>,
    /// An error value cannot be kept, and its chain is worth more than a number.
    complete: bool,
}

impl Owned {
    fn put(&mut self, field: &Field, value: Scalar) {
        match self.values.get_mut(field.index()) {
            Some(place) => *place = Some(value),
            None => self.complete = false,
        }
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
        let value = match i64::try_from(value) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::Text(value.to_string()),
        };
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Scalar::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Scalar::Text(value.to_owned()));
    }

    fn record_error(&mut self, _: &Field, _: &(dyn Error + 'static)) {
        self.complete = false;
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Scalar::Text(format!("{value:?}")));
    }
}
