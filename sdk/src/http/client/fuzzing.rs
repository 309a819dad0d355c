//! What the fuzzer asks of the client's side; see [`crate::fuzzing`].

use http::{HeaderMap, Uri};

use super::destination::Destination;
use super::grpc;
use super::url::FullUrl;

/// `url.full` of a request for this.
pub(crate) fn full_url(uri: &Uri) -> String {
    FullUrl(Destination::of_uri(uri, &HeaderMap::new(), None)).to_string()
}

/// The end of a call is a code that there is.
pub(crate) fn call_status(headers: &HeaderMap) {
    if let Some(name) = grpc::status(headers) {
        assert!(headers.contains_key("grpc-status"));
        assert!(name.bytes().all(|it| it.is_ascii_uppercase() || it == b'_'));
    }
}
