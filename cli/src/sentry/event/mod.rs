//! An error or a message, with what its SDK knew of it:
//! <https://develop.sentry.dev/sdk/foundations/envelopes/event-payloads/>.
//!
//! Written as JSON it is an event again, which [`Event::from_json`] reads back the same, so
//! that this is also the form to keep it in.

mod read;

use std::collections::BTreeMap;

use opentelemetry::{SpanId, TraceId};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Limits, SdkInfo, json as bounded, time};

pub(super) use read::event_id;
pub(crate) use read::keep_ends;

/// A Sentry event of any kind but a transaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Event {
    /// 32 lower-case hexadecimal digits; empty where none was sent.
    pub(crate) event_id: String,
    /// Nanoseconds since 1970.
    #[serde(serialize_with = "time::serialize")]
    pub(crate) timestamp: Option<u64>,
    pub(crate) level: Level,
    pub(crate) platform: Option<String>,
    pub(crate) logger: Option<String>,
    /// With the parameters filled in, where the SDK did so.
    pub(crate) message: Option<String>,
    /// The message before its parameters were filled in, which is the same every time.
    #[serde(rename = "logentry", serialize_with = "template")]
    pub(crate) template: Option<String>,
    /// The root cause first, and last the one that was seen.
    #[serde(rename = "exception")]
    pub(crate) exceptions: Vec<Exception>,
    /// The stack of an event without an exception, from the thread that made it.
    #[serde(rename = "stacktrace", serialize_with = "frames")]
    pub(crate) stack: Vec<Frame>,
    /// The oldest first.
    pub(crate) breadcrumbs: Vec<Breadcrumb>,
    pub(crate) user: Option<User>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) contexts: Map<String, Value>,
    pub(crate) request: Option<Request>,
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) transaction: Option<String>,
    pub(crate) fingerprint: Option<Vec<String>>,
    pub(crate) sdk: Option<SdkInfo>,
    pub(crate) extra: Map<String, Value>,
    /// Of `contexts`, where it is written.
    #[serde(skip)]
    pub(crate) trace_id: Option<TraceId>,
    #[serde(skip)]
    pub(crate) span_id: Option<SpanId>,
}

impl Event {
    /// Reads an event's JSON; an error where it is none, or no object.
    pub(crate) fn from_json(text: &[u8], limits: &Limits) -> Result<Self, serde_json::Error> {
        match bounded::read(text, limits)? {
            Value::Object(fields) => Ok(read::event(fields, limits)),
            _ => Err(serde::de::Error::custom("an event is an object")),
        }
    }

    /// The exception that was seen last, which an issue is named after.
    pub(crate) fn outermost(&self) -> Option<&Exception> {
        self.exceptions.last()
    }

    /// The innermost stack there is: where it went wrong first.
    pub(crate) fn frames(&self) -> &[Frame] {
        let outermost_first = self.exceptions.iter().rev();
        outermost_first
            .map(|exception| exception.frames.as_slice())
            .find(|frames| !frames.is_empty())
            .unwrap_or(&self.stack)
    }
}

#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    /// What an event without a level has.
    #[default]
    Error,
    Fatal,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Self::Debug,
            "info" | "log" => Self::Info,
            "warning" | "warn" => Self::Warning,
            "error" => Self::Error,
            "fatal" | "critical" => Self::Fatal,
            _ => return None,
        })
    }
}

/// One error of a chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Exception {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) mechanism: Option<Mechanism>,
    /// The caller first, and last the frame where it was thrown.
    #[serde(rename = "stacktrace", serialize_with = "frames")]
    pub(crate) frames: Vec<Frame>,
}

/// How an exception was caught.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Mechanism {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) handled: Option<bool>,
    /// Its type says nothing: every one of its making has the same.
    pub(crate) synthetic: bool,
}

/// One call of a stack. The variables' values are left out: they are most of an event's size,
/// and hold what nobody meant to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Frame {
    pub(crate) function: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) filename: Option<String>,
    pub(crate) abs_path: Option<String>,
    pub(crate) lineno: Option<u64>,
    pub(crate) colno: Option<u64>,
    /// Of the service itself, and not of a library; `None` where nobody said.
    pub(crate) in_app: Option<bool>,
    pub(crate) pre_context: Vec<String>,
    pub(crate) context_line: Option<String>,
    pub(crate) post_context: Vec<String>,
}

fn template<S: Serializer>(template: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let entry = template
        .as_ref()
        .map(|template| json!({ "message": template }));
    entry.serialize(serializer)
}

fn frames<S: Serializer>(frames: &[Frame], serializer: S) -> Result<S::Ok, S::Error> {
    json!({ "frames": frames }).serialize(serializer)
}

/// Something that happened before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Breadcrumb {
    #[serde(serialize_with = "time::serialize")]
    pub(crate) timestamp: Option<u64>,
    pub(crate) category: Option<String>,
    pub(crate) level: Option<Level>,
    pub(crate) message: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) data: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct User {
    pub(crate) id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) username: Option<String>,
}

/// The HTTP request that was being served. The body and the cookies are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Request {
    pub(crate) method: Option<String>,
    /// Without the query.
    pub(crate) url: Option<String>,
    #[serde(rename = "query_string")]
    pub(crate) query: Option<String>,
    /// In their order.
    pub(crate) headers: Vec<(String, String)>,
    #[serde(rename = "env", serialize_with = "remote_addr")]
    /// The address that the server saw.
    pub(crate) remote_addr: Option<String>,
}

fn remote_addr<S: Serializer>(addr: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let env = addr.as_ref().map(|addr| json!({ "REMOTE_ADDR": addr }));
    env.serialize(serializer)
}
