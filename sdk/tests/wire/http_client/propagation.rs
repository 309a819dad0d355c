//! Who may know: each host by `THROUGHLINE_PROPAGATE_TO`, each format by `OTEL_PROPAGATORS`.

use super::{Server, calls, client, get, hyper_client, with_telemetry};
use crate::support::{in_child, received_by};
use http::{HeaderMap, HeaderValue, Request};
use throughline_receiver::proto::trace::v1::Span;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

/// What a host saw of trace and request when it was called by this name.
async fn seen_by(server: &Server, host: &str) -> HeaderMap {
    let port = server.address.port();
    let client = client(throughline::http::client());
    let request = get(&format!("http://{host}:{port}/"));
    client.oneshot(request).await.unwrap();
    server.last()
}

const CARRIED: [&str; 8] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-amzn-trace-id",
    "x-request-id",
    "x-throughline",
];

fn carried(headers: &HeaderMap) -> Vec<&'static str> {
    let there = |name: &&str| headers.contains_key(*name);
    CARRIED.into_iter().filter(|name| there(name)).collect()
}

#[test]
fn only_hosts_that_are_allowed_are_told_anything() {
    let test = "only_hosts_that_are_allowed_are_told_anything";
    let hosts = [
        "localhost",
        "127.0.0.1",
        "payments",
        "payments.shop.svc.cluster.local",
        "api.example.com",
        "example.com",
        "example.com.evil.net",
        "2130706433",
    ];
    for (list, allowed) in [
        ("", &hosts[..4]),
        ("private", &hosts[..4]),
        ("none", &[][..]),
        ("*", &hosts[..]),
        ("*.example.com", &hosts[4..5]),
        ("EXAMPLE.com,127.0.0.0/8", &["127.0.0.1", "example.com"][..]),
        ("private,api.example.com", &hosts[..5]),
    ] {
        let variables = [
            ("THROUGHLINE_PROPAGATE_TO", list),
            ("THROUGHLINE_SHUTDOWN_MS", "1"),
        ];
        let outcome = in_child(test, &variables, || {
            with_telemetry(async || {
                let server = Server::start().await;
                let span = tracing::info_span!("request", request.id = "r-1", user.id = "ada");
                let work = async {
                    for host in hosts {
                        let told = carried(&seen_by(&server, host).await);
                        println!("\nTOLD {host} {}", told.join(","));
                    }
                };
                work.instrument(span).await;
            });
        });
        for host in hosts {
            let line = format!("TOLD {host} ");
            let told = outcome.stdout.lines().find_map(|it| it.strip_prefix(&line));
            let expected = match allowed.contains(&host) {
                true => "traceparent,baggage,x-request-id",
                false => "",
            };
            assert_eq!(told, Some(expected), "{list:?} {host}");
        }
    }
}

#[test]
fn a_layer_s_own_list_counts_instead_of_the_variable_s() {
    let test = "a_layer_s_own_list_counts_instead_of_the_variable_s";
    let variables = [
        ("THROUGHLINE_PROPAGATE_TO", "*"),
        ("THROUGHLINE_SHUTDOWN_MS", "1"),
    ];
    in_child(test, &variables, || {
        with_telemetry(async || {
            let server = Server::start().await;
            let span = tracing::info_span!("request");
            let layer = throughline::http::client()
                .propagate_to("payments")
                .unwrap();
            let port = server.address.port();
            for (host, expected) in [("payments", &["traceparent"][..]), ("localhost", &[])] {
                let request = get(&format!("http://{host}:{port}/"));
                let call = client(layer.clone()).oneshot(request);
                call.instrument(span.clone()).await.unwrap();
                assert_eq!(carried(&server.last()), expected, "{host}");
            }
        });
    });
}

#[test]
fn an_entry_that_is_none_keeps_telemetry_from_starting() {
    let test = "an_entry_that_is_none_keeps_telemetry_from_starting";
    let variables = [("THROUGHLINE_PROPAGATE_TO", "private,api.example.com:443")];
    let outcome = in_child(test, &variables, || {
        let said = throughline::init("client").unwrap_err();
        println!("\nSAID {said}");
    });
    let said = outcome.stdout.lines().find(|line| line.starts_with("SAID"));
    let said = said.unwrap();
    assert!(said.contains("THROUGHLINE_PROPAGATE_TO"), "{said}");
    assert!(
        said.contains("\"api.example.com:443\" has a port"),
        "{said}"
    );
}

#[test]
fn the_trace_goes_by_the_installed_propagators() {
    let test = "the_trace_goes_by_the_installed_propagators";
    for (propagators, expected) in [
        ("tracecontext", &["traceparent", "x-request-id"][..]),
        ("b3", &["b3", "x-request-id"]),
        (
            "b3multi,baggage",
            &["baggage", "x-b3-traceid", "x-request-id"],
        ),
        ("xray", &["x-amzn-trace-id", "x-request-id"]),
        ("none", &["x-request-id"]),
    ] {
        let variables = [
            ("OTEL_PROPAGATORS", propagators),
            ("THROUGHLINE_SHUTDOWN_MS", "1"),
        ];
        let outcome = in_child(test, &variables, || {
            with_telemetry(async || {
                let server = Server::start().await;
                let span = tracing::info_span!("request", request.id = "r-1");
                let headers = seen_by(&server, "localhost").instrument(span).await;
                println!("\nTOLD {}", carried(&headers).join(","));
            });
        });
        let told = outcome
            .stdout
            .lines()
            .find_map(|it| it.strip_prefix("TOLD "));
        assert_eq!(told, Some(&*expected.join(",")), "{propagators}");
    }
}

#[test]
fn the_server_is_told_the_client_s_span_and_what_another_trace_left_is_gone() {
    let test = "the_server_is_told_the_client_s_span_and_what_another_trace_left_is_gone";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let stale = |host: &str| {
                let mut request = get(&format!("http://{host}:{}/", server.address.port()));
                for (name, value) in [
                    (
                        "traceparent",
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    ),
                    ("tracestate", "vendor=1"),
                    ("baggage", "user.id=mallory"),
                    ("x-request-id", "forged"),
                ] {
                    let value = HeaderValue::from_static(value);
                    request.headers_mut().insert(name, value);
                }
                request
            };
            let span = tracing::info_span!("request", request.id = "r-1");
            let layer = throughline::http::client();
            let near = layer.layer(hyper_client()).oneshot(stale("localhost"));
            near.instrument(span.clone()).await.unwrap();
            let headers = server.last();
            println!("\nPARENT {}", headers["traceparent"].to_str().unwrap());
            assert_eq!(
                carried(&headers),
                ["traceparent", "baggage", "x-request-id"]
            );
            assert_eq!(headers["baggage"], "request.id=r-1");
            assert_eq!(headers["x-request-id"], "r-1");
            assert_eq!(headers.get_all("traceparent").iter().count(), 1);

            let far = layer
                .layer(hyper_client())
                .oneshot(stale("api.example.com"));
            far.instrument(span).await.unwrap();
            let headers = server.last();
            assert_eq!(
                headers["x-request-id"], "forged",
                "the caller's own are its own"
            );
            assert_eq!(headers["tracestate"], "vendor=1");
        });
    });
    let parent = outcome
        .stdout
        .lines()
        .find_map(|it| it.strip_prefix("PARENT "));
    let parent = parent.unwrap().to_owned();
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 2);
    let ids = |call: &throughline_receiver::Received<Span>| {
        format!("00-{}-{}-01", call.trace_id(), call.span_id())
    };
    assert!(
        calls.iter().any(|call| ids(call) == parent),
        "{parent} {calls:#?}"
    );
}

#[test]
fn a_request_that_names_no_host_goes_by_its_host_header_or_the_layer_s_origin() {
    let test = "a_request_that_names_no_host_goes_by_its_host_header_or_the_layer_s_origin";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            use bytes::Bytes;
            use http_body_util::Full;
            use std::sync::{Arc, Mutex};
            let seen = Arc::new(Mutex::new(Vec::new()));
            let keep = Arc::clone(&seen);
            let inner = tower::service_fn(move |request: Request<Full<Bytes>>| {
                keep.lock().unwrap().push(carried(request.headers()).len());
                std::future::ready(Ok::<_, std::io::Error>(http::Response::new(
                    request.into_body(),
                )))
            });
            let origin = http::Uri::from_static("https://ledger:8443");
            let plain = throughline::http::client();
            for (layer, host) in [
                (plain.clone(), None),
                (plain.clone(), Some("payments:81")),
                (plain.clone(), Some("api.example.com")),
                (plain.origin(origin), None),
            ] {
                let mut request = get("/accounts");
                if let Some(host) = host {
                    let host = HeaderValue::from_static(host);
                    request.headers_mut().insert("host", host);
                }
                let call = layer.layer(inner.clone()).oneshot(request);
                call.instrument(tracing::info_span!("request"))
                    .await
                    .unwrap();
            }
            assert_eq!(*seen.lock().unwrap(), [0, 1, 0, 1]);
        });
    });
    let mut told: Vec<_> = calls(&receiver)
        .iter()
        .map(|call| {
            let text = |key| super::text(call, key).unwrap_or_default();
            (
                text("server.address"),
                text("server.port"),
                text("url.full"),
            )
        })
        .collect();
    told.sort();
    let expected = [
        ("", "", "http:///accounts"),
        ("api.example.com", "80", "http://api.example.com/accounts"),
        ("ledger", "8443", "https://ledger:8443/accounts"),
        ("payments", "81", "http://payments:81/accounts"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, expected);
}
