//! Why a query failed, in few distinct words. What the database says beside its code may
//! hold values of rows, and belongs to the caller's own record of the error.

use std::borrow::Cow;
use std::fmt::{self, Write};

use sqlx::Error;

/// `error.type`, and `db.response.status_code` where the database gave one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Cow<'static, str>,
    pub(super) status_code: Option<String>,
}

impl Failure {
    /// The caller went away before the database had answered.
    pub(super) const CANCELLED: Self = Self {
        kind: Cow::Borrowed("cancelled"),
        status_code: None,
    };

    /// `None` for what is no failure of the database's: no row is an answer too.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let kind = match error {
            Error::RowNotFound => return None,
            Error::Database(answer) => {
                let code = vendor_code(answer).or_else(|| answer.code().map(Cow::into_owned));
                return Some(Self {
                    kind: code
                        .clone()
                        .map_or("sqlx::Error::Database".into(), Cow::Owned),
                    status_code: code,
                });
            }
            Error::Configuration(_) => "sqlx::Error::Configuration",
            Error::InvalidArgument(_) => "sqlx::Error::InvalidArgument",
            Error::Io(_) => "sqlx::Error::Io",
            Error::Tls(_) => "sqlx::Error::Tls",
            Error::Protocol(_) => "sqlx::Error::Protocol",
            Error::TypeNotFound { .. } => "sqlx::Error::TypeNotFound",
            Error::ColumnIndexOutOfBounds { .. } => "sqlx::Error::ColumnIndexOutOfBounds",
            Error::ColumnNotFound(_) => "sqlx::Error::ColumnNotFound",
            Error::ColumnDecode { .. } => "sqlx::Error::ColumnDecode",
            Error::Encode(_) => "sqlx::Error::Encode",
            Error::Decode(_) => "sqlx::Error::Decode",
            Error::AnyDriverError(_) => "sqlx::Error::AnyDriverError",
            Error::PoolTimedOut => "sqlx::Error::PoolTimedOut",
            Error::PoolClosed => "sqlx::Error::PoolClosed",
            Error::WorkerCrashed => "sqlx::Error::WorkerCrashed",
            Error::InvalidSavePointStatement => "sqlx::Error::InvalidSavePointStatement",
            Error::BeginFailed => "sqlx::Error::BeginFailed",
            _ => "_OTHER",
        };
        Some(Self {
            kind: kind.into(),
            status_code: None,
        })
    }
}

/// MySQL's own number, which the conventions want: its driver's error has it in front of the
/// SQLSTATE, as in `1146 (42S02): ..`. The other drivers' texts do not begin so.
fn vendor_code(answer: &impl fmt::Display) -> Option<String> {
    let mut start = Start::default();
    // It ends with an error as soon as it has enough.
    let _ = write!(start, "{answer}");
    // The cut may have gone through a letter.
    let text = String::from_utf8_lossy(&start.bytes[..start.length]);
    let (number, rest) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let state = rest.strip_prefix(" (")?.as_bytes();
    let is_state =
        state.get(..5)?.iter().all(u8::is_ascii_alphanumeric) && state[5..].starts_with(b")");
    (is_state && !number.is_empty()).then(|| number.to_owned())
}

/// The first bytes of a text, which may go on for long.
#[derive(Default)]
struct Start {
    bytes: [u8; 16],
    length: usize,
}

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..][..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        if taken == room {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_before_a_sqlstate_is_mysqls() {
        let code = |text: &str| vendor_code(&text);
        assert_eq!(
            code("1146 (42S02): Table 'x' doesn't exist"),
            Some("1146".into())
        );
        assert_eq!(
            code("1062 (23000): Duplicate entry 'ö' for key"),
            Some("1062".into())
        );
        for other in [
            "",
            "1146",
            "1146: no state",
            "(code: 1) no such table: x",
            "duplicate key value violates unique constraint",
            "42 (not a state)",
            "7 (ab",
            "42 (words and more)",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn no_row_is_no_failure_and_a_pool_that_is_busy_is_one() {
        assert_eq!(Failure::of(&Error::RowNotFound), None);
        let failure = Failure::of(&Error::PoolTimedOut).unwrap();
        assert_eq!(failure.kind, "sqlx::Error::PoolTimedOut");
        assert_eq!(failure.status_code, None);
    }
}
