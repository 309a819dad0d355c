//! What reaches Sentry of a request that fails: one event, which knows the request, whether
//! its trace is kept or not.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;

use super::*;
use crate::support::intake::Intake;
use crate::support::{in_child, is_child};

fn fail() {
    running("shop", |runtime| {
        let app = Router::new()
            .route("/cart/{id}", post(|| async { StatusCode::BAD_GATEWAY }))
            .route(
                "/panic/{id}",
                post(|| async {
                    if true {
                        panic!("out of order")
                    }
                }),
            )
            .layer(throughline::http::server());
        let line = format!("POST {}", std::env::var("ASKED").unwrap());
        ask(
            serve(runtime, app),
            &line,
            &["User-Agent: curl/8", "Content-Length: 0"],
        );
    });
}

#[test]
fn a_failed_request_is_one_event_that_knows_the_request() {
    let test = "a_failed_request_is_one_event_that_knows_the_request";
    if is_child(test) {
        in_child(test, &[], fail);
    }
    for sampler in ["always_on", "always_off"] {
        for path in ["/cart", "/panic"] {
            let intake = Intake::start(StatusCode::OK);
            let asked = format!("{path}/7?page=2&token=hunter2");
            let variables = [
                ("SENTRY_DSN", intake.dsn.as_str()),
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_METRICS_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
                ("OTEL_TRACES_SAMPLER", sampler),
                ("ASKED", &asked),
            ];
            in_child(test, &variables, fail);
            let events = intake.events();
            assert_eq!(events.len(), 1, "{sampler} {path} {events:#?}");
            is_of(&events[0], path);
        }
    }
}

fn is_of(event: &Value, path: &str) {
    assert_eq!(event["transaction"], format!("POST {path}/{{id}}"));
    let request = &event["request"];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], format!("http://shop.example:8443{path}/7"));
    assert_eq!(request["query_string"], "page=2&token=[redacted]");
    assert_eq!(request["headers"]["User-Agent"], "curl/8");
    assert_eq!(request["env"]["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(event["tags"]["http.route"], format!("{path}/{{id}}"));
    assert_eq!(event["tags"]["request.id"].as_str().unwrap().len(), 36);
    assert!(!event.to_string().contains("hunter2"), "{event:#}");
}
