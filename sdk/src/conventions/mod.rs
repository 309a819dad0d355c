//! The names that the SDK, the collector, the dashboards and a service's own code agree on,
//! as data: the streams of records, their events, the attributes and the metrics.
//!
//! OpenTelemetry's semantic conventions come first; names of our own exist only where there
//! is none. Each row also says what the same thing was called in the five systems whose log
//! files these streams replace, so that old lines and old habits find their place.
//! `docs/conventions.md` has the same tables for people, and a test compares the two.
//!
//! ```
//! use throughline::conventions::{EVENTS, System};
//!
//! let failed = EVENTS.iter().find(|event| event.name == "auth.login.failed").unwrap();
//! assert_eq!(failed.category, "security");
//! assert!(failed.formerly.iter().any(|former| {
//!     former.system == System::Freshbytes && former.name == "LOGIN_FAILED"
//! }));
//! ```

mod attributes;
mod metrics;
mod streams;

use std::fmt;

pub use attributes::{ATTRIBUTES, Attribute, Place, SetBy};
pub use metrics::{METRICS, Metric, MetricKind};
pub use streams::{EVENTS, EventName, Requirement, STREAMS, Stream};

/// One of the five systems whose log files the streams replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum System {
    /// A Django service with five log files.
    BillingApi,
    /// A Django service with JSON lines in seven log files.
    Cosmo,
    /// A Django service with six log files, analytics among them.
    Derrakht,
    /// A FastAPI service with JSON lines.
    FastapiAdvanced,
    /// A Django service with four log files.
    Freshbytes,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BillingApi => "billing-api",
            Self::Cosmo => "cosmo",
            Self::Derrakht => "derrakht",
            Self::FastapiAdvanced => "fastapi-advanced",
            Self::Freshbytes => "freshbytes",
        })
    }
}

/// What one of the five systems called it: a log file, an event, a field, or the words of a
/// line or of its description where it had no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Former {
    /// Whose name it is.
    pub system: System,
    /// The name, as it is written there.
    pub name: &'static str,
}

const fn billing(name: &'static str) -> Former {
    let system = System::BillingApi;
    Former { system, name }
}

const fn cosmo(name: &'static str) -> Former {
    let system = System::Cosmo;
    Former { system, name }
}

const fn derrakht(name: &'static str) -> Former {
    let system = System::Derrakht;
    Former { system, name }
}

const fn fastapi(name: &'static str) -> Former {
    let system = System::FastapiAdvanced;
    Former { system, name }
}

const fn freshbytes(name: &'static str) -> Former {
    let system = System::Freshbytes;
    Former { system, name }
}
