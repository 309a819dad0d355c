//! What left the process holds no secret: each is put wherever a service could put one, and
//! looked for in every byte. What only looks like a secret arrives as it was.

use std::collections::HashMap;
use std::error::Error;

use crate::support::intake::Intake;
use crate::support::{self, in_child, is_child, readings};
use axum::http::StatusCode;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::{KeyValue, global};
use sentry_core::protocol::{Breadcrumb, Context, Event, Frame, Request, Stacktrace, User};
use throughline::Redaction;
use throughline_receiver::{Attributes, Receiver};
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TEST: &str = "no_secret_leaves_the_process_and_look_alikes_stay";

/// Secret by the key or the place in which they stand.
const PLACES: [&str; 4] = ["canary1in", "canary2in", "canary3in", "canary4in"];

/// Secret by their form.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ";
const FORMS: [&str; 9] = [
    "4111111111111111",
    "5555 5555 5555 4444",
    "3782-822463-10005",
    JWT,
    "Bearer canary9bearer",
    "Basic dXNlcjpjYW5hcnk=",
    "AKIAIOSFODNN7CANARY1",
    "ghp_canary0123456789abcdefghijABCDEFGHI",
    "-----BEGIN PRIVATE KEY-----\ncanaryPEM\n-----END PRIVATE KEY-----",
];

/// What of each must be found nowhere.
const CANARIES: [&str; 17] = [
    "canary1in",
    "canary2in",
    "canary3in",
    "canary4in",
    "4111111111111111",
    "5555 5555",
    "822463",
    "eyJzdWIi",
    "c2lnbmF0",
    "canary9bearer",
    "dXNlcjpjYW5hcnk",
    "AKIAIOSF",
    "ghp_canary",
    "canaryPEM",
    "CUST-424242",
    "DE0212030000",
    // The DSN's key.
    "0123456789abcdef0123456789abcdef",
];

const LOOK_ALIKES: &str = "order 1234567890123456 of 0190163d-8694-739b-aea5-966c26f8ad90 at \
    1700000000000 and 1700000000000000006 from 192.168.100.200:8080, token_count=7 session.id=s-7 \
    invalid token: expected `,` 550e8400-e29b-41d4-a716-446655440000 v1.2.3 4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Debug, thiserror::Error)]
#[error("cannot log in with password={}", PLACES[0])]
struct LoginError(#[source] ConnectionError);

#[derive(Debug, thiserror::Error)]
#[error("no route to postgres://app:{}@db/shop, {}", PLACES[1], FORMS.join(", "))]
struct ConnectionError;

fn url() -> String {
    format!(
        "https://app:{}@shop.example/cb/{JWT}?code=7&token={}&page=2",
        PLACES[0], PLACES[1]
    )
}

fn service() {
    let telemetry = throughline::builder("shop")
        .redact(Redaction::default().key("iban").value(r"CUST-\d{6}"))
        .init()
        .unwrap();
    let forms = FORMS.join(" and ");
    let span = tracing::info_span!(
        "request",
        otel.name = format!("GET /cb?token={}", PLACES[0]),
        otel.status_code = "ERROR",
        otel.status_description = format!("refused {forms}"),
        url.full = url(),
        url.query = format!("token={}&page=2", PLACES[1]),
        http.request.header.authorization = PLACES[2],
        http.request.header.cookie = format!("sid={}", PLACES[3]),
        http.request.header.x_api_key = PLACES[0],
        customer.iban = "DE02120300000000202051",
        note = forms,
        session.id = "s-7",
        token_count = 7,
        looks = LOOK_ALIKES,
    );
    span.add_event(
        format!("sent password={}", PLACES[0]),
        vec![KeyValue::new("password", PLACES[1])],
    );
    let linked = tracing::info_span!("linked");
    span.add_link_with_attributes(
        opentelemetry::trace::TraceContextExt::span(&linked.context())
            .span_context()
            .clone(),
        vec![KeyValue::new("api_key", PLACES[2])],
    );
    span.in_scope(|| {
        records(&forms);
        captured_by_hand(&forms);
        baggage();
    });
    let panicked = std::thread::spawn(move || {
        span.in_scope(|| panic!("no luck with secret={} and {forms}", PLACES[0]))
    });
    assert!(panicked.join().is_err());
    assert!(telemetry.shutdown().is_lossless());
}

fn records(forms: &str) {
    let dsn = std::env::var("SENTRY_DSN").unwrap();
    tracing::info!(session.id = "s-7", token_count = 7, "{LOOK_ALIKES}");
    tracing::info!(
        password = PLACES[0],
        access_token = ?Some(PLACES[1]),
        api_key = %PLACES[2],
        card.id = 4_111_111_111_111_111_u64,
        looks = LOOK_ALIKES,
        dsn,
        iban = "DE02120300000000202051",
        "fields of CUST-424242"
    );
    tracing::warn!(
        body = format!(r#"{{"password":"{}"}}"#, PLACES[3]),
        "{forms} {}",
        url()
    );
    tracing::warn!(
        "headers\r\nAuthorization: Digest {}\r\nCookie: a=1; b={}",
        PLACES[1],
        PLACES[2]
    );
    let error = LoginError(ConnectionError);
    tracing::error!(
        error = &error as &dyn Error,
        second = &error as &dyn Error,
        looks = LOOK_ALIKES,
        "failed: {error}, {}",
        error.source().unwrap()
    );
}

fn captured_by_hand(forms: &str) {
    let crumb = |text: String| Breadcrumb {
        message: Some(text),
        data: [("password".to_owned(), PLACES[0].into())].into(),
        ..Breadcrumb::default()
    };
    sentry_core::add_breadcrumb(crumb(format!("asked with token={}", PLACES[1])));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let frame = Frame {
        vars: [
            ("password".to_owned(), PLACES[0].into()),
            ("text".to_owned(), forms.into()),
        ]
        .into(),
        ..Frame::default()
    };
    let stacktrace = Stacktrace {
        frames: vec![frame],
        ..Stacktrace::default()
    };
    sentry_core::capture_event(Event {
        message: Some(format!("{LOOK_ALIKES} by hand")),
        culprit: Some(format!("token={}", PLACES[0])),
        transaction: Some(format!("GET /cb?token={}", PLACES[1])),
        request: Some(Request {
            url: Some(url().parse().unwrap()),
            data: Some(format!("password={}&user=app", PLACES[1])),
            query_string: Some(format!("token={}&page=2", PLACES[2])),
            cookies: Some(format!("sid={}", PLACES[3])),
            headers: [
                header("Authorization", PLACES[0]),
                header("Cookie", PLACES[1]),
                header("X-Note", forms),
                header("X-Forwarded-For", "192.168.100.200"),
            ]
            .into(),
            env: [header("DB_PASSWORD", PLACES[2])].into(),
            ..Request::default()
        }),
        user: Some(User {
            id: Some("u-7".to_owned()),
            other: [("token".to_owned(), PLACES[0].into())].into(),
            ..User::default()
        }),
        tags: [header("secret", PLACES[1]), header("note", forms)].into(),
        extra: [(
            "settings".to_owned(),
            serde_json::json!({ "db": { "password": PLACES[2], "urls": [url()] }, "on": true }),
        )]
        .into(),
        contexts: [(
            "login".to_owned(),
            Context::Other([("session".to_owned(), PLACES[3].into())].into()),
        )]
        .into(),
        stacktrace: Some(stacktrace),
        ..Event::default()
    });
}

/// What the next service is sent.
fn baggage() {
    let context = opentelemetry::Context::current().with_baggage([
        KeyValue::new("tenant", "blue"),
        KeyValue::new("api_key", PLACES[0]),
    ]);
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut headers));
    assert_eq!(headers["baggage"], "tenant=blue");
    assert!(headers.contains_key("traceparent"));
}

fn variables<'a>(dsn: &'a str, endpoint: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("SENTRY_DSN", dsn),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20canary1in",
        ),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "password=canary2in"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "db.password=canary3in,db.url=postgres://app:canary4in@db,team=blue",
        ),
    ]
}

#[track_caller]
fn assert_clean(place: &str, text: &str) {
    for canary in CANARIES {
        let Some(at) = text.find(canary) else {
            continue;
        };
        let around = &text.as_bytes()[at.saturating_sub(200)..(at + 60).min(text.len())];
        panic!(
            "{canary:?} in {place}: …{}…",
            String::from_utf8_lossy(around)
        );
    }
}

#[test]
fn no_secret_leaves_the_process_and_look_alikes_stay() {
    if is_child(TEST) {
        in_child(TEST, &[], service);
    }
    let intake = Intake::start(StatusCode::OK);
    let outcome = in_child(TEST, &variables(&intake.dsn, &intake.endpoint), service);

    // As bytes: nothing is compressed, so a secret would be readable.
    let requests = intake.requests();
    for signal in ["/v1/traces", "/v1/logs", "/api/7/envelope/"] {
        assert!(requests.iter().any(|(path, _)| path == signal), "{signal}");
    }
    for (path, body) in &requests {
        assert_clean(path, &String::from_utf8_lossy(body));
    }
    assert_clean("standard output", &outcome.stdout);
    let diagnostics = outcome.diagnostics().join("\n");
    assert!(diagnostics.contains("password=[redacted]"), "{diagnostics}");
    assert_clean("diagnostics", &diagnostics);

    let lines = outcome.lines();
    let message = |line: &serde_json::Value| line["message"] == LOOK_ALIKES;
    let plain = lines.iter().find(|line| message(line)).unwrap();
    assert_eq!(plain["session.id"], "s-7");
    assert_eq!(plain["token_count"], 7);
    let fields = lines
        .iter()
        .find(|line| line["looks"] == LOOK_ALIKES)
        .unwrap();
    for key in ["password", "access_token", "api_key", "card.id", "iban"] {
        assert_eq!(fields[key], "[redacted]", "{key}");
    }
    assert_eq!(fields["message"], "fields of [redacted]");

    let events = intake.events();
    assert_eq!(events.len(), 3, "{events:#?}");
    let by_hand = &events[1];
    assert_eq!(by_hand["message"], format!("{LOOK_ALIKES} by hand"));
    assert_eq!(
        by_hand["request"]["headers"]["X-Forwarded-For"],
        "192.168.100.200"
    );
    assert_eq!(
        by_hand["request"]["query_string"],
        "token=[redacted]&page=2"
    );
    assert_eq!(by_hand["request"]["cookies"], "[redacted]");
    assert_eq!(by_hand["extra"]["settings"]["on"], true);
    assert_eq!(by_hand["extra"]["settings"]["db"]["password"], "[redacted]");
    assert_eq!(by_hand["user"]["id"], "u-7");
    assert_eq!(by_hand["contexts"]["trace"]["trace_id"], plain["trace_id"]);
    assert_eq!(
        by_hand["breadcrumbs"]["values"][0]["message"],
        "asked with token=[redacted]"
    );
    assert_eq!(events[0]["extra"]["looks"], LOOK_ALIKES);
}

#[test]
fn no_secret_is_in_what_a_receiver_decodes() {
    let test = "no_secret_is_in_what_a_receiver_decodes";
    if is_child(test) {
        in_child(test, &[], service);
    }
    let intake = Intake::start(StatusCode::OK);
    let receiver = Receiver::start().unwrap();
    let endpoint = receiver.http_endpoint();
    in_child(test, &variables(&intake.dsn, &endpoint), service);

    let contents = receiver.contents();
    for span in &contents.spans {
        assert_clean("a span", &format!("{:?} {:?}", **span, span.resource));
    }
    for log in &contents.logs {
        assert_clean("a record", &format!("{:?} {:?}", **log, log.resource));
    }
    let span = contents
        .spans
        .iter()
        .find(|span| span.name == "GET /cb?token=[redacted]")
        .unwrap();
    let attribute = |key| support::text(span.attribute(key));
    assert_eq!(attribute("looks"), LOOK_ALIKES);
    assert_eq!(attribute("session.id"), "s-7");
    assert_eq!(attribute("token_count"), "7");
    assert_eq!(attribute("url.query"), "token=[redacted]&page=2");
    assert_eq!(attribute("customer.iban"), "[redacted]");
    assert_eq!(span.events[0].name, "sent password=[redacted]");
    assert_eq!(span.links.len(), 1);
    let resource = |key| support::text(span.resource_attribute(key));
    assert_eq!(resource("team"), "blue");
    assert_eq!(resource("db.password"), "[redacted]");
    assert_eq!(resource("db.url"), "postgres://[redacted]@db");
    let log = contents
        .logs
        .iter()
        .find(|log| log.message() == Some(LOOK_ALIKES));
    assert_eq!(support::text(log.unwrap().attribute("session.id")), "s-7");
}

const ADDRESS: &str = "canary@mail.example";

/// Puts secrets where a service keeps what it believes to be harmless: in the labels of its
/// metrics, and in what it says of its user and its session.
fn labels_and_ids() {
    let telemetry = throughline::builder("shop")
        .redact(Redaction::default().emails(true).key("iban"))
        .init()
        .unwrap();
    for round in 0..3 {
        let user = format!("{round}.{ADDRESS}");
        metrics::counter!("logins", "user" => user.clone(), "round" => "all").increment(1);
        metrics::gauge!("carts", "token" => PLACES[round], "shop" => "main").increment(2.0);
        metrics::histogram!("latency", "url" => format!("{}&user={user}", url()), "shop" => "main")
            .record(0.5);
    }
    for _ in 0..2 {
        metrics::counter!("payments", "card" => FORMS[1], "iban" => "DE02120300000000202051")
            .increment(5);
        metrics::counter!("plain", "token_count" => "7", "order" => "o-7").increment(1);
    }
    let told = tracing::info_span!("told");
    told.in_scope(|| {
        throughline::context::set_user(ADDRESS);
        throughline::context::set_session(JWT);
        tracing::info!("told");
        tracing::info_span!("inside").in_scope(|| tracing::error!("told inside"));
    });
    let declared = tracing::info_span!(
        "declared",
        user.id = ADDRESS,
        session.id = %JWT,
        request.id = 4_111_111_111_111_111_u64,
    );
    declared.in_scope(|| {
        tracing::error!("declared");
        drop(tracing::info_span!("inside the declared"));
        assert_eq!(
            throughline::context::request_id().as_deref(),
            Some("[redacted]")
        );
    });
    let later = tracing::info_span!("later", session.id = tracing::field::Empty);
    later.record("session.id", JWT);
    later.in_scope(|| {
        throughline::context::set_user("u-7");
        tracing::info!("later");
    });
    println!("\n{}", readings::scrape_text());
    assert!(telemetry.shutdown().is_lossless());
}

#[test]
fn no_secret_is_in_a_label_or_in_what_is_known_of_a_request() {
    let test = "no_secret_is_in_a_label_or_in_what_is_known_of_a_request";
    if is_child(test) {
        in_child(test, &[], labels_and_ids);
    }
    let port = readings::free_port();
    let intake = Intake::start(StatusCode::OK);
    let receiver = Receiver::start().unwrap();
    let endpoint = receiver.http_endpoint();
    let outcome = |endpoint: &str| {
        let variables = [
            ("SENTRY_DSN", intake.dsn.as_str()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_METRICS_EXPORTER", "otlp,prometheus,console"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &port),
        ];
        in_child(test, &variables, labels_and_ids)
    };

    let stdout = outcome(&intake.endpoint).stdout;
    let requests = intake.requests();
    for signal in ["/v1/traces", "/v1/logs", "/v1/metrics", "/api/7/envelope/"] {
        assert!(requests.iter().any(|(path, _)| path == signal), "{signal}");
    }
    for (path, body) in &requests {
        let body = String::from_utf8_lossy(body);
        assert_clean(path, &body);
        assert!(!body.contains(ADDRESS), "{path}");
    }
    assert_clean("standard output, which has the endpoint's answer", &stdout);
    assert!(!stdout.contains(ADDRESS));

    // What became one series is one, with all that was counted; the rest is as it was.
    let scraped = |series: &str| readings::scraped(&stdout, series);
    assert_eq!(
        scraped(r#"logins_total{round="all",user="[redacted]"}"#),
        3.0
    );
    assert_eq!(scraped(r#"carts{shop="main",token="[redacted]"}"#), 6.0);
    let payments = r#"payments_total{card="[redacted]",iban="[redacted]"}"#;
    assert_eq!(scraped(payments), 10.0);
    assert_eq!(scraped(r#"plain_total{order="o-7",token_count="7"}"#), 2.0);
    let lines = stdout.lines();
    let latency = lines.filter(|line| line.starts_with("latency_count"));
    let latency: Vec<&str> = latency.collect();
    assert_eq!(latency.len(), 1, "{latency:?}");
    assert!(latency[0].ends_with(" 3") && latency[0].contains("page=2"));

    outcome(&endpoint);
    let contents = receiver.contents();
    let logins = readings::numbers(contents.metric("logins").unwrap());
    assert_eq!(logins.len(), 1);
    assert_eq!(readings::value(&logins[0]), 3.0);
    let known = |message: &str, key: &str| {
        let mut logs = contents.logs.iter();
        let log = logs.find(|log| log.message() == Some(message)).unwrap();
        support::text(log.attribute(key))
    };
    for (message, user) in [
        ("told", "[redacted]"),
        ("told inside", "[redacted]"),
        ("declared", "[redacted]"),
        ("later", "u-7"),
    ] {
        assert_eq!(known(message, "user.id"), user, "{message}");
        assert_eq!(known(message, "session.id"), "[redacted]", "{message}");
    }
    assert_eq!(known("declared", "request.id"), "[redacted]");
}
