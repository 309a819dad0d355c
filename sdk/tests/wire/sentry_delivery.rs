//! Which errors reach Sentry, and what is said of the others.

use crate::support::intake::Intake;
use crate::support::{Outcome, in_child, is_child};
use axum::http::StatusCode;
use throughline::{DropReason, SentryIgnore, ShutdownReport};

/// The server, and what the child left behind that reported to it.
fn reported(
    test: &str,
    answer: (StatusCode, Option<(&'static str, &'static str)>),
    more: &[(&str, &str)],
    body: fn(),
) -> (Intake, Outcome) {
    if is_child(test) {
        in_child(test, &[], body);
    }
    let intake = Intake::answering(answer.0, answer.1);
    let mut variables = vec![
        ("SENTRY_DSN", intake.dsn.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    variables.extend(more);
    let outcome = in_child(test, &variables, body);
    (intake, outcome)
}

const ACCEPTED: (StatusCode, Option<(&str, &str)>) = (StatusCode::OK, None);

fn fail(times: usize) -> ShutdownReport {
    let telemetry = throughline::init("shop").unwrap();
    for number in 0..times {
        tracing::error!(number, "it went wrong");
    }
    telemetry.shutdown()
}

#[test]
fn what_is_not_sampled_is_logged_and_no_loss() {
    let test = "what_is_not_sampled_is_logged_and_no_loss";
    let variables = [("SENTRY_SAMPLE_RATE", "0")];
    let (intake, outcome) = reported(test, ACCEPTED, &variables, || {
        let report = fail(3);
        assert_eq!(report.errors.emitted, 0, "{report}");
        assert!(report.is_lossless(), "{report}");
    });
    assert_eq!(intake.requests().len(), 0);
    let logged = outcome.lines();
    let logged = logged.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(logged.count(), 3);
}

#[test]
fn a_share_is_sent_and_the_server_told_of_the_rest() {
    const TIMES: usize = 200;
    let test = "a_share_is_sent_and_the_server_told_of_the_rest";
    let variables = [("SENTRY_SAMPLE_RATE", "0.5")];
    let (intake, outcome) = reported(test, ACCEPTED, &variables, || {
        let report = fail(TIMES);
        assert_eq!(report.errors.delivered, report.errors.emitted, "{report}");
        println!("{{\"delivered\":{}}}", report.errors.delivered);
    });
    let lines = outcome.lines();
    let delivered = lines.last().unwrap()["delivered"].as_u64().unwrap();
    let arrived = intake.events().len();
    assert_eq!(arrived as u64, delivered);
    // Seven standard deviations to each side.
    assert!((50..150).contains(&arrived), "{arrived}");
    let mut unsent = 0;
    for report in intake.items("client_report") {
        for discarded in report["discarded_events"].as_array().unwrap() {
            assert_eq!(discarded["reason"], "sample_rate", "{report}");
            unsent += discarded["quantity"].as_u64().unwrap();
        }
    }
    // Those after the last that was sent are not told.
    let left = TIMES as u64 - delivered - unsent;
    assert!(unsent > 0 && left < 50, "{unsent}, {left}");
}

#[test]
fn a_share_that_is_none_warns_and_everything_is_sent() {
    let test = "a_share_that_is_none_warns_and_everything_is_sent";
    let variables = [("SENTRY_SAMPLE_RATE", "half")];
    let (intake, outcome) = reported(test, ACCEPTED, &variables, || {
        fail(3);
    });
    assert_eq!(intake.events().len(), 3);
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("SENTRY_SAMPLE_RATE=\"half\"") && said[0].contains("1 is used"));
}

#[test]
fn a_server_that_refuses_for_a_while_is_left_alone() {
    let test = "a_server_that_refuses_for_a_while_is_left_alone";
    let answer = (StatusCode::TOO_MANY_REQUESTS, Some(("retry-after", "3600")));
    let (intake, outcome) = reported(test, answer, &[], || {
        let report = fail(3);
        assert_eq!((report.errors.emitted, report.errors.delivered), (3, 0));
        assert_eq!(report.errors.dropped[&DropReason::ExportFailed], 3);
    });
    assert_eq!(intake.requests().len(), 1);
    let said = outcome.diagnostics();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("429"), "{said:?}");
}

#[test]
fn a_limit_comes_with_an_answer_that_accepts() {
    let test = "a_limit_comes_with_an_answer_that_accepts";
    let header = ("x-sentry-rate-limits", "3600:default;error:organization");
    let (intake, _) = reported(test, (StatusCode::OK, Some(header)), &[], || {
        let report = fail(3);
        assert_eq!((report.errors.emitted, report.errors.delivered), (3, 1));
        assert_eq!(report.errors.dropped_total(), 2);
    });
    assert_eq!(intake.events().len(), 1);
}

#[test]
fn a_limit_on_something_else_holds_no_error_back() {
    let test = "a_limit_on_something_else_holds_no_error_back";
    let header = ("x-sentry-rate-limits", "3600:transaction;session:key");
    let (intake, _) = reported(test, (StatusCode::OK, Some(header)), &[], || {
        assert_eq!(fail(3).errors.delivered, 3);
    });
    assert_eq!(intake.events().len(), 3);
}

#[derive(Debug, thiserror::Error)]
#[error("the client went away")]
struct Disconnected;

#[derive(Debug, thiserror::Error)]
#[error("no stock")]
struct NoStock;

#[test]
fn what_is_ignored_is_logged_and_no_event() {
    let test = "what_is_ignored_is_logged_and_no_event";
    let (intake, outcome) = reported(test, ACCEPTED, &[], || {
        let ignore = SentryIgnore::default()
            .error::<Disconnected>()
            .event("auth.login.failed")
            .target("hyper");
        let telemetry = throughline::builder("shop")
            .sentry_ignore(ignore)
            .init()
            .unwrap();
        tracing::info_span!("request").in_scope(|| {
            tracing::error!(error = throughline::error(&Disconnected), "ignored by type");
            tracing::error!(name: "auth.login.failed", "ignored by name");
            tracing::error!(target: "hyper::server", "ignored by target");
            tracing::error!(error = throughline::error(&NoStock), "another type");
            tracing::error!(name: "auth.logout.failed", "another name");
            tracing::error!(target: "hyper_util", "another target");
        });
        let report = telemetry.shutdown();
        assert_eq!((report.errors.emitted, report.errors.delivered), (3, 3));
    });
    let events = intake.events();
    let messages: Vec<_> = events.iter().map(|event| &event["message"]).collect();
    assert_eq!(messages, ["another type", "another name", "another target"]);
    let logged = outcome.lines();
    let logged = logged.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(logged.count(), 6);
    // It is part of the story of what follows.
    let crumbs = events[0]["breadcrumbs"]["values"].as_array().unwrap();
    let crumbs: Vec<_> = crumbs.iter().map(|crumb| &crumb["message"]).collect();
    assert_eq!(
        crumbs,
        ["ignored by type", "ignored by name", "ignored by target"]
    );
}

#[test]
fn what_becomes_of_each_event_is_said_on_request() {
    let test = "what_becomes_of_each_event_is_said_on_request";
    let variables = [("SENTRY_DEBUG", "true")];
    let answer = (StatusCode::FORBIDDEN, None);
    let (intake, outcome) = reported(test, answer, &variables, || {
        fail(2);
    });
    // Not line by line: the client writes the beginning of a line and its end apart, and
    // another thread's line may stand between.
    let said = &outcome.stderr;
    for event in intake.events() {
        let id = event["event_id"].as_str().unwrap();
        let expected = format!("Sentry event {id}: it answered 403");
        assert!(said.contains(&expected), "{expected} is not in {said}");
    }
    // The client's own words.
    assert!(said.contains("[sentry] "), "{said}");
}

#[test]
fn error_reports_that_wait_are_bounded_in_bytes_too() {
    let test = "error_reports_that_wait_are_bounded_in_bytes_too";
    let body = || {
        let telemetry = throughline::init("shop").unwrap();
        for number in 0..60 {
            tracing::error!(number, text = "x".repeat(256 << 10), "large");
        }
        let report = telemetry.shutdown_within(std::time::Duration::from_millis(100));
        let errors = report.errors;
        assert_eq!((errors.emitted, errors.delivered), (60, 0), "{errors:?}");
        // 8 MiB hold fewer than 32 of them.
        let dropped = errors.dropped[&DropReason::QueueFull];
        assert!((29..60).contains(&dropped), "{errors:?}");
    };
    if is_child(test) {
        in_child(test, &[], body);
    }
    // Connections wait in the system's queue, and nobody takes them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let dsn = format!("http://0123456789abcdef0123456789abcdef@{address}/7");
    let variables = [
        ("SENTRY_DSN", dsn.as_str()),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("THROUGHLINE_LOG_FORMAT", "off"),
    ];
    in_child(test, &variables, body);
}
