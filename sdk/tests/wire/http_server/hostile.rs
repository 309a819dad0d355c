//! Whatever a client sends: nothing forged, no explosion of series, no panic.

use axum::Router;
use axum::routing::get;

use super::table::{DURATION, OURS, SPAN};
use super::*;
use crate::support::received_by;
use crate::support::semconv::hold;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

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
            let long = format!("X-Request-Id: {}", "a".repeat(129));
            let raw: [&[u8]; 19] = [
                huge.as_bytes(),
                b"baggage: \xff\xfe=\xfd",
                b"traceparent: 00-00000000000000000000000000000000-0000000000000000-01",
                b"traceparent: \xff\xff",
                b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-evil",
                b"User-Agent: \xff\xfe<script>",
                b"X-Request-Id: a\tb",
                b"X-Request-Id: one\r\nX-Request-Id: two",
                b"Host: [::1",
                b"traceparent: 00-7-1-01",
                b"traceparent: 00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                b"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                b"traceparent: 00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
                b"tracestate: a=b\r\ntracestate: \xff",
                long.as_bytes(),
                b"X-Request-Id: \xff\xfe",
                b"X-Request-Id: one,two",
                b"X-Request-Id: <script>",
                b"X-Request-Id: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0",
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
    assert_eq!(spans.len(), 19);
    for span in &spans {
        hold(SPAN, &span.attributes, &["http.route"], OURS);
        assert_eq!(span.parent_span_id(), None);
    }
    assert_eq!(
        of(&spans[5], "user_agent.original").unwrap(),
        "\u{fffd}\u{fffd}<script>"
    );
}

/// The client that the service's own proxy, which is the peer, has forwarded these for.
const FORWARDED: [(&[u8], Option<&str>); 13] = [
    (
        b"X-Forwarded-For: 10.0.0.9, 203.0.113.9",
        Some("203.0.113.9"),
    ),
    (
        b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.7",
        Some("198.51.100.7"),
    ),
    (
        b"X-Forwarded-For: 10.0.0.9, 203.0.113.9:1,127.0.0.1",
        Some("203.0.113.9"),
    ),
    (
        b"X-Forwarded-For: 10.0.0.9, 203.0.113.9, ,",
        Some("203.0.113.9"),
    ),
    (b"X-Forwarded-For: 10.0.0.9, \xff", None),
    (b"X-Forwarded-For: 10.0.0.9, 203.0.113.9 10.0.0.9", None),
    (b"X-Forwarded-For: 10.0.0.9, 0x0a000009", None),
    (b"X-Forwarded-For: 10.0.0.9, 010.0.0.9", None),
    (
        b"Forwarded: for=\"10.0.0.9, for=203.0.113.9",
        Some("203.0.113.9"),
    ),
    (b"Forwarded: for=10.0.0.9;for=203.0.113.9", None),
    (b"Forwarded: for=10.0.0.9, for=_hidden", None),
    (
        b"Forwarded: for=10.0.0.9, for=\"[::ffff:203.0.113.9]:1\"",
        Some("203.0.113.9"),
    ),
    (
        b"Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 10.0.0.9",
        Some("10.0.0.9"),
    ),
];

#[test]
fn a_smuggled_address_is_not_the_clients_and_vouches_for_nobody() {
    let test = "a_smuggled_address_is_not_the_clients_and_vouches_for_nobody";
    let variables = [("THROUGHLINE_TRUSTED_PROXIES", "127.0.0.1")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        running("hostile", |runtime| {
            let address = serve(runtime, app());
            for (lines, _) in FORWARDED {
                let mut request =
                    b"GET /orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".to_vec();
                request.extend(b"X-Request-Id: theirs\r\nbaggage: user.id=root\r\n");
                request.extend(format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n").bytes());
                request.extend(lines);
                request.extend(b"\r\n\r\n");
                let answer = exchange(address, &request);
                assert!(answer.starts_with("HTTP/1.1 200"), "{lines:?} {answer}");
                assert_ne!(super::header(&answer, "x-request-id"), Some("theirs"));
            }
        });
    });
    let spans = spans(&receiver);
    assert_eq!(spans.len(), FORWARDED.len());
    for (span, (lines, client)) in spans.iter().zip(FORWARDED) {
        let lines = String::from_utf8_lossy(lines);
        assert_eq!(of(span, "client.address").as_deref(), client, "{lines}");
        assert_ne!(span.trace_id().to_string(), TRACE, "{lines}");
        assert_eq!(of(span, "user.id"), None, "{lines}");
    }
}

#[test]
fn baggage_says_who_it_is_only_where_it_is_trusted_and_an_id() {
    let test = "baggage_says_who_it_is_only_where_it_is_trusted_and_an_id";
    let long = format!("user.id={}", "x".repeat(257));
    let cases: [(&str, &str, Option<&str>); 7] = [
        ("all", "user.id=ada", Some("ada")),
        ("none", "user.id=ada", None),
        ("all", "user.id=a%0Ab", None),
        ("all", "user.id=4111111111111111", None),
        ("all", "user.id=a%ff", None),
        ("all", &long, None),
        ("all", "user.id=ada,request.id=theirs", Some("ada")),
    ];
    for (trust, baggage, user) in cases {
        let variables = [("THROUGHLINE_TRUST_INBOUND", trust), ("BAGGAGE", baggage)];
        let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
            running("hostile", |runtime| {
                let baggage = format!("baggage: {}", std::env::var("BAGGAGE").unwrap());
                ask(serve(runtime, app()), "GET /orders/7", &[&baggage]);
            });
        });
        let access = record(&receiver, "http.server.request");
        assert_eq!(of(&access, "user.id").as_deref(), user, "{trust} {baggage}");
        assert_ne!(of(&access, "request.id").unwrap(), "theirs");
        let span = &spans(&receiver)[0];
        assert_eq!(of(span, "user.id").as_deref(), user, "{trust} {baggage}");
        assert_eq!(of(span, "request.id"), of(&access, "request.id"));
    }
}

#[test]
fn an_encoded_secret_in_a_query_is_told_nowhere() {
    let test = "an_encoded_secret_in_a_query_is_told_nowhere";
    const QUERIES: [(&str, &str); 4] = [
        (
            "pass%77ord=hunter2aaaaaaaa&page=2",
            "pass%77ord=[redacted]&page=2",
        ),
        ("a=Bearer%20hunter2aaaaaaaa", "a=[redacted]"),
        ("a=Bearer+hunter2aaaaaaaa", "a=[redacted]"),
        ("a=https%3A%2F%2Fada%3Ahunter2aaaaaaaa%40b", "a=[redacted]"),
    ];
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("hostile", |runtime| {
            let address = serve(runtime, app());
            for (query, _) in QUERIES {
                ask(address, &format!("GET /orders/7?{query}"), &[]);
            }
        });
    });
    let spans = spans(&receiver);
    assert_eq!(spans.len(), QUERIES.len());
    for (span, (_, told)) in spans.iter().zip(QUERIES) {
        assert_eq!(of(span, "url.query").unwrap(), told);
    }
    assert!(!format!("{spans:?}{:?}", receiver.logs()).contains("hunter2"));
}

#[test]
fn a_target_that_is_no_address_is_refused_and_harms_nothing() {
    let test = "a_target_that_is_no_address_is_refused_and_harms_nothing";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("hostile", |runtime| {
            let address = serve(runtime, app());
            let targets: [&[u8]; 5] = [
                b"/orders/\xff\xfe",
                b"/orders/%ff%00%0d%0aX-Evil:1",
                b"http://user:hunter2@a/orders/7",
                b"*",
                b"//orders//7?&&=&%",
            ];
            for target in targets {
                let request = [
                    b"GET ",
                    target,
                    b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                ];
                let answer = exchange(address, &request.concat());
                assert!(answer.starts_with("HTTP/1.1 "), "{target:?}: {answer}");
                assert!(!answer.starts_with("HTTP/1.1 5"), "{target:?}: {answer}");
                assert!(!answer.contains("X-Evil:1\r\n"), "{answer}");
            }
            let answer = ask(address, "GET /orders/7", &[]);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        });
    });
    let spans = spans(&receiver);
    assert_eq!(of(spans.last().unwrap(), "url.path").unwrap(), "/orders/7");
    assert!(!format!("{spans:?}{:?}", receiver.logs()).contains("hunter2"));
}

/// In a debug build a million takes a minute and a half, and shows the same.
const PATHS: u32 = if cfg!(debug_assertions) {
    250_000
} else {
    1_000_000
};

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
                for number in 0..PATHS {
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
