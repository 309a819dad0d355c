//! Whose trace, baggage and request id are taken over.

use axum::Router;
use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::routing::get;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use throughline::http::{ClientAddress, RequestId};
use throughline::reexport::opentelemetry;

use super::*;
use crate::support::received_by;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What a handler knows of its caller, as its answer.
fn app() -> Router {
    let told = |client: Option<Extension<ClientAddress>>,
                Extension(id): Extension<RequestId>,
                _: HeaderMap| async move {
        let client = client.map(|Extension(ClientAddress(address))| address.to_string());
        let tenant = Context::map_current(|context| {
            context.baggage().get("tenant").map(ToString::to_string)
        });
        format!("{client:?} {id} {tenant:?}")
    };
    Router::new()
        .route("/", get(told))
        .layer(throughline::http::server())
}

struct Case {
    trust: &'static str,
    proxies: &'static str,
    headers: &'static [&'static str],
    client: Option<&'static str>,
    trusted: bool,
}

const CASES: [Case; 9] = [
    Case {
        trust: "",
        proxies: "",
        headers: &[],
        client: Some("127.0.0.1"),
        trusted: true,
    },
    Case {
        trust: "all",
        proxies: "",
        headers: &[],
        client: Some("127.0.0.1"),
        trusted: true,
    },
    Case {
        trust: "none",
        proxies: "",
        headers: &[],
        client: Some("127.0.0.1"),
        trusted: false,
    },
    // Somebody's proxy.
    Case {
        trust: "",
        proxies: "",
        headers: &["X-Forwarded-For: 10.0.0.9"],
        client: Some("127.0.0.1"),
        trusted: false,
    },
    Case {
        trust: "",
        proxies: "127.0.0.0/8",
        headers: &["X-Forwarded-For: 10.0.0.9"],
        client: Some("10.0.0.9"),
        trusted: true,
    },
    Case {
        trust: "",
        proxies: "127.0.0.1",
        headers: &["X-Forwarded-For: 10.0.0.9, 203.0.113.9"],
        client: Some("203.0.113.9"),
        trusted: false,
    },
    Case {
        trust: "",
        proxies: "127.0.0.1",
        headers: &["Forwarded: for=10.0.0.9;proto=https"],
        client: Some("10.0.0.9"),
        trusted: true,
    },
    Case {
        trust: "",
        proxies: "127.0.0.1",
        headers: &["Forwarded: for=10.0.0.9", "X-Forwarded-For: 203.0.113.9"],
        client: Some("203.0.113.9"),
        trusted: false,
    },
    Case {
        trust: "",
        proxies: "127.0.0.1",
        headers: &["X-Forwarded-For: unknown"],
        client: None,
        trusted: false,
    },
];

#[test]
fn only_a_trusted_client_hands_its_trace_on() {
    let test = "only_a_trusted_client_hands_its_trace_on";
    for (at, case) in CASES.iter().enumerate() {
        let at = at.to_string();
        let variables = [
            ("THROUGHLINE_TRUST_INBOUND", case.trust),
            ("THROUGHLINE_TRUSTED_PROXIES", case.proxies),
            ("CASE", &at),
        ];
        let (receiver, outcome) = received_by(test, "http/protobuf", &variables, || {
            let at: usize = std::env::var("CASE").unwrap().parse().unwrap();
            running("trust", |runtime| {
                let traceparent = format!("traceparent: 00-{TRACE}-{PARENT}-01");
                let mut headers = vec![
                    traceparent.as_str(),
                    "tracestate: vendor=7",
                    "baggage: tenant=blue",
                    "X-Request-Id: theirs",
                ];
                headers.extend(CASES[at].headers);
                let answer = ask(serve(runtime, app()), "GET /", &headers);
                println!("\nHEADER {}", header(&answer, "x-request-id").unwrap());
                println!("BODY {}", answer.lines().last().unwrap());
            });
        });
        let line = |prefix: &str| {
            outcome
                .stdout
                .lines()
                .find_map(|line| line.strip_prefix(prefix))
                .unwrap()
        };
        let id = line("HEADER ");
        let tenant = case.trusted.then_some("blue");
        let client = case.client;
        assert_eq!(line("BODY "), format!("{client:?} {id} {tenant:?}"), "{at}");
        assert_eq!(id == "theirs", case.trusted, "{at}");
        let spans = spans(&receiver);
        let span = &spans[0];
        assert_eq!(of(span, "client.address").as_deref(), client, "{at}");
        assert_eq!(of(span, "request.id").unwrap(), id);
        assert_eq!(span.trace_id().to_string() == TRACE, case.trusted, "{at}");
        if case.trusted {
            assert_eq!(span.parent_span_id().unwrap().to_string(), PARENT);
            assert_eq!(span.trace_state, "vendor=7");
            assert!(span.links.is_empty());
        } else {
            assert_eq!(span.parent_span_id(), None, "a new root");
            assert_eq!(span.links.len(), 1, "with a link");
            let hex = |bytes: &[u8]| {
                bytes
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            };
            assert_eq!(hex(&span.links[0].trace_id), TRACE);
            assert_eq!(hex(&span.links[0].span_id), PARENT);
        }
        let https = case
            .headers
            .iter()
            .any(|header| header.contains("proto=https"));
        assert_eq!(
            of(span, "url.scheme").unwrap(),
            if https { "https" } else { "http" }
        );
    }
}

#[test]
fn a_strangers_sampled_flag_decides_nothing() {
    let test = "a_strangers_sampled_flag_decides_nothing";
    for (sampler, trust, flag, kept) in [
        ("parentbased_always_off", "none", "01", false),
        ("parentbased_always_on", "none", "00", true),
        ("parentbased_always_off", "all", "01", true),
        ("parentbased_always_on", "all", "00", false),
        // These look at no parent.
        ("always_on", "all", "00", true),
        ("always_off", "all", "01", false),
    ] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", sampler),
            ("THROUGHLINE_TRUST_INBOUND", trust),
            ("FLAG", flag),
        ];
        let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
            let flag = std::env::var("FLAG").unwrap();
            running("trust", |runtime| {
                let traceparent = format!("traceparent: 00-{TRACE}-{PARENT}-{flag}");
                ask(serve(runtime, app()), "GET /", &[&traceparent]);
            });
        });
        assert_eq!(
            receiver.spans().len(),
            usize::from(kept),
            "{sampler} {trust} {flag}"
        );
        // A trace that is followed is the same on records, kept or not.
        let access = record(&receiver, "http.server.request");
        let same = access.trace_id().unwrap().to_string() == TRACE;
        assert_eq!(same, trust == "all", "{sampler} {trust} {flag}");
    }
}

#[test]
fn an_unknown_peer_is_not_trusted_and_that_is_said_once() {
    let test = "an_unknown_peer_is_not_trusted_and_that_is_said_once";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        running("trust", |runtime| {
            let listener = runtime
                .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
                .unwrap();
            let address = listener.local_addr().unwrap();
            runtime.spawn(async move { axum::serve(listener, app()).await });
            let traceparent = format!("traceparent: 00-{TRACE}-{PARENT}-01");
            for _ in 0..3 {
                ask(address, "GET /", &[&traceparent, "X-Request-Id: theirs"]);
            }
        });
    });
    let said: Vec<&str> = outcome.diagnostics();
    let said: Vec<&&str> = said
        .iter()
        .filter(|line| line.contains("unknown peer"))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("into_make_service_with_connect_info::<SocketAddr>()"));
    for span in spans(&receiver) {
        assert_ne!(span.trace_id().to_string(), TRACE);
        assert_ne!(of(&span, "request.id").unwrap(), "theirs");
        assert_eq!(of(&span, "client.address"), None);
    }
}
