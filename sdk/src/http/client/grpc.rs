//! What tells a gRPC call, and how it ended:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};

use crate::grpc_code::NAMES;

pub(super) const OK: &str = "OK";
pub(super) const CANCELLED: &str = "CANCELLED";
pub(super) const UNKNOWN: &str = "UNKNOWN";
pub(super) const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
pub(super) const UNAVAILABLE: &str = "UNAVAILABLE";
const INTERNAL: &str = "INTERNAL";

/// Whether this request is a call. `application/grpc-web` is not: its trailers are in its body.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The status in trailers, or in the headers of a call that has nothing else. A number that
/// has no name is as good as none.
pub(super) fn status(headers: &HeaderMap) -> Option<&'static str> {
    let number = headers.get("grpc-status")?.to_str().ok()?;
    let number: usize = number.parse().ok()?;
    Some(NAMES.get(number).copied().unwrap_or(UNKNOWN))
}

/// What a call without a status ended with, by
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
pub(super) fn of_http(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => INTERNAL,
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "UNIMPLEMENTED",
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_call_is_told_by_its_content_type() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpcish", false),
            ("application/json", false),
        ] {
            let kind = HeaderValue::from_static(kind);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
            assert_eq!(is_call(&headers), expected, "{headers:?}");
        }
        assert!(!is_call(&HeaderMap::new()));
    }

    #[test]
    fn a_status_has_its_name_and_one_that_is_none_is_unknown() {
        let status_of = |value: &'static str| {
            let name = http::HeaderName::from_static("grpc-status");
            status(&HeaderMap::from_iter([(
                name,
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(status_of("0"), Some("OK"));
        assert_eq!(status_of("16"), Some("UNAUTHENTICATED"));
        assert_eq!(status_of("99"), Some("UNKNOWN"));
        assert_eq!(status_of("OK"), None);
        assert_eq!(status_of("-1"), None);
        assert_eq!(of_http(StatusCode::BAD_GATEWAY), "UNAVAILABLE");
        assert_eq!(of_http(StatusCode::OK), "UNKNOWN");
    }
}
