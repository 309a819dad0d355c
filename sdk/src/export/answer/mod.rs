//! What a receiver's answer means, by the specification's tables:
//! <https://opentelemetry.io/docs/specs/otlp/#failures>.

#[cfg(feature = "grpc")]
pub(super) mod grpc;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use prost::Message;

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken, but for so many items.
    Accepted { rejected: u64, why: String },
    /// Not now.
    Retry {
        /// Not before this has passed, where the receiver said so.
        after: Option<Duration>,
        why: String,
    },
    /// Not now, or never because of its size: a code of gRPC's stands for both.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code))]
    RetryOnce { why: String },
    /// Not as a whole: something in it, or its size, is not wanted.
    Split { why: String },
    /// Not from us, or not there: a smaller batch would fare no better.
    Refused { why: String },
}

/// The answers to all three signals have this one shape.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The body of an acceptance. One that cannot be read says nothing against it.
pub(super) fn accepted(body: &[u8]) -> Answer {
    let partial = Response::decode(body)
        .ok()
        .and_then(|response| response.partial_success)
        .unwrap_or_default();
    Answer::Accepted {
        rejected: u64::try_from(partial.rejected).unwrap_or(0),
        why: partial.error_message,
    }
}

pub(super) fn http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    if status.is_success() {
        return accepted(body);
    }
    let why = match said(headers, body) {
        Some(message) => format!("it answered {status}: {message}"),
        None => format!("it answered {status}"),
    };
    match status.as_u16() {
        429 | 502 | 503 | 504 => Answer::Retry {
            after: retry_after(headers, SystemTime::now()),
            why,
        },
        400 | 413 => Answer::Split { why },
        _ => Answer::Refused { why },
    }
}

/// A success that is too long to be read. It would be no shorter the next time, and the
/// receiver would have the items again and again.
pub(super) fn too_long(status: StatusCode) -> Answer {
    Answer::Refused {
        why: format!("it answered {status} and went on for more than 4 MiB"),
    }
}

/// The message of an error's body, which is a `google.rpc.Status`.
fn said(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/x-protobuf") {
        return None;
    }
    let message = Status::decode(body).ok()?.message;
    (!message.is_empty()).then_some(message)
}

/// Seconds, or a date: <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    let at = SystemTime::from(at.timestamp());
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_retry_waits_as_long_as_the_receiver_asks_in_either_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_475);
        let after = |value| retry_after(&with(header::RETRY_AFTER, value), now);
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(after(date), Some(Duration::from_secs(5)));
        assert_eq!(
            after("Wed, 21 Oct 2015 07:27:00 GMT"),
            Some(Duration::ZERO),
            "a date in the past is now"
        );
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn an_error_says_why_where_the_body_does() {
        let status = Status {
            code: 3,
            message: "no such tenant".to_owned(),
            details: Vec::new(),
        };
        let headers = with(header::CONTENT_TYPE, "application/x-protobuf");
        let answer = http(StatusCode::FORBIDDEN, &headers, &status.encode_to_vec());
        let why = "it answered 403 Forbidden: no such tenant".to_owned();
        assert_eq!(answer, Answer::Refused { why });
    }

    #[test]
    fn a_partial_success_tells_what_was_rejected_and_noise_rejects_nothing() {
        let response = Response {
            partial_success: Some(PartialSuccess {
                rejected: 3,
                error_message: "too old".to_owned(),
            }),
        };
        assert_eq!(
            accepted(&response.encode_to_vec()),
            Answer::Accepted {
                rejected: 3,
                why: "too old".to_owned()
            }
        );
        for noise in [&b""[..], b"OK", b"{}"] {
            let none = Answer::Accepted {
                rejected: 0,
                why: String::new(),
            };
            assert_eq!(accepted(noise), none);
        }
    }
}
