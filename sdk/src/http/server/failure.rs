//! An error on its way out: the handler's own, handed over beside the answer, or the service's.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::typed_error::NamedError;

/// The error behind an answer, for the answer's extensions: with a status of 500 or above the
/// layer reports it, with its exact type and its sources, unless an ERROR record of the request
/// was there before. With any other status it is not reported.
///
/// ```
/// use throughline::http::HandlerError;
///
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("card declined")]
/// # struct CardDeclined;
/// let mut answer = http::Response::new("the payment did not go through");
/// *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
/// answer.extensions_mut().insert(HandlerError::new(CardDeclined));
/// ```
#[derive(Clone)]
pub struct HandlerError {
    error: Arc<dyn Error + Send + Sync>,
    kind: Option<&'static str>,
}

impl HandlerError {
    /// Takes the error, and its type's name for `exception.type` and `error.type`.
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self {
            error: Arc::new(error),
            kind: Some(type_name::<E>()),
        }
    }

    /// Takes an error of an unknown type, which stays unknown.
    pub fn of_any(error: Box<dyn Error + Send + Sync>) -> Self {
        Self {
            error: error.into(),
            kind: None,
        }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerError").field(&self.error).finish()
    }
}

/// What ended a request badly.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was reported by the hook.
    Panic,
    Handler(HandlerError),
    /// An error that goes on to the caller, told here.
    Service(Told),
    /// The client went away before it was answered, or while it was.
    Cancelled,
}

impl Failure {
    /// `error.type`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::Handler(error) => error.kind.unwrap_or("_OTHER"),
            Self::Service(told) => told.kind.unwrap_or("_OTHER"),
        }
    }

    /// For a record's field.
    pub(super) fn error(&self) -> Option<NamedError<'_>> {
        match self {
            Self::Handler(HandlerError { error, kind }) => Some(NamedError {
                error: &**error,
                kind: *kind,
            }),
            Self::Service(told) => Some(NamedError {
                error: told,
                kind: told.kind,
            }),
            Self::Panic | Self::Cancelled => None,
        }
    }
}

/// What there is to tell of an error that is still needed.
#[derive(Debug)]
pub(super) struct Told {
    kind: Option<&'static str>,
    message: String,
    source: Option<Box<Told>>,
}

/// A chain of sources has an end, but not if its author was careless.
const MAX_DEPTH: usize = 32;

impl Told {
    /// A service's errors are `Display`, and often one in a box, which knows its sources.
    pub(super) fn of<E: fmt::Display + 'static>(error: &E) -> Self {
        let error_any: &dyn Any = error;
        let boxed = error_any.downcast_ref::<Box<dyn Error + Send + Sync>>();
        Self {
            kind: boxed.is_none().then(type_name::<E>),
            message: error.to_string(),
            source: boxed.and_then(|error| Self::source(error.source(), 0)),
        }
    }

    fn source(error: Option<&(dyn Error + 'static)>, depth: usize) -> Option<Box<Self>> {
        let error = error.filter(|_| depth < MAX_DEPTH)?;
        Some(Box::new(Self {
            kind: None,
            message: error.to_string(),
            source: Self::source(error.source(), depth + 1),
        }))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    fn outer() -> Outer {
        Outer("x".parse::<i32>().unwrap_err())
    }

    #[test]
    fn a_boxed_error_keeps_its_sources_and_another_its_type() {
        let boxed: Box<dyn Error + Send + Sync> = Box::new(outer());
        let told = Told::of(&boxed);
        assert_eq!((told.kind, told.to_string()), (None, "outer".to_owned()));
        let source = told.source().unwrap().to_string();
        assert_eq!(source, "invalid digit found in string");
        assert_eq!(Failure::Service(told).kind(), "_OTHER");
        let typed = Told::of(&outer());
        assert!(typed.kind.unwrap().ends_with("::Outer"));
    }

    #[test]
    fn a_handlers_error_keeps_its_type() {
        let failure = Failure::Handler(HandlerError::new(outer()));
        assert!(failure.kind().ends_with("::Outer"), "{}", failure.kind());
        let unknown = HandlerError::of_any(Box::new(outer()));
        assert_eq!(Failure::Handler(unknown).kind(), "_OTHER");
    }
}
