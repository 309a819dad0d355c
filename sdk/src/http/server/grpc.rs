//! What makes an HTTP request a gRPC call, and what its end means:
//! <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::grpc_code::NAMES;

/// `rpc.system.name`.
pub(super) const SYSTEM: &str = "grpc";

/// Whether it says that it is one: the content type begins so in each of its forms.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// `package.Service/Method` of a call's path, which has these two parts and no other.
pub(super) fn method(path: &str) -> Option<&str> {
    let method = path.strip_prefix('/')?;
    let (service, name) = method.split_once('/')?;
    let whole = !service.is_empty() && !name.is_empty() && !name.contains('/');
    whole.then_some(method)
}

/// How a call ended: <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u8);

impl Code {
    pub(super) const CANCELLED: Self = Self(1);
    pub(super) const UNKNOWN: Self = Self(2);
    pub(super) const UNIMPLEMENTED: Self = Self(12);
    pub(super) const INTERNAL: Self = Self(13);

    /// The code in an answer's headers or trailers. What is no code counts as unknown, as it
    /// does for clients.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?;
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        Some(
            number
                .filter(|number| usize::from(*number) < NAMES.len())
                .map_or(Self::UNKNOWN, Self),
        )
    }

    /// `rpc.response.status_code`.
    pub(super) fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Whether the server failed, by the conventions; the others are the client's doing.
    pub(super) fn is_error(self) -> bool {
        matches!(self.0, 2 | 4 | 12..=15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(value: &'static str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from_static(value));
        Code::of(&headers).map(Code::name)
    }

    #[test]
    fn what_is_no_code_is_unknown() {
        assert_eq!(of("0"), Some("OK"));
        assert_eq!(of("16"), Some("UNAUTHENTICATED"));
        for strange in ["17", "-1", "", "OK", "256"] {
            assert_eq!(of(strange), Some("UNKNOWN"), "{strange}");
        }
        assert_eq!(Code::of(&HeaderMap::new()), None);
    }

    #[test]
    fn these_are_the_servers_failures() {
        let failures: Vec<&str> = (0..17)
            .map(Code)
            .filter(|code| code.is_error())
            .map(Code::name)
            .collect();
        let expected = [
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
        ];
        assert_eq!(failures, expected);
    }

    proptest! {
        #[test]
        fn a_method_is_a_service_and_a_name(path in "[/a-zA-Z.]{0,40}") {
            let parts: Vec<&str> = path.split('/').collect();
            let two = matches!(parts[..], ["", service, name] if !service.is_empty() && !name.is_empty());
            prop_assert_eq!(method(&path).is_some(), two);
        }
    }
}
