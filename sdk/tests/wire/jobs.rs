//! Jobs: a trace of their own, linked with who asked for them, told however they end.

use std::error::Error;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::support::semconv::{
    Instrument, Kind, REQUEST_SECONDS, Row, Shape, conditional, required,
};
use crate::support::{received_by, text};
use throughline::jobs::{self, Carrier};
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::{Attributes, Received, Receiver};
use tracing::Instrument as _;

/// Ours, in the conventions' form.
const JOB: &[Row] = &[
    required("job.name", Kind::Text),
    required(
        "job.outcome",
        Kind::OneOf(&["success", "error", "cancelled", "panic"]),
    ),
    conditional("error.type", Kind::Text),
];

const DURATION: Instrument = Instrument {
    name: "throughline.job.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: JOB,
};

#[derive(Debug, thiserror::Error)]
#[error("the mail server refused")]
struct Refused(#[source] std::num::ParseIntError);

fn refused() -> Refused {
    Refused("x".parse::<i32>().unwrap_err())
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn span<'a>(spans: &'a [Received<Span>], name: &str) -> &'a Received<Span> {
    let mut found = spans.iter().filter(|span| span.name == name);
    match (found.next(), found.next()) {
        (Some(span), None) => span,
        other => panic!("{name}: {other:#?}"),
    }
}

fn log<'a>(logs: &'a [Received<LogRecord>], message: &str) -> &'a Received<LogRecord> {
    logs.iter()
        .find(|log| log.message() == Some(message))
        .unwrap_or_else(|| panic!("no {message:?} in {logs:#?}"))
}

fn received(test: &str, body: fn()) -> Receiver {
    received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("worker").unwrap();
        body();
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    })
    .0
}

#[test]
fn a_job_is_a_trace_of_its_own_with_a_link_and_the_users_ids() {
    let test = "a_job_is_a_trace_of_its_own_with_a_link_and_the_users_ids";
    let receiver = received(test, || {
        let request = tracing::info_span!("request", request.id = "r-1");
        let message = request.in_scope(|| {
            throughline::context::set_user("ada");
            throughline::context::set_session("s-1");
            serde_json::to_string(&jobs::context()).unwrap()
        });
        drop(request);
        let carrier: Carrier = serde_json::from_str(&message).unwrap();
        let names: Vec<_> = carrier.iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["request.id", "session.id", "traceparent", "user.id"]
        );
        let done = block_on(
            jobs::builder("digest")
                .enqueued_by(&carrier)
                .argument("user", 7)
                .argument("api_key", "hunter2")
                .attempt(2)
                .run(async {
                    tracing::info!("at work");
                    let part = async { tracing::info!("in a part") };
                    part.instrument(tracing::info_span!("part")).await;
                    throughline::context::set_user("grace");
                    tracing::info!("as another");
                    Ok::<_, Refused>(3)
                }),
        );
        assert_eq!(done.unwrap(), 3);
    });
    let (spans, logs) = (receiver.spans(), receiver.logs());
    let (request, job) = (span(&spans, "request"), span(&spans, "digest"));
    assert_ne!(job.trace_id, request.trace_id);
    assert!(job.parent_span_id.is_empty(), "a root");
    assert_eq!(job.kind, 5, "consumer");
    let links: Vec<_> = job.links.iter().map(|link| &link.span_id).collect();
    assert_eq!(links, [&request.span_id]);
    assert_eq!(job.links[0].trace_id, request.trace_id);
    for (name, value) in [
        ("job.name", "digest"),
        ("job.arguments", r#"{"api_key":"[redacted]","user":"7"}"#),
        ("job.attempt", "2"),
        ("job.outcome", "success"),
        ("user.id", "ada"),
        ("session.id", "s-1"),
        ("request.id", "r-1"),
    ] {
        assert_eq!(text(job.attribute(name)), value, "{name}");
    }
    assert_eq!(job.attribute("error.type"), None);
    let part = span(&spans, "part");
    assert_eq!(part.parent_span_id, job.span_id);
    assert_eq!(text(part.attribute("user.id")), "ada");
    for (message, user) in [
        ("job digest started", "ada"),
        ("at work", "ada"),
        ("in a part", "ada"),
        ("as another", "grace"),
        ("job digest completed", "grace"),
    ] {
        let log = log(&logs, message);
        assert_eq!(log.trace_id, job.trace_id, "{message}");
        assert_eq!(text(log.attribute("user.id")), user, "{message}");
        assert_eq!(text(log.attribute("request.id")), "r-1", "{message}");
    }
    let completed = log(&logs, "job digest completed");
    assert_eq!(completed.event_name, "job.completed");
    assert_eq!(completed.severity_text, "INFO");
    assert_eq!(text(completed.attribute("log.category")), "job");
    assert_eq!(text(completed.attribute("job.outcome")), "success");
    assert_eq!(log(&logs, "job digest started").event_name, "job.started");
}

#[test]
fn a_job_in_a_request_does_not_hold_it_open_nor_belong_to_it() {
    let test = "a_job_in_a_request_does_not_hold_it_open_nor_belong_to_it";
    let receiver = received(test, || {
        block_on(async {
            let request = tracing::info_span!("request", request.id = "r-1");
            let job = request.in_scope(|| {
                throughline::context::set_user("ada");
                tokio::spawn(
                    jobs::run("later", async {
                        tokio::task::yield_now().await;
                        tracing::info!("done");
                        Ok::<_, Refused>(())
                    })
                    .in_current_span(),
                )
            });
            // Its own reference to the request is as long as the task's.
            drop(request);
            job.await.unwrap().unwrap();
            let request = tracing::info_span!("inline");
            let guard = request.enter();
            let mut job = pin!(jobs::run("inline job", pending::<Result<(), Refused>>()));
            let polled = job.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            drop(guard);
            drop(request);
        });
    });
    let (spans, logs) = (receiver.spans(), receiver.logs());
    let (request, job) = (span(&spans, "request"), span(&spans, "later"));
    assert_ne!(job.trace_id, request.trace_id);
    assert_eq!(job.links[0].span_id, request.span_id);
    assert_eq!(job.kind, 1, "no message, so no consumer");
    assert_eq!(text(log(&logs, "done").attribute("user.id")), "ada");
    assert_eq!(log(&logs, "done").trace_id, job.trace_id);
    let (inline, job) = (span(&spans, "inline"), span(&spans, "inline job"));
    assert!(
        inline.end_time_unix_nano < job.end_time_unix_nano,
        "the request has ended before its job"
    );
}

#[test]
fn a_child_continues_the_trace_of_who_asked() {
    let test = "a_child_continues_the_trace_of_who_asked";
    let receiver = received(test, || {
        let carrier = tracing::info_span!("request").in_scope(jobs::context);
        let job = jobs::builder("digest").enqueued_by(&carrier).as_child();
        block_on(job.run(async { Ok::<_, Refused>(()) })).unwrap();
        let request = tracing::info_span!("local");
        let job = async {
            let job = jobs::builder("local job").as_child();
            job.run(async { Ok::<_, Refused>(()) }).await
        };
        block_on(job.instrument(request)).unwrap();
    });
    let spans = receiver.spans();
    for (parent, child) in [("request", "digest"), ("local", "local job")] {
        let (parent, child) = (span(&spans, parent), span(&spans, child));
        assert_eq!(child.trace_id, parent.trace_id);
        assert_eq!(child.parent_span_id, parent.span_id);
        assert!(child.links.is_empty());
    }
}

#[test]
fn a_forged_message_makes_nobody_anything() {
    let test = "a_forged_message_makes_nobody_anything";
    let receiver = received(test, || {
        let long = "x".repeat(64 << 10);
        let forged: Carrier = [
            ("traceparent", "00-zz-01"),
            ("user.id", long.as_str()),
            ("session.id", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
            ("request.id", "a\r\nb"),
            ("job.name", "other"),
        ]
        .into_iter()
        .collect();
        let job = jobs::builder("digest").enqueued_by(&forged);
        block_on(job.run(async { Ok::<_, Refused>(()) })).unwrap();
    });
    let spans = receiver.spans();
    let job = span(&spans, "digest");
    assert!(job.links.is_empty() && job.parent_span_id.is_empty());
    assert_eq!(job.attribute("user.id"), None);
    assert_eq!(job.attribute("request.id"), None);
    assert_eq!(text(job.attribute("session.id")), "[redacted]");
    assert_eq!(text(job.attribute("job.name")), "digest");
}

fn every_end() {
    block_on(jobs::run("success", async { Ok::<_, Refused>(()) })).unwrap();
    block_on(jobs::run("error", async { Err::<(), _>(refused()) })).unwrap_err();
    let held: Result<(), Box<dyn Error + Send + Sync>> =
        block_on(jobs::builder("held").run_dyn(async { Err(refused().into()) }));
    held.unwrap_err();
    {
        let mut waiting = pin!(jobs::run("cancelled", pending::<Result<(), Refused>>()));
        let polled = waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    let panics = jobs::run("panic", async {
        if true {
            panic!("broken");
        }
        Ok::<_, Refused>(())
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| block_on(panics)));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"broken"));
}

#[test]
fn a_job_is_told_however_it_ends() {
    let test = "a_job_is_told_however_it_ends";
    let receiver = received(test, every_end);
    let (spans, logs) = (receiver.spans(), receiver.logs());
    let contents = receiver.contents();
    let metric = contents.metric("throughline.job.duration").unwrap();
    DURATION.hold(metric, &[]);
    for (name, outcome, error, level, failed) in [
        ("success", "success", None, "INFO", false),
        ("error", "error", Some("wire::jobs::Refused"), "ERROR", true),
        (
            "held",
            "error",
            Some(
                "alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
            ),
            "ERROR",
            true,
        ),
        ("cancelled", "cancelled", Some("cancelled"), "WARN", false),
        ("panic", "panic", Some("panic"), "WARN", true),
    ] {
        let span = span(&spans, name);
        assert_eq!(text(span.attribute("job.outcome")), outcome, "{name}");
        let told = span.attribute("error.type").map(|value| text(Some(value)));
        assert_eq!(told.as_deref(), error, "{name}");
        let status = span.status.clone().unwrap_or_default();
        assert_eq!(status.code, if failed { 2 } else { 0 }, "{name}");
        let ended: Vec<_> = logs
            .iter()
            .filter(|log| ["job.completed", "job.failed"].contains(&log.event_name.as_str()))
            .filter(|log| log.span_id == span.span_id)
            .collect();
        assert_eq!(ended.len(), 1, "{name}");
        assert_eq!(ended[0].severity_text, level, "{name}");
        assert_eq!(text(ended[0].attribute("job.outcome")), outcome);
        let errors = logs
            .iter()
            .filter(|log| log.span_id == span.span_id && log.severity_text == "ERROR");
        assert_eq!(errors.count(), usize::from(failed), "{name}");
    }
    let told = log(&logs, "job error failed");
    assert_eq!(
        text(told.attribute("exception.type")),
        "wire::jobs::Refused"
    );
    let held = log(&logs, "job held failed");
    for told in [told, held] {
        assert_eq!(
            text(told.attribute("exception.message")),
            "the mail server refused"
        );
        let chain = text(told.attribute("exception.stacktrace"));
        assert!(chain.contains("0: invalid digit found"), "{chain}");
    }
}

#[test]
fn a_job_that_no_trace_is_kept_of_knows_who_asked_and_is_counted() {
    let test = "a_job_that_no_trace_is_kept_of_knows_who_asked_and_is_counted";
    let variables = [("OTEL_TRACES_SAMPLER", "always_off")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("worker").unwrap();
        let carrier = tracing::info_span!("request").in_scope(|| {
            throughline::context::set_user("ada");
            jobs::context()
        });
        let job = jobs::builder("digest").enqueued_by(&carrier);
        let part = throughline::performance::timed("part", async { Ok::<_, Refused>(()) });
        block_on(job.run(part)).unwrap();
        assert!(telemetry.shutdown().is_lossless());
    });
    assert!(receiver.spans().is_empty());
    let logs = receiver.logs();
    assert_eq!(logs.len(), 2, "{logs:#?}");
    for log in &logs {
        assert_eq!(text(log.attribute("user.id")), "ada");
        assert_eq!(log.trace_id, logs[0].trace_id);
        assert_eq!(log.trace_id.len(), 16);
    }
    let contents = receiver.contents();
    for metric in [DURATION.name, "throughline.operation.duration"] {
        assert!(contents.metric(metric).is_some(), "{metric}");
    }
}

#[test]
fn a_slow_job_is_a_slow_operation() {
    let test = "a_slow_job_is_a_slow_operation";
    let variables = [("THROUGHLINE_SLOW_OPERATION_MS", "5")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("worker").unwrap();
        let slow = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, Refused>(())
        };
        block_on(jobs::run("digest", slow)).unwrap();
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let slow: Vec<_> = logs
        .iter()
        .filter(|log| log.event_name == "operation.slow")
        .collect();
    assert_eq!(slow.len(), 1);
    assert_eq!(text(slow[0].attribute("operation.name")), "digest");
    assert_eq!(slow[0].span_id, receiver.spans()[0].span_id);
}

#[cfg(feature = "sentry")]
mod sentry {
    use super::*;
    use crate::support::intake::Intake;
    use crate::support::{in_child, is_child};
    use axum::http::StatusCode;
    use throughline::jobs::Schedule;

    fn reported(test: &str, body: fn()) -> Intake {
        let child = || {
            let telemetry = throughline::init("worker").unwrap();
            body();
            assert!(telemetry.shutdown().is_lossless());
        };
        if is_child(test) {
            in_child(test, &[], child);
        }
        let intake = Intake::start(StatusCode::OK);
        let variables = [
            ("SENTRY_DSN", intake.dsn.as_str()),
            ("SENTRY_ENVIRONMENT", "staging"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ];
        in_child(test, &variables, child);
        intake
    }

    #[test]
    fn an_error_and_a_panic_of_a_job_are_one_event_each() {
        let test = "an_error_and_a_panic_of_a_job_are_one_event_each";
        let intake = reported(test, || {
            let carrier: Carrier = [("user.id", "ada")].into_iter().collect();
            let job = |name| {
                jobs::builder(name)
                    .enqueued_by(&carrier)
                    .argument("password", "hunter2")
                    .argument("user", 7)
            };
            let failing = job("failing").run(async { Err::<(), _>(refused()) });
            block_on(failing).unwrap_err();
            let panicking = job("panicking").run(async {
                if true {
                    panic!("broken");
                }
                Ok::<_, Refused>(())
            });
            catch_unwind(AssertUnwindSafe(|| block_on(panicking))).unwrap_err();
            {
                let mut waiting = pin!(job("waiting").run(pending::<Result<(), Refused>>()));
                let polled = waiting
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
            }
        });
        let events = intake.events();
        assert_eq!(events.len(), 2, "{events:#?}");
        for (event, name, level) in [
            (&events[0], "failing", "error"),
            (&events[1], "panicking", "fatal"),
        ] {
            assert_eq!(event["level"].as_str().unwrap_or("error"), level);
            assert_eq!(event["transaction"], name);
            assert_eq!(event["tags"]["job.name"], name);
            assert_eq!(event["contexts"]["job"]["name"], name);
            let arguments = event["contexts"]["job"]["arguments"].as_str().unwrap();
            assert_eq!(arguments, r#"{"password":"[redacted]","user":"7"}"#);
            assert_eq!(event["user"]["id"], "ada");
            assert!(!event.to_string().contains("hunter2"));
        }
        assert_eq!(events[0]["tags"]["event.name"], "job.failed");
        let exceptions = events[0]["exception"]["values"].as_array().unwrap();
        assert_eq!(exceptions[1]["type"], "wire::jobs::Refused");
    }

    #[test]
    fn a_job_checks_in_and_out() {
        let test = "a_job_checks_in_and_out";
        let intake = reported(test, || {
            let nightly = Schedule::crontab("30 2 * * *").timezone("Europe/Berlin");
            let job = jobs::builder("send.digest").check_in(nightly);
            block_on(job.run(async { Ok::<_, Refused>(()) })).unwrap();
            let often = Schedule::every(Duration::from_secs(90));
            let job = jobs::builder("sweep").check_in(often);
            block_on(job.run(async { Err::<(), _>(refused()) })).unwrap_err();
            block_on(jobs::run("quiet", async { Ok::<_, Refused>(()) })).unwrap();
        });
        let check_ins = intake.items("check_in");
        let told: Vec<_> = check_ins
            .iter()
            .map(|it| {
                (
                    it["monitor_slug"].as_str().unwrap(),
                    it["status"].as_str().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("send-digest", "in_progress"),
            ("send-digest", "ok"),
            ("sweep", "in_progress"),
            ("sweep", "error"),
        ];
        assert_eq!(told, expected);
        assert_eq!(check_ins[0]["check_in_id"], check_ins[1]["check_in_id"]);
        assert_ne!(check_ins[0]["check_in_id"], check_ins[2]["check_in_id"]);
        assert!(check_ins.iter().all(|it| it["environment"] == "staging"));
        let config = &check_ins[0]["monitor_config"];
        assert_eq!(config["schedule"]["value"], "30 2 * * *");
        assert_eq!(config["timezone"], "Europe/Berlin");
        let schedule = &check_ins[2]["monitor_config"]["schedule"];
        assert_eq!(
            (&schedule["value"], &schedule["unit"]),
            (&2.into(), &"minute".into())
        );
        assert!(check_ins[1]["duration"].as_f64().unwrap() >= 0.0);
        assert!(check_ins[0].get("duration").is_none());
    }
}

#[test]
fn the_example_of_jobs_sends_what_it_says() {
    let receiver = crate::support::example::run("jobs", &[]).0;
    let (spans, logs) = (receiver.spans(), receiver.logs());
    let request = span(&spans, "POST /digests");
    let digests: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "send_email_digest")
        .collect();
    let outcomes: Vec<_> = digests
        .iter()
        .map(|span| text(span.attribute("job.outcome")))
        .collect();
    assert_eq!(outcomes, ["success", "error"]);
    for digest in digests {
        assert_eq!(digest.links[0].span_id, request.span_id);
        assert_eq!(text(digest.attribute("user.id")), "ada");
    }
    let failed = log(&logs, "job send_email_digest failed");
    assert_eq!(
        text(failed.attribute("exception.message")),
        "user 8 has no address"
    );
    assert_eq!(
        text(span(&spans, "sweep").attribute("job.outcome")),
        "success"
    );
}
