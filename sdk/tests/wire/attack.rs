//! Suspicious requests, as records and counts that leave the process.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, post};
use http::{HeaderValue, Request, Response, StatusCode, header};
use throughline::conventions::{ATTRIBUTES, EVENTS, METRICS, Place, SetBy};
use throughline::http::{Attack, AttackSignals, ClientAddress, LoginFailed, attack_signals};
use throughline_receiver::proto::metrics::v1::{metric::Data, number_data_point};
use throughline_receiver::{Attributes, Receiver};
use tower::ServiceExt;

use crate::support::{example, received_by, text};

fn service(layer: AttackSignals) -> Router {
    Router::new()
        .route("/login", post(|| async { StatusCode::UNAUTHORIZED }))
        .route(
            "/forgiving",
            post(|| async { (axum::Extension(LoginFailed), "wrong") }),
        )
        .fallback(any(|| async { "served" }))
        .layer(layer)
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";

/// A service and who asks it.
struct Asked {
    service: Router,
    agent: &'static str,
    client: Option<IpAddr>,
}

impl Asked {
    fn by(service: &Router, client: u8) -> Self {
        Self {
            service: service.clone(),
            agent: BROWSER,
            client: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, client))),
        }
    }

    fn answer(&self, method: &str, target: &str) -> Response<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::USER_AGENT, self.agent)
            .body(Body::empty())
            .unwrap();
        if let Some(client) = self.client {
            request.extensions_mut().insert(ClientAddress(client));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = self.service.clone().oneshot(request);
        runtime.block_on(answer).unwrap()
    }

    fn get(&self, target: &str) -> StatusCode {
        self.answer("GET", target).status()
    }
}

fn with_telemetry(test: &str, body: impl FnOnce()) -> Receiver {
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("attacked").unwrap();
        body();
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    });
    receiver
}

fn names(receiver: &Receiver) -> Vec<String> {
    let logs = receiver.logs();
    logs.iter().map(|log| log.event_name.clone()).collect()
}

/// The counts by event name and whether it was blocked.
fn counts(receiver: &Receiver) -> BTreeMap<(String, String), i64> {
    let mut counts = BTreeMap::new();
    for metric in receiver.metrics() {
        if metric.name != "throughline.attack.signals" {
            continue;
        }
        assert_eq!(metric.unit, "{request}");
        let Some(Data::Sum(sum)) = &metric.data else {
            panic!("{metric:?}");
        };
        for point in &sum.data_points {
            let Some(number_data_point::Value::AsInt(count)) = point.value else {
                panic!("{point:?}");
            };
            let of = |name: &str| text(point.attributes.attribute(name));
            counts.insert((of("event.name"), of("attack.blocked")), count);
        }
    }
    counts
}

#[test]
fn each_kind_is_one_security_record_and_the_request_is_served() {
    let test = "each_kind_is_one_security_record_and_the_request_is_served";
    let receiver = with_telemetry(test, || {
        let service = service(attack_signals());
        let mut client = Asked::by(&service, 1);
        for target in [
            "/items?id=1%27%20OR%20%271%27=%271&also=1%27%20OR%20%272%27=%272",
            "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
            "/static/%2e%2e/%2e%2e/etc/passwd",
            "/.env?password=hunter2",
            "/orders/42?sort=-created_at",
        ] {
            assert_eq!(client.get(target), StatusCode::OK, "{target}");
        }
        client.agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        client.client = None;
        assert_eq!(client.get("/"), StatusCode::OK);
    });
    let logs = receiver.logs();
    let severity = |name: &str| match name {
        "attack.bot" => ("low", "INFO"),
        "attack.scanner" => ("medium", "WARN"),
        _ => ("high", "WARN"),
    };
    let expected = [
        (
            "attack.sql_injection",
            "query",
            "1' OR '1'='1",
            "203.0.113.1",
        ),
        (
            "attack.xss",
            "query",
            "<script>alert(1)</script>",
            "203.0.113.1",
        ),
        (
            "attack.path_traversal",
            "path",
            "/static/../../etc/passwd",
            "203.0.113.1",
        ),
        ("attack.scanner", "path", "/.env", "203.0.113.1"),
        (
            "attack.bot",
            "user_agent",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "unknown",
        ),
    ];
    assert_eq!(logs.len(), expected.len(), "{logs:#?}");
    for (log, (name, location, evidence, client)) in logs.iter().zip(expected) {
        assert_eq!(log.event_name, name);
        let of = |name: &str| text(log.attribute(name));
        assert_eq!(of("log.category"), "security");
        assert_eq!(
            (of("event.severity").as_str(), log.severity_text.as_str()),
            severity(name)
        );
        assert_eq!(
            (of("attack.location"), of("attack.evidence")),
            (location.to_owned(), evidence.to_owned())
        );
        assert_eq!(of("client.address"), client);
        assert_eq!(of("http.request.method"), "GET");
        assert_eq!(of("attack.blocked"), "false");
        assert!(of("url.path").starts_with('/'));
        let agent = if client == "unknown" {
            evidence
        } else {
            BROWSER
        };
        assert_eq!(of("user_agent.original"), agent);
        let event = EVENTS.iter().find(|event| event.name == name).unwrap();
        assert_eq!(event.category, "security");
    }
    assert!(!format!("{logs:?}").contains("hunter2"));
    assert_eq!(counts(&receiver).values().sum::<i64>(), 5);
}

#[test]
fn a_flood_is_counted_whole_and_told_in_part() {
    let test = "a_flood_is_counted_whole_and_told_in_part";
    let receiver = with_telemetry(test, || {
        let service = service(attack_signals());
        for client in [1, 2] {
            let client = Asked::by(&service, client);
            for _ in 0..500 {
                client.get("/wp-login.php");
            }
        }
    });
    let logs = receiver.logs();
    assert_eq!(logs.len(), 20, "ten of each address");
    let scans = ("attack.scanner".to_owned(), "false".to_owned());
    assert_eq!(counts(&receiver), [(scans, 1_000)].into());
}

#[test]
fn a_burst_is_told_once_and_others_are_not_in_it() {
    let test = "a_burst_is_told_once_and_others_are_not_in_it";
    let receiver = with_telemetry(test, || {
        let limit = Duration::from_secs(3_600);
        let service = service(attack_signals().requests(20, limit));
        let (busy, calm) = (Asked::by(&service, 1), Asked::by(&service, 2));
        for _ in 0..30 {
            assert_eq!(busy.get("/"), StatusCode::OK);
        }
        calm.get("/");
    });
    let logs = receiver.logs();
    let [exceeded] = &logs[..] else {
        panic!("{logs:#?}");
    };
    assert_eq!(exceeded.event_name, "rate_limit.exceeded");
    let of = |name: &str| text(exceeded.attribute(name));
    assert_eq!(of("rate_limit.name"), "requests");
    assert_eq!(
        (of("rate_limit.count"), of("rate_limit.limit")),
        ("21".to_owned(), "20".to_owned())
    );
    assert_eq!(of("rate_limit.window"), "3600");
    assert_eq!(of("client.address"), "203.0.113.1");
    assert_eq!(of("user_agent.original"), BROWSER);
    let name = ("rate_limit.exceeded".to_owned(), "false".to_owned());
    assert_eq!(
        counts(&receiver),
        [(name, 10)].into(),
        "each one over it counts"
    );
}

#[test]
fn the_sixth_failed_login_is_told_however_the_service_says_that_it_failed() {
    let test = "the_sixth_failed_login_is_told_however_the_service_says_that_it_failed";
    let receiver = with_telemetry(test, || {
        let service = service(attack_signals());
        for (client, path, status) in [(1, "/login", 401), (2, "/forgiving", 200)] {
            let client = Asked::by(&service, client);
            for _ in 0..7 {
                assert_eq!(client.answer("POST", path).status(), status);
            }
        }
        let forgetful = Asked::by(&service, 3);
        for _ in 0..5 {
            forgetful.answer("POST", "/login");
        }
    });
    let logs = receiver.logs();
    let told: Vec<_> = logs
        .iter()
        .map(|log| {
            assert_eq!(log.event_name, "rate_limit.exceeded");
            assert_eq!(text(log.attribute("rate_limit.name")), "failed_logins");
            assert_eq!(text(log.attribute("rate_limit.count")), "6");
            assert_eq!(text(log.attribute("event.severity")), "high");
            assert_eq!(text(log.attribute("user_agent.original")), BROWSER);
            (
                text(log.attribute("client.address")),
                text(log.attribute("url.path")),
            )
        })
        .collect();
    let expected = [("203.0.113.1", "/login"), ("203.0.113.2", "/forgiving")];
    assert_eq!(
        told,
        expected.map(|(client, path)| (client.to_owned(), path.to_owned()))
    );
}

#[test]
fn what_is_blocked_does_not_reach_the_service() {
    let test = "what_is_blocked_does_not_reach_the_service";
    let receiver = with_telemetry(test, || {
        let service = service(
            attack_signals()
                .requests(50, Duration::from_secs(3_600))
                .block(Attack::SqlInjection)
                .block(Attack::FailedLogins)
                .block(Attack::Burst),
        );
        let client = Asked::by(&service, 1);
        assert_eq!(client.get("/items?id=1%20or%201=1"), StatusCode::FORBIDDEN);
        assert_eq!(client.get("/.env"), StatusCode::OK, "not asked to");
        for _ in 0..6 {
            assert_eq!(
                client.answer("POST", "/login").status(),
                StatusCode::UNAUTHORIZED
            );
        }
        let refused = client.answer("POST", "/login");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            refused.headers()[header::RETRY_AFTER],
            HeaderValue::from_static("600")
        );
        assert_eq!(client.get("/"), StatusCode::OK, "all but logging in");
        assert_eq!(
            Asked::by(&service, 2).answer("POST", "/login").status(),
            401
        );
        let busy = Asked::by(&service, 3);
        for _ in 0..50 {
            assert_eq!(busy.get("/"), StatusCode::OK);
        }
        assert_eq!(busy.get("/"), StatusCode::TOO_MANY_REQUESTS);
    });
    let expected = [
        "attack.sql_injection",
        "attack.scanner",
        "rate_limit.exceeded",
        "rate_limit.exceeded",
    ];
    assert_eq!(names(&receiver), expected);
    let blocked = receiver.logs();
    assert_eq!(text(blocked[0].attribute("attack.blocked")), "true");
    assert_eq!(text(blocked[1].attribute("attack.blocked")), "false");
}

#[test]
fn all_names_are_in_the_tables() {
    let test = "all_names_are_in_the_tables";
    let receiver = with_telemetry(test, || {
        let service = service(attack_signals().requests(12, Duration::from_secs(60)));
        let client = Asked::by(&service, 1);
        // The records of a minute come first, then more that have none.
        for _ in 0..14 {
            client.get("/.git/config");
        }
        // The minute after, for the count of those in between.
        let other = Asked::by(&service, 2);
        for _ in 0..13 {
            other.get("/");
        }
    });
    let logs = receiver.logs();
    let sent: BTreeSet<String> = logs
        .iter()
        .flat_map(|log| &log.attributes)
        .map(|attribute| attribute.key.clone())
        .collect();
    let mut table: BTreeSet<&str> = ATTRIBUTES
        .iter()
        .filter(|row| {
            ["attack.", "rate_limit."]
                .iter()
                .any(|it| row.name.starts_with(it))
        })
        .inspect(|row| assert_eq!((row.set_by, row.places), (SetBy::Sdk, &[Place::Record][..])))
        .map(|row| row.name)
        .collect();
    // Only after a minute.
    assert!(table.remove("attack.untold_count"));
    for name in &sent {
        assert!(
            ATTRIBUTES.iter().any(|row| row.name == name),
            "{name} has no row"
        );
    }
    for name in table {
        assert!(sent.contains(name), "{name} is not sent");
    }
    let row = METRICS
        .iter()
        .find(|row| row.name == "throughline.attack.signals")
        .unwrap();
    assert_eq!(row.attributes, ["event.name", "attack.blocked"]);
}

#[test]
fn the_example_tells_of_what_it_was_sent() {
    let (receiver, outcome) = example::run("attack_signals", &[]);
    let expected = [
        "attack.sql_injection",
        "attack.scanner",
        "rate_limit.exceeded",
    ];
    assert_eq!(names(&receiver), expected, "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("403 Forbidden"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("x-content-type-options: nosniff"),
        "{}",
        outcome.stdout
    );
}
