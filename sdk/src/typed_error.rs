//! An error with its exact type.
//!
//! `tracing` hands an error over as `dyn Error`, which does not know its type's name. Sentry
//! and the conventions want one: `exception.type` is what errors are grouped by.

use std::any::type_name;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{DebugValue, debug};

use crate::event::Exception;

thread_local! {
    /// Where a [`TypedError`] puts itself while our own layer looks at a field's value.
    /// `None`: somebody else is looking. A value's only way out of `tracing` is its `Debug`.
    static SEEN: RefCell<Option<Option<Exception>>> = const { RefCell::new(None) };
}

/// The field value that [`error`] makes.
pub struct TypedError<'a, E>(&'a E);

/// An error for an event's field, with its exact type for log records, span status and
/// Sentry.
///
/// The record gets `exception.type` (the type's path), `exception.message` and, in
/// `exception.stacktrace`, the chain of sources. Other layers see the error's message.
///
/// ```
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("card declined")]
/// # struct CardDeclined;
/// # let failure = CardDeclined;
/// tracing::error!(error = throughline::error(&failure), "payment failed");
/// ```
pub fn error<E: Error + 'static>(error: &E) -> DebugValue<TypedError<'_, E>> {
    debug(TypedError(error))
}

impl<E: Error + 'static> fmt::Debug for TypedError<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, Some(type_name::<E>()), f)
    }
}

/// An error whose type's name was kept beside it.
#[cfg(feature = "http")]
pub(crate) struct NamedError<'a> {
    pub(crate) error: &'a (dyn Error + 'static),
    pub(crate) kind: Option<&'static str>,
}

#[cfg(feature = "http")]
impl fmt::Debug for NamedError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.error, self.kind, f)
    }
}

fn show(
    error: &(dyn Error + 'static),
    kind: Option<&'static str>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let asked = SEEN.with_borrow(Option::is_some);
    if !asked {
        return fmt::Display::fmt(error, f);
    }
    // Built first: the error's own code runs here, and might log.
    let mut exception = Exception::of(error);
    exception.kind = kind;
    SEEN.with_borrow_mut(|seen| *seen = Some(Some(exception)));
    Ok(())
}

/// Looks at a value: the exception where it is a [`TypedError`], else `None`, with its
/// text added to `text`.
pub(crate) fn look(value: &dyn fmt::Debug, text: &mut String) -> Option<Exception> {
    // An event inside the value's own `Debug` looks at values in turn.
    let before = SEEN.replace(Some(None));
    // A `Debug` that fails keeps the part that it gave.
    let _ = write!(text, "{value:?}");
    SEEN.replace(before).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn our_layer_sees_the_type_and_others_the_message() {
        let failure = Outer("x".parse::<i32>().unwrap_err());
        let value = TypedError(&failure);
        let mut text = String::new();
        let exception = look(&value, &mut text).unwrap();
        assert_eq!(
            exception.kind,
            Some("throughline::typed_error::tests::Outer")
        );
        assert_eq!(exception.message, "outer");
        assert_eq!(exception.sources, ["invalid digit found in string"]);
        assert_eq!(format!("{value:?}"), "outer");
        assert_eq!(look(&"text", &mut text), None);
        assert_eq!(text, "\"text\"");
    }
}
