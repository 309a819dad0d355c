//! Requests that are sent again: each try its own span, and which it is.

use super::{Server, calls, get, hyper_client, text, with_telemetry};
use crate::support::received_by;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::future::{Ready, ready};
use throughline_receiver::Attributes;
use tower::retry::Policy;
use tower::{ServiceBuilder, ServiceExt};

/// Tries again while the server fails, so often.
#[derive(Clone)]
struct Again(usize);

impl<B, E> Policy<Request<Full<Bytes>>, Response<B>, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<B>, E>,
    ) -> Option<Ready<()>> {
        let failed = !result
            .as_ref()
            .is_ok_and(|response| response.status().is_success());
        self.0 = self.0.checked_sub(1).filter(|_| failed)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[test]
fn each_try_below_a_retry_layer_has_its_span_and_its_number() {
    let test = "each_try_below_a_retry_layer_has_its_span_and_its_number";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let client = ServiceBuilder::new()
                .layer(throughline::http::count_resends())
                .retry(Again(2))
                .layer(throughline::http::client())
                .service(hyper_client());
            for _ in 0..2 {
                let request = get(&server.url("/status/503"));
                client.clone().oneshot(request).await.unwrap();
            }
            let parents: std::collections::HashSet<_> = server
                .seen
                .lock()
                .unwrap()
                .iter()
                .map(|headers| headers["traceparent"].clone())
                .collect();
            assert_eq!(parents.len(), 6, "each try is a parent of its own");
        });
    });
    let mut counts: Vec<_> = calls(&receiver)
        .iter()
        .map(|call| call.attribute_i64("http.request.resend_count"))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [None, None, Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn above_a_retry_layer_all_tries_are_one_request() {
    let test = "above_a_retry_layer_all_tries_are_one_request";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let client = ServiceBuilder::new()
                .layer(throughline::http::client())
                .retry(Again(2))
                .service(hyper_client());
            let request = get(&server.url("/status/503"));
            client.oneshot(request).await.unwrap();
            assert_eq!(server.seen.lock().unwrap().len(), 3);
        });
    });
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 1);
    assert_eq!(text(&calls[0], "http.request.resend_count"), None);
    assert_eq!(text(&calls[0], "error.type").as_deref(), Some("503"));
}
