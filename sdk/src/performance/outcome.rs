//! How work ended.

/// How an operation or a job ended: `operation.outcome`, `job.outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// It returned an error.
    Error,
    /// Its future was dropped before it was done.
    Cancelled,
    Panic,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Panic => "panic",
        }
    }

    /// `error.type`, where no error tells its own.
    pub(crate) const fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Success | Self::Error => None,
            Self::Cancelled => Some("cancelled"),
            Self::Panic => Some(crate::panic::KIND),
        }
    }
}
