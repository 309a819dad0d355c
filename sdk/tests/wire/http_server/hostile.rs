//! Whatever a client sends: nothing forged, no explosion of series, no panic.

use axum::Router;
use axum::routing::get;

use super::table::{DURATION, OURS, SPAN};
use super::*;
use crate::support::received_by;
use crate::support::semconv::hold;

fn app() -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .layer(throughline::http::server())
}

#[test]
fn hostile_headers_are_taken_for_what_they_are() {
    let test = "hostile_headers_are_taken_for_what_they_are";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("hostile", |runtime| {
            let address = serve(runtime, app());
            let huge = format!("baggage: {}", "k=v,".repeat(16 * 1024));
            let raw: [&[u8]; 9] = [
                huge.as_bytes(),
                b"baggage: \xff\xfe=\xfd",
                b"traceparent: 00-00000000000000000000000000000000-0000000000000000-01",
                b"traceparent: \xff\xff",
                b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-evil",
                b"User-Agent: \xff\xfe<script>",
                b"X-Request-Id: a\tb",
                b"X-Request-Id: one\r\nX-Request-Id: two",
                b"Host: [::1",
            ];
            for header in raw {
                let mut request =
                    b"GET /orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".to_vec();
                request.extend(header);
                request.extend(b"\r\n\r\n");
                let answer = exchange(address, &request);
                assert!(answer.starts_with("HTTP/1.1 200"), "{header:?} {answer}");
                let id = super::header(&answer, "x-request-id").unwrap();
                assert_eq!(id.len(), 36, "a new one: {id}");
            }
        });
    });
    let spans = spans(&receiver);
    assert_eq!(spans.len(), 9);
    for span in &spans {
        hold(SPAN, &span.attributes, &["http.route"], OURS);
        assert_eq!(span.parent_span_id(), None);
    }
    assert_eq!(
        of(&spans[5], "user_agent.original").unwrap(),
        "\u{fffd}\u{fffd}<script>"
    );
}

#[test]
fn paths_and_methods_without_end_are_one_series_each() {
    let test = "paths_and_methods_without_end_are_one_series_each";
    let variables = [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("THROUGHLINE_ACCESS_LOG", "false"),
    ];
    let (receiver, outcome) = received_by(test, "http/protobuf", &variables, || {
        running("hostile", |runtime| {
            // The service alone, as so many requests through a router take a minute.
            let mut app = tower::ServiceBuilder::new()
                .layer(throughline::http::server())
                .service(tower::service_fn(|_: http::Request<()>| async {
                    let body = http_body_util::Empty::<bytes::Bytes>::new();
                    Ok::<_, std::convert::Infallible>(http::Response::new(body))
                }));
            runtime.block_on(async {
                for number in 0..100_000 {
                    let mut request = http::Request::new(());
                    *request.uri_mut() = format!("/nowhere/{number}").parse().unwrap();
                    if number % 2 == 0 {
                        *request.method_mut() = format!("M{number}").parse().unwrap();
                    }
                    tower::Service::call(&mut app, request).await.unwrap();
                }
            });
        });
    });
    let contents = receiver.contents();
    let duration = contents.metric(DURATION.name).unwrap();
    DURATION.hold(&duration.item, &["http.response.status_code"]);
    assert_eq!(duration.points().len(), 2, "{:#?}", duration.item);
    assert!(!outcome.stderr.contains("overflow"), "{}", outcome.stderr);
}
