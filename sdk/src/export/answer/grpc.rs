//! What the answers of gRPC mean:
//! <https://opentelemetry.io/docs/specs/otlp/#failures>.

use std::time::Duration;

use http::StatusCode;
use prost::Message;

use super::{Answer, Status, accepted};
use crate::grpc_code::NAMES;

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// By the code's number: <https://grpc.io/docs/guides/status-codes/>.
pub(in crate::export) fn answer(code: u32, message: &str, details: &[u8], body: &[u8]) -> Answer {
    let name = NAMES.get(code as usize).copied().unwrap_or("UNKNOWN");
    let why = if message.is_empty() {
        format!("it answered {name}")
    } else {
        format!("it answered {name}: {message}")
    };
    match name {
        "OK" => accepted(body),
        "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "UNAVAILABLE" | "DATA_LOSS" => {
            Answer::Retry {
                after: retry_info(details),
                why,
            }
        }
        // Servers of Rust's tonic say so of a message that is too long.
        "OUT_OF_RANGE" => match retry_info(details) {
            after @ Some(_) => Answer::Retry { after, why },
            None => Answer::RetryOnce { why },
        },
        // Recovery is possible only where the receiver says when; else it is the size.
        "RESOURCE_EXHAUSTED" => match retry_info(details) {
            after @ Some(_) => Answer::Retry { after, why },
            None => Answer::Split { why },
        },
        "INVALID_ARGUMENT" => Answer::Split { why },
        _ => Answer::Refused { why },
    }
}

/// What an answer without a gRPC status means:
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
pub(in crate::export) fn without_status(status: StatusCode) -> Answer {
    let why = format!("it answered {status} and no gRPC status");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Answer::Retry { after: None, why },
        _ => Answer::Refused { why },
    }
}

fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = Status::decode(details).ok()?;
    let info = status
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0);
    Some(Duration::new(seconds, nanos.min(999_999_999)))
}
