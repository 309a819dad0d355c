//! One request is one span, one record and one point of each metric, by the conventions'
//! tables.

use axum::Router;
use axum::routing::{get, post};
use throughline_receiver::proto::metrics::v1::metric::Data;

use super::table::{ACTIVE, DURATION, OURS, SPAN};
use super::*;
use crate::support::received_by;
use crate::support::semconv::hold;

fn shop() -> Router {
    let inner = Router::new().route("/items/{item}", get(|| async { "an item" }));
    Router::new()
        .route(
            "/orders/{id}",
            get(|| async {
                tracing::info!("inside");
                "an order"
            }),
        )
        .route("/orders", post(|body: String| async move { body }))
        .route(
            "/broken",
            get(|| async { axum::http::StatusCode::BAD_GATEWAY }),
        )
        .nest("/stock/{shelf}", inner)
        .layer(throughline::http::server())
}

#[test]
fn a_request_is_a_span_a_record_and_a_point() {
    let test = "a_request_is_a_span_a_record_and_a_point";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        running("shop", |runtime| {
            let address = serve(runtime, shop());
            let line = "GET /orders/7?page=2&token=hunter2&sig=hunter2";
            let answer = ask(address, line, &["User-Agent: test/1"]);
            assert!(answer.ends_with("\r\n\r\nan order"), "{answer}");
            println!("\nID {}", header(&answer, "x-request-id").unwrap());
        });
    });
    let id = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("ID "));
    let id = id.unwrap().to_owned();

    let spans = spans(&receiver);
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!(span.name, "GET /orders/{id}");
    let due = [
        "http.response.status_code",
        "http.route",
        "url.query",
        "server.port",
    ];
    hold(SPAN, &span.attributes, &due, OURS);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/orders/{id}"),
        ("http.response.status_code", "200"),
        ("url.path", "/orders/7"),
        ("url.query", "page=2&token=[redacted]&sig=[redacted]"),
        ("url.scheme", "http"),
        ("server.address", "shop.example"),
        ("server.port", "8443"),
        ("client.address", "127.0.0.1"),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test/1"),
        ("http.response.body.size", "8"),
        ("request.id", &id),
    ] {
        assert_eq!(of(span, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(span.status.as_ref().map_or(0, |status| status.code), 0);

    let access = record(&receiver, "http.server.request");
    for (name, value) in [
        ("log.category", "request"),
        ("http.request.method", "GET"),
        ("http.route", "/orders/{id}"),
        ("url.path", "/orders/7"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "8"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "test/1"),
        ("request.id", &id),
    ] {
        assert_eq!(of(&access, name).as_deref(), Some(value), "{name}");
    }
    let seconds: f64 = of(&access, "http.server.request.duration")
        .unwrap()
        .parse()
        .unwrap();
    assert!((0.0..10.0).contains(&seconds), "{seconds}");
    assert_eq!(
        (access.trace_id(), access.span_id()),
        (Some(span.trace_id()), Some(span.span_id()))
    );
    let logs = receiver.logs();
    let inside = logs
        .iter()
        .find(|log| log.message() == Some("inside"))
        .unwrap();
    assert_eq!(inside.span_id(), Some(span.span_id()));
    assert_eq!(of(inside, "request.id").as_deref(), Some(id.as_str()));

    let contents = receiver.contents();
    let duration = contents.metric(DURATION.name).unwrap();
    DURATION.hold(&duration.item, &["http.response.status_code", "http.route"]);
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}");
    };
    assert_eq!(histogram.data_points[0].count, 1);
    let active = contents.metric(ACTIVE.name).unwrap();
    ACTIVE.hold(&active.item, &[]);
    let Some(Data::Gauge(gauge)) = &active.data else {
        panic!("{active:?}");
    };
    let value = format!("{:?}", gauge.data_points[0].value);
    assert!(value.contains("AsDouble(0.0)"), "none is left: {value}");
}

#[test]
fn each_answer_has_the_span_that_the_conventions_want() {
    let test = "each_answer_has_the_span_that_the_conventions_want";
    let lines = [
        "GET /orders/7",
        "HEAD /orders/7",
        "POST /orders",
        "DELETE /orders/7",
        "BREW /orders/7",
        "GET /nowhere?q",
        "GET /broken",
        "GET /stock/3/items/9",
    ];
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("shop", |runtime| {
            let address = serve(runtime, shop());
            for line in lines {
                ask(address, line, &["Content-Length: 0"]);
            }
        });
    });
    // Name, route, status, error and the span's own status.
    let expected = [
        ("GET /orders/{id}", Some("/orders/{id}"), "200", None, 0),
        ("HEAD /orders/{id}", Some("/orders/{id}"), "200", None, 0),
        ("POST /orders", Some("/orders"), "200", None, 0),
        ("DELETE /orders/{id}", Some("/orders/{id}"), "405", None, 0),
        ("HTTP /orders/{id}", Some("/orders/{id}"), "405", None, 0),
        ("GET", None, "404", None, 0),
        ("GET /broken", Some("/broken"), "502", Some("502"), 2),
        (
            "GET /stock/{shelf}/items/{item}",
            Some("/stock/{shelf}/items/{item}"),
            "200",
            None,
            0,
        ),
    ];
    let spans = spans(&receiver);
    assert_eq!(spans.len(), expected.len(), "{spans:#?}");
    let records = records(&receiver, "http.server.request");
    assert_eq!(records.len(), expected.len());
    for ((span, record), expected) in spans.iter().zip(&records).zip(expected) {
        let (name, route, status, error, code) = expected;
        assert_eq!(span.name, name);
        let mut due = vec!["http.response.status_code"];
        due.extend(route.map(|_| "http.route"));
        due.extend(error.map(|_| "error.type"));
        due.extend(
            name.starts_with("HTTP")
                .then_some("http.request.method_original"),
        );
        hold(SPAN, &span.attributes, &due, OURS);
        for item in [of(span, "http.route"), of(record, "http.route")] {
            assert_eq!(item.as_deref(), route, "{name}");
        }
        assert_eq!(
            of(span, "http.response.status_code").unwrap(),
            status,
            "{name}"
        );
        assert_eq!(
            of(record, "http.response.status_code").unwrap(),
            status,
            "{name}"
        );
        assert_eq!(of(span, "error.type").as_deref(), error, "{name}");
        assert_eq!(
            span.status.as_ref().map_or(0, |status| status.code),
            code,
            "{name}"
        );
    }
    assert_eq!(of(&spans[4], "http.request.method").unwrap(), "_OTHER");
    assert_eq!(
        of(&spans[4], "http.request.method_original").unwrap(),
        "BREW"
    );
    assert_eq!(
        of(&spans[1], "http.response.body.size"),
        None,
        "HEAD has no body"
    );
    assert_eq!(of(&spans[2], "http.request.body.size").unwrap(), "0");
    let contents = receiver.contents();
    DURATION.hold(
        &contents.metric(DURATION.name).unwrap().item,
        &["http.response.status_code"],
    );
    ACTIVE.hold(&contents.metric(ACTIVE.name).unwrap().item, &[]);
}

#[test]
fn quiet_paths_are_counted_and_nothing_else() {
    let test = "quiet_paths_are_counted_and_nothing_else";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("shop", |runtime| {
            let not_ready = || async {
                let _inner = tracing::info_span!("ping the database").entered();
                axum::http::StatusCode::SERVICE_UNAVAILABLE
            };
            let app = Router::new()
                .route("/readyz", get(not_ready))
                .layer(throughline::http::server());
            let default = serve(runtime, app);
            assert!(ask(default, "GET /readyz", &[]).starts_with("HTTP/1.1 503"));
            let app = Router::new()
                .route("/readyz", get(not_ready))
                .route("/internal/ping", get(not_ready))
                .layer(throughline::http::server().quiet_paths(["/internal/ping"]));
            let given = serve(runtime, app);
            assert!(ask(given, "GET /internal/ping", &[]).starts_with("HTTP/1.1 503"));
            ask(given, "GET /readyz", &[]);
        });
    });
    let spans = spans(&receiver);
    assert_eq!(
        spans.len(),
        1,
        "of the path that is quiet no more: {spans:#?}"
    );
    assert_eq!(records(&receiver, "http.server.request").len(), 1);
    assert_eq!(records(&receiver, "http.server.exception").len(), 1);
    let contents = receiver.contents();
    let points = contents.metric(DURATION.name).unwrap().points().len();
    assert_eq!(points, 2, "of one route each");
}

#[test]
fn the_access_log_is_switched_off_in_code_or_by_its_variable() {
    let test = "the_access_log_is_switched_off_in_code_or_by_its_variable";
    for (variable, code, logged) in [
        ("", None, 1),
        ("false", None, 0),
        ("false", Some(true), 1),
        ("true", Some(false), 0),
    ] {
        let chosen = format!("{code:?}");
        let variables = [
            ("THROUGHLINE_ACCESS_LOG", variable),
            ("CODE", chosen.as_str()),
        ];
        let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
            running("shop", |runtime| {
                let mut layer = throughline::http::server();
                match std::env::var("CODE").unwrap().as_str() {
                    "Some(true)" => layer = layer.access_log(true),
                    "Some(false)" => layer = layer.access_log(false),
                    _ => {}
                }
                let app = Router::new().route("/", get(|| async { "" })).layer(layer);
                ask(serve(runtime, app), "GET /", &[]);
            });
        });
        assert_eq!(
            records(&receiver, "http.server.request").len(),
            logged,
            "{variable} {code:?}"
        );
        assert_eq!(spans(&receiver).len(), 1);
    }
}

#[test]
fn a_slow_request_is_told_with_what_it_took() {
    let test = "a_slow_request_is_told_with_what_it_took";
    let limit = [("THROUGHLINE_SLOW_REQUEST_MS", "20")];
    let (receiver, _) = received_by(test, "http/protobuf", &limit, || {
        running("shop", |runtime| {
            let slow = || async { tokio::time::sleep(std::time::Duration::from_millis(30)).await };
            let app = Router::new()
                .route("/slow", get(slow))
                .route("/fast", get(|| async {}))
                .layer(throughline::http::server());
            let address = serve(runtime, app);
            ask(address, "GET /slow", &[]);
            ask(address, "GET /fast", &[]);
        });
    });
    let slow = record(&receiver, "request.slow");
    assert_eq!(slow.severity_text, "WARN");
    assert_eq!(of(&slow, "log.category").unwrap(), "performance");
    assert_eq!(of(&slow, "http.route").unwrap(), "/slow");
    let seconds: f64 = of(&slow, "http.server.request.duration")
        .unwrap()
        .parse()
        .unwrap();
    assert!((0.03..10.0).contains(&seconds), "{seconds}");
    assert!(of(&slow, "request.id").is_some());
}

#[test]
fn requests_that_are_not_sampled_keep_their_ids_and_records() {
    let test = "requests_that_are_not_sampled_keep_their_ids_and_records";
    for sampler in ["always_off", "parentbased_always_off", "traceidratio"] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ];
        let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
            running("shop", |runtime| {
                let address = serve(runtime, shop());
                ask(address, "GET /orders/7", &["X-Request-Id: mine"]);
            });
        });
        assert_eq!(receiver.spans().len(), 0, "{sampler}");
        let logs = receiver.logs();
        assert_eq!(logs.len(), 2, "{logs:#?}");
        let ids: Vec<_> = logs
            .iter()
            .map(|log| (log.trace_id(), log.span_id()))
            .collect();
        assert!(ids[0].0.is_some() && ids[0] == ids[1], "{ids:?}");
        for log in &logs {
            assert_eq!(of(log, "request.id").as_deref(), Some("mine"));
        }
    }
}
