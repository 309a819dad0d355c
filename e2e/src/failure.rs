//! What a test returns when it fails.

use std::fmt;

/// What a test returns.
pub type Outcome = Result<(), Failure>;

/// An error printed as its messages alone. A backtrace would bury the question and the
/// answer, which say where to look.
pub struct Failure(anyhow::Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
