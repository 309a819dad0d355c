//! The pages of a service's health, and what of them leaves the process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use throughline::conventions::{ATTRIBUTES, METRICS, Place, SetBy};
use throughline::health;
use throughline_receiver::Attributes;
use throughline_receiver::proto::metrics::v1::{metric::Data, number_data_point};
use tower::ServiceExt;

use crate::support::readings::free_port;
use crate::support::{in_child, received_by, text};

const TOKEN: &str = "of-the-operators";
const LONG: Duration = Duration::from_secs(30);

/// The disk of whoever runs the tests may be as full as it is.
const NEARLY_FULL: f64 = 0.0;

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work);
}

/// The status and the JSON that a page answers, with this token.
async fn get_with(router: &Router, path: &str, token: &str) -> (StatusCode, Value) {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    get_with(router, path, TOKEN).await
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_pages_have_the_shapes_of_the_former_systems() {
    let test = "the_pages_have_the_shapes_of_the_former_systems";
    let (receiver, _) = received_by(
        test,
        "http/protobuf",
        &[("THROUGHLINE_HEALTH_TOKEN", TOKEN)],
        || {
            // A router may be older than the telemetry that it tells of.
            let router = health::checks()
                .check("database", || async { Ok::<_, String>(()) }, LONG)
                .optional_check("mailer", || async { Err("no route to the relay") }, LONG)
                .application(
                    "tasks",
                    || async { serde_json::json!({"total": 1250}) },
                    LONG,
                )
                .application(
                    "users",
                    || async { panic!("as the test wants it") as u8 },
                    LONG,
                )
                .disk(".", NEARLY_FULL)
                .cache_for(Duration::ZERO)
                .router();
            let telemetry = throughline::builder("shop")
                .version("1.2.3")
                .init()
                .unwrap();
            block_on(async {
                tracing::info!("something to deliver");
                telemetry.flush_async(LONG).await.unwrap();

                let (status, page) = get(&router, "/livez").await;
                assert_eq!(
                    (status, page["status"].as_str()),
                    (StatusCode::OK, Some("alive"))
                );
                let (status, page) = get(&router, "/readyz").await;
                assert_eq!(
                    (status, page["status"].as_str()),
                    (StatusCode::OK, Some("ready"))
                );

                let (status, page) = get(&router, "/health").await;
                assert_eq!(status, StatusCode::OK);
                let public = BTreeSet::from(["status", "timestamp", "service", "version"]);
                assert_eq!(keys(&page), public, "no more for everybody");
                assert_eq!(
                    (&page["status"], &page["service"]),
                    (&"degraded".into(), &"shop".into())
                );
                assert_eq!(page["version"], "1.2.3");
                let time = page["timestamp"].as_str().unwrap();
                assert!(
                    time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(),
                    "{time}"
                );

                // The second reading of the processor tells its use.
                get(&router, "/health/detailed").await;
                tokio::time::sleep(Duration::from_millis(250)).await;
                let (status, page) = get(&router, "/health/detailed").await;
                assert_eq!(status, StatusCode::OK);
                let checks = &page["checks"];
                let all = BTreeSet::from(["database", "mailer", "filesystem", "collector"]);
                assert_eq!(keys(checks), all);
                assert_eq!(checks["database"]["healthy"], true);
                assert_eq!(checks["database"]["critical"], true);
                assert!(
                    checks["database"]["duration_ms"].as_f64().is_some(),
                    "{page:#}"
                );
                assert_eq!(checks["mailer"]["healthy"], false);
                assert_eq!(checks["mailer"]["error"], "no route to the relay");
                assert_eq!(checks["collector"]["reachable"], true, "{page:#}");
                assert_eq!(page["metrics"]["application"]["tasks"]["total"], 1250);
                assert_eq!(page["metrics"]["application"]["users"], Value::Null);
                let queue = &page["telemetry"]["queue"];
                assert_eq!(keys(queue), BTreeSet::from(["logs", "traces"]));
                assert!(queue["logs"]["limit_bytes"].as_u64() > Some(0), "{page:#}");
                if cfg!(target_os = "linux") {
                    let free = checks["filesystem"]["disk_free_percent"].as_f64();
                    assert!(free.is_some_and(|free| free <= 100.0), "{page:#}");
                    let system = &page["metrics"]["system"];
                    for part in ["cpu", "memory", "disk"] {
                        assert!(system[part]["usage_percent"].as_f64().is_some(), "{page:#}");
                    }
                }
                assert!(page["uptime_seconds"].as_u64().is_some(), "{page:#}");
            });
            let report = telemetry.shutdown();
            assert!(report.is_lossless(), "{report}");
        },
    );
    assert!(receiver.spans().is_empty(), "{:#?}", receiver.spans());
}

#[test]
fn a_check_is_told_when_it_changes_and_measured_each_time() {
    let test = "a_check_is_told_when_it_changes_and_measured_each_time";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("told").unwrap();
        let broken = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&broken);
        let database = move || {
            let broken = asked.load(Ordering::SeqCst);
            async move {
                let _span = tracing::info_span!("of the driver").entered();
                tracing::info!("of the driver");
                if broken {
                    return Err("refused by postgres://app:hunter2@db/shop");
                }
                Ok(())
            }
        };
        let router = health::checks()
            .check("database", database, LONG)
            .disk(".", NEARLY_FULL)
            .token(TOKEN)
            .cache_for(Duration::ZERO)
            .router();
        block_on(async {
            for (fails, code) in [
                (false, 200),
                (true, 503),
                (true, 503),
                (false, 200),
                (false, 200),
            ] {
                broken.store(fails, Ordering::SeqCst);
                for path in ["/readyz", "/health", "/health/detailed"] {
                    let (status, page) = get(&router, path).await;
                    assert_eq!(status, code, "{path}: {page}");
                    let page = page.to_string();
                    assert!(!page.contains("hunter2"), "{page}");
                    let told = page.contains("refused by postgres://[redacted]@db/shop");
                    assert_eq!(told, fails && path == "/health/detailed", "{page}");
                }
            }
        });
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    });
    assert!(receiver.spans().is_empty(), "a probe is no trace");
    let logs = receiver.logs();
    let told: Vec<_> = logs
        .iter()
        .map(|log| (log.event_name.as_str(), log.severity_text.as_str()))
        .collect();
    let expected = [
        ("health.check.failed", "WARN"),
        ("health.check.recovered", "INFO"),
    ];
    assert_eq!(told, expected);
    let failed = &logs[0];
    assert_eq!(
        text(failed.attribute("exception.message")),
        "refused by postgres://[redacted]@db/shop"
    );
    assert_eq!(text(failed.attribute("health.check.name")), "database");
    let ours: BTreeSet<&str> = failed
        .attributes
        .iter()
        .map(|attribute| attribute.key.as_str())
        .filter(|name| name.starts_with("health."))
        .collect();
    let table = ATTRIBUTES.iter().filter(|row| {
        row.name.starts_with("health.") && row.set_by == SetBy::Sdk && row.places == [Place::Record]
    });
    assert_eq!(ours, table.map(|row| row.name).collect());

    let mut measured = BTreeSet::new();
    for metric in receiver.metrics() {
        if !metric.name.starts_with("throughline.health.") {
            continue;
        }
        let row = METRICS.iter().find(|row| row.name == metric.name).unwrap();
        assert_eq!(metric.unit, row.unit, "{}", metric.name);
        match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => {
                let of = |name: &str| {
                    let point = gauge.data_points.iter().find(|point| {
                        text(point.attributes.attribute("health.check.name")) == name
                    });
                    match point.unwrap().value {
                        Some(number_data_point::Value::AsDouble(value)) => value,
                        other => panic!("{other:?}"),
                    }
                };
                assert_eq!(of("database"), 1.0, "the last one was passed");
                assert_eq!(of("filesystem"), 1.0);
            }
            Data::Histogram(histogram) => {
                let database = histogram.data_points.iter().find(|point| {
                    text(point.attributes.attribute("health.check.name")) == "database"
                });
                assert_eq!(database.unwrap().count, 15, "each run counts");
            }
            other => panic!("{} is {other:?}", metric.name),
        }
        measured.insert(metric.name.clone());
    }
    let table = METRICS.iter().map(|row| row.name.to_owned());
    let table = table.filter(|name| name.starts_with("throughline.health."));
    assert_eq!(measured, table.collect());
}

#[test]
fn the_details_are_closed_without_the_token() {
    let test = "the_details_are_closed_without_the_token";
    let outcome = in_child(test, &[("OTEL_SDK_DISABLED", "true")], || {
        let telemetry = throughline::init("closed").unwrap();
        block_on(async {
            let router = health::router();
            for token in ["", "undefined", TOKEN] {
                let (status, page) = get_with(&router, "/health/detailed", token).await;
                assert_eq!(status, StatusCode::FORBIDDEN);
                assert_eq!(keys(&page), BTreeSet::from(["error"]));
            }
            let router = health::checks().token(TOKEN).router();
            for token in [
                "",
                "of-the-operator",
                "of-the-operatorS",
                "of-the-operators!",
            ] {
                let (status, page) = get_with(&router, "/health/detailed", token).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{token}");
                assert_eq!(keys(&page), BTreeSet::from(["error"]));
            }
            assert_eq!(get(&router, "/health/detailed").await.0, StatusCode::OK);
            let empty = health::checks().token("").router();
            let (status, _) = get_with(&empty, "/health/detailed", "").await;
            assert_eq!(status, StatusCode::FORBIDDEN, "an empty token is none");
        });
        drop(telemetry.shutdown());
    });
    let said = outcome.diagnostics();
    let [closed] = said[..] else {
        panic!("said once: {said:#?}");
    };
    assert!(closed.contains("with THROUGHLINE_HEALTH_TOKEN"), "{closed}");
}

#[test]
fn a_collector_that_is_away_degrades_the_service_and_no_more() {
    let test = "a_collector_that_is_away_degrades_the_service_and_no_more";
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    in_child(test, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], || {
        let telemetry = throughline::init("alone").unwrap();
        block_on(async {
            let router = health::checks()
                .token(TOKEN)
                .cache_for(Duration::ZERO)
                .router();
            let (_, page) = get(&router, "/health/detailed").await;
            assert_eq!(
                page["checks"]["collector"]["healthy"], true,
                "untried is no failure"
            );
            assert_eq!(page["checks"]["collector"]["reachable"], Value::Null);
            tracing::info!("nobody takes it");
            drop(telemetry.flush_async(Duration::from_millis(300)).await);
            let (status, page) = get(&router, "/health/detailed").await;
            assert_eq!(
                (status, &page["status"]),
                (StatusCode::OK, &"degraded".into())
            );
            let collector = &page["checks"]["collector"];
            assert_eq!(collector["healthy"], false, "{page:#}");
            let error = collector["error"].as_str().unwrap();
            assert!(error.contains("127.0.0.1:"), "{error}");
            assert_eq!(get(&router, "/readyz").await.0, StatusCode::OK);
            let logs = &page["telemetry"]["queue"]["logs"];
            assert!(logs["bytes"].as_u64() > Some(0), "it waits: {page:#}");
        });
        drop(telemetry.shutdown_within(Duration::from_millis(1)));
    });
}

#[test]
fn a_flood_of_probes_is_one_query() {
    let test = "a_flood_of_probes_is_one_query";
    in_child(test, &[("OTEL_SDK_DISABLED", "true")], || {
        let telemetry = throughline::init("flooded").unwrap();
        let queries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&queries);
        let database = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, String>(()) }
        };
        let router = health::checks()
            .check("database", database, LONG)
            .cache_for(LONG)
            .router();
        block_on(async {
            let mut flood = tokio::task::JoinSet::new();
            for number in 0..200 {
                let router = router.clone();
                let path = ["/readyz", "/health"][number % 2];
                flood.spawn(async move { get(&router, path).await.0 });
            }
            assert!(
                flood
                    .join_all()
                    .await
                    .iter()
                    .all(|status| *status == StatusCode::OK)
            );
        });
        assert_eq!(queries.load(Ordering::SeqCst), 1);
        drop(telemetry.shutdown());
    });
}

#[test]
fn no_requests_are_wanted_from_the_end_of_telemetry_on() {
    let test = "no_requests_are_wanted_from_the_end_of_telemetry_on";
    in_child(test, &[("OTEL_SDK_DISABLED", "true")], || {
        let telemetry = throughline::init("ended").unwrap();
        let router = health::router();
        block_on(async {
            assert_eq!(get(&router, "/readyz").await.0, StatusCode::OK);
            drop(telemetry.shutdown_async().await);
            let (status, page) = get(&router, "/readyz").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(page["reason"], "shutting_down");
            let (status, page) = get(&router, "/health").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(page["reason"], "shutting_down");
            assert_eq!(
                get(&router, "/livez").await.0,
                StatusCode::OK,
                "not to be killed"
            );
        });
    });
}

#[cfg(unix)]
#[test]
fn no_requests_are_wanted_from_the_signal_to_end_on() {
    let test = "no_requests_are_wanted_from_the_signal_to_end_on";
    in_child(test, &[("OTEL_SDK_DISABLED", "true")], || {
        let telemetry = throughline::init("asked").unwrap();
        let router = health::router();
        block_on(async {
            let asked = throughline::shutdown_signal();
            assert_eq!(get(&router, "/readyz").await.0, StatusCode::OK);
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).unwrap();
            asked.await;
            let (status, page) = get(&router, "/readyz").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(page["reason"], "shutting_down");
            assert_eq!(get(&router, "/livez").await.0, StatusCode::OK);
        });
        drop(telemetry.shutdown());
    });
}

#[test]
fn the_example_shows_each_page() {
    let (receiver, outcome) = crate::support::example::run("health", &[]);
    for page in [
        "/livez 200",
        "/readyz 200",
        "/health 200",
        "/health/detailed 200",
    ] {
        assert!(
            outcome.stdout.contains(&format!("GET {page}")),
            "{page}: {}",
            outcome.stdout
        );
    }
    assert!(!outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
    let logs = receiver.logs();
    let of = |name: &str| {
        let mut told = logs
            .iter()
            .filter(|log| text(log.attribute("health.check.name")) == name);
        (told.next(), told.count())
    };
    let (Some(failed), 0) = of("mailer") else {
        panic!("{logs:#?}");
    };
    assert!(of("database").0.is_none());
    assert_eq!(failed.event_name, "health.check.failed");
}
