//! Answers other than success, in the form that each transport asks for: a
//! `google.rpc.Status`.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#failures>

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use prost::Message;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{http::Encoding, sink::Rejection};

/// Why a request got no success: what a sink said, or what the receiver itself found.
#[derive(Debug)]
pub(crate) enum Refusal {
    Sink(Rejection),
    /// A media type or a compression that is not known.
    Unsupported(String),
    /// The body did not come in time.
    TooSlow(String),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Sink(rejection)
    }
}

impl Refusal {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Sink(Rejection::Invalid(message.into()))
    }

    fn codes(&self) -> (StatusCode, Code) {
        match self {
            Self::Sink(Rejection::Unavailable { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
            }
            Self::Sink(Rejection::Invalid(_)) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
            Self::Sink(Rejection::TooLarge(_)) => {
                (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted)
            }
            Self::Unsupported(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Sink(Rejection::Unavailable { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    fn message(self) -> String {
        match self {
            Self::Sink(rejection) => rejection.to_string(),
            Self::Unsupported(message) | Self::TooSlow(message) => message,
        }
    }

    pub(crate) fn into_grpc(self) -> Response {
        let (_, code) = self.codes();
        match self.retry_after() {
            Some(wait) => tonic::Status::with_error_details(
                code,
                self.message(),
                ErrorDetails::with_retry_info(Some(wait)),
            ),
            None => tonic::Status::new(code, self.message()),
        }
        .into_http()
    }

    pub(crate) fn into_http(self, encoding: Encoding) -> Response {
        let (status, code) = self.codes();
        let retry_after = self.retry_after();
        let message = self.message();
        let body = match encoding {
            Encoding::Protobuf => protobuf_status(code, message, retry_after),
            Encoding::Json => json_status(code, &message, retry_after),
        };
        let mut response = (status, [(CONTENT_TYPE, encoding.media_type())], body).into_response();
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn protobuf_status(code: Code, message: String, retry_after: Option<Duration>) -> Body {
    let status = match retry_after {
        Some(wait) => tonic::Status::with_error_details(
            code,
            message,
            ErrorDetails::with_retry_info(Some(wait)),
        )
        // With details, a status carries the whole `google.rpc.Status` as bytes.
        .details()
        .to_vec(),
        None => tonic_types::pb::Status {
            code: code.into(),
            message,
            details: Vec::new(),
        }
        .encode_to_vec(),
    };
    Body::from(status)
}

fn json_status(code: Code, message: &str, retry_after: Option<Duration>) -> Body {
    let mut status = serde_json::json!({ "code": i32::from(code), "message": message });
    if let Some(wait) = retry_after {
        status["details"] = serde_json::json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}.{:09}s", wait.as_secs(), wait.subsec_nanos()),
        }]);
    }
    Body::from(status.to_string())
}
