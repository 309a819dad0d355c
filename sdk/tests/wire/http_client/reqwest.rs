//! The same by reqwest: with `reqwest-middleware`, and as a Tower service.

use std::time::Duration;

use super::conventions::{DURATION, SPAN};
use super::{Server, calls, is_error, metric, text, with_telemetry};
use crate::support::received_by;
use crate::support::semconv::hold;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use throughline::http::UrlTemplate;
use throughline_receiver::Attributes;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

fn client() -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(throughline::http::client())
        .build()
}

#[test]
fn reqwest_s_requests_are_told_as_all_others() {
    let test = "reqwest_s_requests_are_told_as_all_others";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let span = tracing::info_span!("request", request.id = "r-1", user.id = "ada");
            let url = server.url("/accounts/7?sig=hunter2");
            let request = client().post(url).body("tea");
            let request = request.with_extension(UrlTemplate("/accounts/{id}"));
            request.send().instrument(span.clone()).await.unwrap();
            let headers = server.last();
            assert!(headers.contains_key("traceparent"));
            assert_eq!(headers["baggage"], "user.id=ada,request.id=r-1");
            assert_eq!(headers["x-request-id"], "r-1");

            let tower = throughline::http::client().layer(reqwest::Client::new());
            let request = reqwest::Request::new(
                reqwest::Method::GET,
                server
                    .url("/status/404")
                    .replace("http://", "http://ada:hunter2@")
                    .parse()
                    .unwrap(),
            );
            tower.oneshot(request).instrument(span).await.unwrap();
            assert_eq!(server.last()["x-request-id"], "r-1");
        });
    });
    let calls = calls(&receiver);
    let by_name = |name: &str| calls.iter().find(|call| call.name == name).unwrap();
    let known = ["request.id", "user.id"];
    let due = ["http.response.status_code", "error.type"];
    let posted = by_name("POST /accounts/{id}");
    hold(SPAN, &posted.attributes, &due[..1], &known);
    let full = text(posted, "url.full").unwrap();
    assert!(full.ends_with("/accounts/7?sig=[redacted]"), "{full}");
    assert_eq!(posted.attribute_i64("http.request.body.size"), Some(3));
    assert_eq!(posted.attribute_i64("http.response.body.size"), Some(5));
    let missing = by_name("GET");
    hold(SPAN, &missing.attributes, &due, &known);
    assert!(is_error(missing));
    let full = text(missing, "url.full").unwrap();
    assert!(full.starts_with("http://[redacted]@127.0.0.1:"), "{full}");
    DURATION.hold(&metric(&receiver, DURATION.name), &due[..1]);
}

#[test]
fn each_try_of_reqwest_retry_has_its_number() {
    let test = "each_try_of_reqwest_retry_has_its_number";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let none = Duration::ZERO;
            let policy = ExponentialBackoff::builder()
                .retry_bounds(none, none)
                .build_with_max_retries(2);
            let client = ClientBuilder::new(reqwest::Client::new())
                .with(RetryTransientMiddleware::new_with_policy(policy))
                .with(throughline::http::client())
                .build();
            for _ in 0..2 {
                let url = server.url("/status/503");
                client.get(url).send().await.unwrap();
            }
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
fn reqwest_s_failures_have_the_same_types() {
    let test = "reqwest_s_failures_have_the_same_types";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = closed.local_addr().unwrap().port();
            drop(closed);
            let refused = format!("http://ada:hunter2@127.0.0.1:{port}/refused?sig=hunter2");
            client().get(refused).send().await.unwrap_err();
            let hanging = client().get(server.url("/hang"));
            let late = hanging.timeout(Duration::from_millis(50));
            late.send().await.unwrap_err();
            let tower = throughline::http::client().layer(reqwest::Client::new());
            let url = "http://nobody.invalid/unknown".parse().unwrap();
            let request = reqwest::Request::new(reqwest::Method::GET, url);
            tower.oneshot(request).await.unwrap_err();
        });
    });
    let mut told: Vec<_> = calls(&receiver)
        .iter()
        .map(|call| {
            hold(SPAN, &call.attributes, &["error.type"], &[]);
            assert!(is_error(call));
            text(call, "error.type").unwrap()
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        ["connection_refused", "name_resolution_error", "timeout"]
    );
    let sent = format!("{:?}{outcome:?}", receiver.spans());
    assert!(!sent.contains("hunter2"), "{sent}");
}
