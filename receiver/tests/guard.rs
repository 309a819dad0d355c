//! Whom a server on this machine answers.

#![allow(clippy::unwrap_used)]

mod support;

use axum::{Router, body::Body, routing::get};
use http::{Request, Response, StatusCode, Version};
use throughline_receiver::{
    Access, Options,
    guard::{Guard, GuardLayer},
};
use tonic::{Code, transport::Endpoint};
use tower::{Layer, ServiceExt};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use support::{JSON, PROTOBUF, post, span, taking};

fn access() -> Access {
    Access {
        hosts: vec!["devbox.local".into()],
        origins: vec!["http://localhost:5173".into()],
        hint: "allow it with --allow-origin".into(),
    }
}

fn page(bound: &str) -> Guard<Router> {
    let router = Router::new().route("/", get(async || "hello"));
    GuardLayer::new(access(), &[bound.parse().unwrap()]).layer(router)
}

async fn get_from(page: Guard<Router>, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    page.oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn only_names_of_this_machine_and_allowed_ones_are_hosts() {
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST.:8969", 200),
        ("page.localhost:8969", 200),
        ("127.0.0.1:8969", 200),
        ("127.9.9.9", 200),
        ("[::1]:8969", 200),
        ("10.0.0.5:8969", 200),
        ("devbox.local:8969", 200),
        ("10.0.0.6", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("notlocalhost", 403),
        ("user@evil.example", 403),
        ("", 403),
    ] {
        let answer = get_from(page("10.0.0.5:8969"), &[("host", host)]).await;
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
    assert_eq!(
        get_from(page("127.0.0.1:1"), &[]).await.status(),
        StatusCode::FORBIDDEN
    );
    let everywhere = page("0.0.0.0:8969");
    let addressed = get_from(everywhere.clone(), &[("host", "192.168.1.5:8969")]).await;
    assert_eq!(addressed.status(), StatusCode::OK);
    let named = get_from(everywhere, &[("host", "evil.example:8969")]).await;
    assert_eq!(named.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_authority_and_a_host_must_both_be_allowed() {
    for (authority, host, status) in [
        ("http://localhost/", "localhost", 200),
        ("http://evil.example/", "localhost", 403),
        ("http://localhost/", "evil.example", 403),
    ] {
        let request = Request::get(authority)
            .version(Version::HTTP_2)
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        let answer = page("127.0.0.1:1").oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{authority} {host}");
    }
}

#[tokio::test]
async fn a_page_may_ask_its_own_server_and_no_other() {
    for (host, origin, status) in [
        ("127.0.0.1:8969", "http://127.0.0.1:8969", 200),
        ("localhost", "http://localhost", 200),
        ("localhost:80", "http://localhost", 200),
        ("127.0.0.1:8969", "http://127.0.0.1:8970", 403),
        ("127.0.0.1:8969", "http://localhost:8969", 403),
        ("127.0.0.1:8969", "https://evil.example", 403),
        ("127.0.0.1:8969", "null", 403),
        ("127.0.0.1:8969", "", 403),
        ("evil.example", "http://evil.example", 403),
        ("127.0.0.1:8969", "http://localhost:5173", 200),
        ("evil.example", "http://localhost:5173", 403),
    ] {
        let answer = get_from(
            page("127.0.0.1:8969"),
            &[("host", host), ("origin", origin)],
        )
        .await;
        assert_eq!(answer.status().as_u16(), status, "{origin} asks {host}");
        let shared = answer.headers().get("access-control-allow-origin");
        let allowed = status == 200 && origin.ends_with("5173");
        assert_eq!(shared.is_some(), allowed, "{origin} asks {host}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_would_allow_it() {
    let server = taking(Options {
        access: access(),
        ..Options::default()
    });
    let headers = [
        ("content-type", PROTOBUF),
        ("origin", "https://evil.example"),
    ];
    let refused = post(&server, &headers, "").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let text = refused.text().await.unwrap();
    assert_eq!(
        text,
        "origin \"https://evil.example\" is not allowed; allow it with --allow-origin\n"
    );
}

#[tokio::test]
async fn grpc_is_guarded_in_its_own_words() {
    let server = taking(Options {
        access: access(),
        ..Options::default()
    });
    let endpoint = |host: &str| {
        let address = server.grpc_endpoint();
        Endpoint::from_shared(address)
            .unwrap()
            .origin(format!("http://{host}").parse().unwrap())
    };
    for (host, code) in [
        ("localhost:4317", Code::Ok),
        ("devbox.local:4317", Code::Ok),
        ("evil.example:4317", Code::PermissionDenied),
    ] {
        let channel = endpoint(host).connect().await.unwrap();
        let told = TraceServiceClient::new(channel)
            .export(span("rebound".into()))
            .await;
        let told = told.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(told, code, "{host}");
    }
}

#[tokio::test]
async fn an_allowed_page_gets_a_preflight_and_may_read_the_answer() {
    let server = taking(Options {
        access: access(),
        ..Options::default()
    });
    let preflight = async |origin: &str| {
        reqwest::Client::new()
            .request(
                reqwest::Method::OPTIONS,
                format!("{}/v1/traces", server.http_endpoint()),
            )
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-tenant")
            .send()
            .await
            .unwrap()
    };
    let allowed = preflight("http://localhost:5173").await;
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    for (name, value) in [
        ("access-control-allow-origin", "http://localhost:5173"),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "content-type,x-tenant"),
        ("vary", "origin"),
    ] {
        assert_eq!(allowed.headers()[name], value);
    }
    let refused = preflight("https://evil.example").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );

    let headers = [("content-type", JSON), ("origin", "http://localhost:5173")];
    let sent = post(&server, &headers, "{}").await;
    assert_eq!(sent.status(), StatusCode::OK);
    assert_eq!(
        sent.headers()["access-control-allow-origin"],
        "http://localhost:5173"
    );
}
