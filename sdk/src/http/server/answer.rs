//! The answer in a handler's stead, where that has panicked.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// Says what a client needs for a report, and nothing of what went wrong.
pub(super) fn internal_error(request_id: &str) -> Response<Bytes> {
    let text = format!("internal server error\nrequest id: {request_id}\n");
    let mut answer = Response::new(Bytes::from(text));
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let headers = answer.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same of a gRPC call, whose failures have the HTTP status 200.
pub(super) fn internal_error_of_call() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    let headers = answer.headers_mut();
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(CONTENT_TYPE, grpc);
    headers.insert("grpc-status", HeaderValue::from_static("13"));
    let message = HeaderValue::from_static("internal server error");
    headers.insert("grpc-message", message);
    answer
}
