//! The burst limit: what passes, what is told of the rest, and that it adds up.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::readings::{attribute, numbers, value};
use crate::support::{in_child, is_child, received_by, towards};
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::trace::v1::status::StatusCode;
use throughline_receiver::{Attributes, Received, Receiver};

type Log = Received<LogRecord>;

const LIMIT: (&str, &str) = ("THROUGHLINE_BURST_LIMIT", "5");
const TOLD: &str = "records of this callsite were suppressed by the burst limit";

/// How many records a record stands for beside itself.
fn suppressed(log: &Log) -> u64 {
    let count = log.attribute("log.suppressed_count");
    count.map_or(0, |count| {
        crate::support::text(Some(count)).parse().unwrap()
    })
}

fn count(logs: &[Log], message: &str) -> (u64, u64) {
    let found = logs.iter().filter(|log| log.message() == Some(message));
    found.fold((0, 0), |(logs, more), log| {
        (logs + 1, more + suppressed(log))
    })
}

#[test]
fn a_flood_is_cut_to_its_rate_and_what_is_left_out_is_told() {
    let test = "a_flood_is_cut_to_its_rate_and_what_is_left_out_is_told";
    let (receiver, outcome) = received_by(test, "grpc", &[LIMIT], || {
        let telemetry = throughline::init("flood").unwrap();
        let flood = |times: usize| {
            for number in 0..times {
                tracing::info!(name: "order.placed", number, "flood");
            }
        };
        flood(1000);
        tracing::info!("calm");
        for number in 0..50 {
            tracing::info!({ log.category = "audit", number }, "each counts");
        }
        telemetry.flush(Duration::from_secs(10)).unwrap();
        flood(500);
        for number in 0..100 {
            log::warn!("first line {number}");
            log::warn!("second line");
        }
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let (passed, carried) = count(&logs, "flood");
    // The loops may take a moment, in which a token or two come back.
    assert!((5..=20).contains(&passed), "{passed}");
    assert_eq!(count(&logs, "calm"), (1, 0));
    assert_eq!(count(&logs, "each counts"), (50, 0), "a stream is not cut");
    let told: Vec<&Log> = logs
        .iter()
        .filter(|log| log.message() == Some(TOLD))
        .collect();
    let told_at = |level: &str| -> Vec<&&Log> {
        let records = told.iter().filter(|log| log.severity_text == level);
        records.collect()
    };
    let sum: u64 = told_at("INFO").iter().map(|log| suppressed(log)).sum();
    assert_eq!(passed + carried + sum, 1500);
    for log in &told {
        assert_eq!(log.scope.name, "wire::bursts");
        let file = crate::support::text(log.attribute("code.file.path"));
        assert!(file.ends_with("bursts.rs"), "{file}");
        assert!(log.event_name.is_empty(), "not an order that was placed");
    }
    assert_eq!(
        outcome.lines().len(),
        logs.len(),
        "the console has the same"
    );

    // Records of the `log` crate share one callsite, and are told apart all the same.
    let second = count(&logs, "second line");
    let first: Vec<&Log> = logs
        .iter()
        .filter(|log| log.message().is_some_and(|it| it.starts_with("first line")))
        .collect();
    assert!(second.0 >= 5 && first.len() >= 5, "{second:?} {first:?}");
    let warnings = told_at("WARN");
    assert_eq!(warnings.len(), 2, "one a line");
    let told: u64 = warnings.iter().map(|log| suppressed(log)).sum();
    let carried: u64 = first.iter().map(|log| suppressed(log)).sum();
    let sum = second.0 + second.1 + first.len() as u64 + carried;
    assert_eq!(sum + told, 200);

    let contents = receiver.contents();
    let metric = contents.metric("throughline.events.suppressed").unwrap();
    assert_eq!(metric.unit, "{event}");
    let counted = |level: &str| {
        let points = numbers(metric).iter();
        let point = points
            .filter(|point| attribute(&point.attributes, "log.level").as_deref() == Some(level))
            .next_back()
            .unwrap();
        let target = attribute(&point.attributes, "log.target");
        assert_eq!(target.as_deref(), Some("wire::bursts"));
        (value(point), attribute(&point.attributes, "event.name"))
    };
    let event = Some("order.placed".to_owned());
    assert_eq!(counted("INFO"), ((1500 - passed) as f64, event));
    let passed = second.0 + first.len() as u64;
    assert_eq!(counted("WARN"), ((200 - passed) as f64, None));
}

#[test]
fn a_suppressed_error_still_fails_its_span() {
    let test = "a_suppressed_error_still_fails_its_span";
    let (receiver, _) = received_by(test, "grpc", &[("THROUGHLINE_BURST_LIMIT", "1")], || {
        let telemetry = throughline::init("failing").unwrap();
        let spans: Vec<_> = (0..20)
            .map(|number| {
                let span = tracing::info_span!("work", number);
                span.in_scope(|| {
                    tracing::error!(number, "failed with password=hunter{number}");
                });
                span
            })
            .collect();
        let named = tracing::info_span!("named");
        for _ in 0..2 {
            tracing::error!(parent: &named, "by name");
        }
        drop((spans, named));
        assert!(telemetry.shutdown().is_lossless());
    });
    let spans = receiver.spans();
    assert_eq!(spans.len(), 21);
    for span in &spans {
        let status = span.status.as_ref().unwrap();
        assert_eq!(status.code(), StatusCode::Error, "{span:?}");
        let message = match span.name.as_str() {
            "named" => "by name",
            _ => "failed with password=[redacted]",
        };
        assert_eq!(status.message, message);
    }
    let (passed, _) = count(&receiver.logs(), "failed with password=[redacted]");
    assert!((1..=3).contains(&passed), "{passed}");
}

#[test]
fn without_a_record_that_passes_it_is_told_a_few_seconds_later() {
    const GATE: &str = "GATE";
    let test = "without_a_record_that_passes_it_is_told_a_few_seconds_later";
    if is_child(test) {
        in_child(test, &[], || {
            let _telemetry = throughline::init("later").unwrap();
            for _ in 0..100 {
                tracing::warn!("flood");
            }
            // Nothing more comes until the parent has seen what it waits for.
            let mut gate = TcpStream::connect(std::env::var(GATE).unwrap()).unwrap();
            assert_eq!(gate.read(&mut [0]).unwrap(), 0);
            // The end would tell too, and is not what is tested.
            std::process::exit(0);
        });
    }
    let receiver = Receiver::start().unwrap();
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut variables = towards(&receiver, "grpc");
    variables.push((GATE, gate.local_addr().unwrap().to_string()));
    variables.push((LIMIT.0, LIMIT.1.to_owned()));
    variables.push(("OTEL_BLRP_SCHEDULE_DELAY", "20".to_owned()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let variables: Vec<(&str, &str)> = variables
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            in_child(test, &variables, || ());
        });
        let (held, _) = gate.accept().unwrap();
        let told = |logs: &[Log]| count(logs, TOLD).0 > 0;
        let waited =
            receiver.blocking_wait_until(Duration::from_secs(30), |contents| told(&contents.logs));
        drop(held);
        let (passed, carried) = count(&receiver.logs(), "flood");
        assert!(waited.is_ok(), "nothing told of {passed}");
        let (records, told) = count(&receiver.logs(), TOLD);
        assert_eq!(records, 1);
        assert_eq!(passed + carried + told, 100);
    });
}

#[test]
fn there_is_no_limit_unless_one_is_asked_for() {
    let test = "there_is_no_limit_unless_one_is_asked_for";
    let cases: [(&[(&str, &str)], Option<u32>, u64); 4] = [
        (&[], None, 300),
        (&[("THROUGHLINE_BURST_LIMIT", "0")], None, 300),
        (&[LIMIT], Some(0), 300),
        (&[LIMIT], Some(100), 100),
    ];
    for (index, (variables, code, expected)) in cases.into_iter().enumerate() {
        let number = index.to_string();
        let variables: Vec<_> = variables
            .iter()
            .copied()
            .chain([("CASE", number.as_str())])
            .collect();
        if is_child(test) && std::env::var("CASE").unwrap() != number {
            continue;
        }
        let (receiver, _) = received_by(test, "grpc", &variables, || {
            let mut builder = throughline::builder("unlimited");
            if let Some(limit) = code {
                builder = builder.burst_limit(limit);
            }
            let telemetry = builder.init().unwrap();
            for _ in 0..300 {
                tracing::info!("flood");
            }
            assert!(telemetry.shutdown().is_lossless());
        });
        let (passed, _) = count(&receiver.logs(), "flood");
        let few = expected..expected + 50;
        assert!(few.contains(&passed), "{passed} for {expected}");
    }
}
