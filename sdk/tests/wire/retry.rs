//! What is sent again, when, and what is given up, by the OTLP specification.
//! <https://opentelemetry.io/docs/specs/otlp/#failures>

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Books, Child, as_child, emit, given, listen, say, say_report};
use crate::support::faulty::{Answer, Arrival, Faulty};
use throughline_receiver::Signal;
use tonic::Code;

const ITEMS: [Signal; 2] = [Signal::Traces, Signal::Logs];

/// Answers so at the first sight of a batch, by its first item, and accepts it from then on.
fn first(answer: impl Fn(i64) -> Answer + Send + Sync) -> impl Fn(&Arrival) -> Answer {
    let seen = Mutex::new(HashSet::new());
    move |arrival| {
        let item = arrival.items[0];
        if seen.lock().unwrap().insert((arrival.signal, item)) {
            answer(item)
        } else {
            Answer::Accept
        }
    }
}

/// Sends each item in a request of its own.
fn one_by_one() {
    let telemetry = throughline::init("retrying").unwrap();
    for item in 0..given("ITEMS").parse().unwrap() {
        emit(item);
        // What was refused for good is an error here; the report tells it by number.
        let _ = telemetry.flush(Duration::from_secs(20));
    }
    say_report(&telemetry.shutdown_within(Duration::from_secs(20)));
}

/// Each answer, and whether what it refuses is to be sent again.
fn walk(test: &str, protocol: &str, table: Vec<(Answer, bool)>) {
    let receiver = Faulty::start();
    let answers: Vec<_> = table.iter().map(|(answer, _)| answer.clone()).collect();
    receiver.answer_items(first(move |item| answers[item as usize].clone()));
    let items = table.len().to_string();
    let mut child = Child::start(test, &receiver.variables(protocol, &[("ITEMS", &items)]));
    let report = child.report();
    child.end();
    for signal in ITEMS {
        for (item, (answer, again)) in table.iter().enumerate() {
            let item = item as i64;
            let tries = receiver.with(|record| {
                let arrivals = record.of(signal);
                arrivals.iter().filter(|one| one.items == [item]).count()
            });
            let expected = if *again { 2 } else { 1 };
            assert_eq!(tries, expected, "{signal}, {answer:?}");
            let kept = receiver.kept(signal).get(&item).copied();
            assert_eq!(kept, again.then_some(1), "{signal}, {answer:?}");
        }
    }
    let refused = table.iter().filter(|(_, again)| !again).count() as u64;
    let books = Books::with(table.len() as u64, &[("rejected", refused)]);
    assert_eq!((&report.traces, &report.logs), (&books, &books));
}

#[cfg(feature = "grpc")]
#[test]
fn each_code_of_grpc_is_retried_or_not_as_the_specification_says() {
    let test = "each_code_of_grpc_is_retried_or_not_as_the_specification_says";
    as_child(test, one_by_one);
    let soon = Some(Duration::from_millis(50));
    let table = [
        (Code::Cancelled, None, true),
        (Code::Unknown, None, false),
        (Code::InvalidArgument, None, false),
        (Code::DeadlineExceeded, None, true),
        (Code::NotFound, None, false),
        (Code::AlreadyExists, None, false),
        (Code::PermissionDenied, None, false),
        (Code::ResourceExhausted, None, false),
        (Code::ResourceExhausted, soon, true),
        (Code::FailedPrecondition, None, false),
        (Code::Aborted, None, true),
        (Code::OutOfRange, None, true),
        (Code::Unimplemented, None, false),
        (Code::Internal, None, false),
        (Code::Unavailable, None, true),
        (Code::Unavailable, soon, true),
        (Code::DataLoss, None, true),
        (Code::Unauthenticated, None, false),
    ];
    let table = table.map(|(code, delay, again)| (Answer::Grpc(code, delay), again));
    walk(test, "grpc", table.into());
}

#[cfg(feature = "grpc")]
#[test]
fn a_status_of_grpc_counts_at_the_end_of_an_answer_too() {
    let test = "a_status_of_grpc_counts_at_the_end_of_an_answer_too";
    as_child(test, one_by_one);
    let soon = Some(Duration::from_millis(50));
    let table = [
        (Code::Unavailable, None, true),
        (Code::ResourceExhausted, soon, true),
        (Code::ResourceExhausted, None, false),
        (Code::PermissionDenied, None, false),
    ];
    let table = table.map(|(code, delay, again)| (Answer::GrpcAtTheEnd(code, delay), again));
    walk(test, "grpc", table.into());
}

/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
#[cfg(feature = "grpc")]
#[test]
fn a_proxy_that_knows_no_grpc_is_understood() {
    let test = "a_proxy_that_knows_no_grpc_is_understood";
    as_child(test, one_by_one);
    let table = [401, 403, 404, 429, 500, 502, 503, 504].map(|status| {
        let again = matches!(status, 429 | 502 | 503 | 504);
        (Answer::Http(status, Vec::new()), again)
    });
    walk(test, "grpc", table.into());
}

#[test]
fn each_status_of_http_is_retried_or_not_as_the_specification_says() {
    let test = "each_status_of_http_is_retried_or_not_as_the_specification_says";
    as_child(test, one_by_one);
    let table = [
        301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
        414, 415, 417, 421, 422, 425, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507, 511,
    ];
    let table = table.map(|status| {
        let again = matches!(status, 429 | 502 | 503 | 504);
        (Answer::Http(status, Vec::new()), again)
    });
    walk(test, "http/protobuf", table.into());
}

fn date(time: jiff::Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_delay_that_the_receiver_asks_for_is_kept_to() {
    let test = "a_delay_that_the_receiver_asks_for_is_kept_to";
    as_child(test, one_by_one);
    let asked = Duration::from_millis(1_700);
    let seconds = |status| Answer::Http(status, vec![("retry-after", "2".to_owned())]);
    // A date has whole seconds, so this asks for two to three.
    let until = |status| {
        let later = date(jiff::Timestamp::now() + Duration::from_secs(3));
        Answer::Http(status, vec![("retry-after", later)])
    };
    let cases = [
        ("grpc", Answer::Grpc(Code::Unavailable, Some(asked))),
        ("grpc", Answer::Grpc(Code::ResourceExhausted, Some(asked))),
        ("http/protobuf", seconds(503)),
        ("http/protobuf", seconds(429)),
        ("http/protobuf", until(503)),
    ];
    let built = cases
        .into_iter()
        .filter(|(protocol, _)| PROTOCOLS.contains(protocol));
    let running = built.map(|(protocol, answer)| {
        let receiver = Faulty::start();
        let first_answer = answer.clone();
        receiver.answer_items(first(move |_| match &first_answer {
            // Now, not when the test began.
            Answer::Http(status, headers) if headers[0].1.contains("GMT") => until(*status),
            other => other.clone(),
        }));
        let child = Child::start(test, &receiver.variables(protocol, &[("ITEMS", "1")]));
        (answer, receiver, child)
    });
    // All are started before the first is waited for.
    for (answer, receiver, mut child) in running.collect::<Vec<_>>() {
        let report = child.report();
        child.end();
        assert_eq!(report.logs, Books::whole(1), "{answer:?}");
        for signal in ITEMS {
            let times: Vec<Instant> =
                receiver.with(|record| record.of(signal).iter().map(|one| one.at).collect());
            assert_eq!(times.len(), 2, "{signal}, {answer:?}");
            let waited = times[1] - times[0];
            assert!(waited >= asked, "{signal}, {answer:?}: {waited:?}");
            assert!(waited < asked * 3, "{signal}, {answer:?}: {waited:?}");
        }
    }
}

#[test]
fn what_was_cut_off_or_not_answered_in_time_is_sent_again() {
    let test = "what_was_cut_off_or_not_answered_in_time_is_sent_again";
    as_child(test, one_by_one);
    let faults = [Answer::CutOff, Answer::CutShort, Answer::Hang];
    let mut running = Vec::new();
    for protocol in PROTOCOLS {
        for fault in &faults {
            let receiver = Faulty::start();
            let answer = fault.clone();
            receiver.answer_items(first(move |_| answer.clone()));
            let variables = [("ITEMS", "1"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "600")];
            let child = Child::start(test, &receiver.variables(protocol, &variables));
            running.push((protocol, fault, receiver, child));
        }
    }
    for (protocol, fault, receiver, mut child) in running {
        let report = child.report();
        child.end();
        let books = Books::whole(1);
        let case = format!("{protocol}, {fault:?}");
        assert_eq!((&report.traces, &report.logs), (&books, &books), "{case}");
        for signal in ITEMS {
            // A receiver that could not say that it has an item has it twice.
            let times = if matches!(fault, Answer::CutShort) {
                2
            } else {
                1
            };
            assert_eq!(receiver.kept(signal), [(0, times)].into(), "{case}");
            let tries = receiver.with(|record| record.of(signal).len());
            assert_eq!(tries, 2, "{case}, {signal}");
        }
    }
}

#[test]
fn the_pauses_between_tries_double_and_there_is_no_last_try() {
    let test = "the_pauses_between_tries_double_and_there_is_no_last_try";
    as_child(test, || {
        let telemetry = throughline::init("patient").unwrap();
        emit(0);
        // No flush: somebody who waits makes the tries come sooner.
        std::thread::sleep(Duration::from_secs(4));
        say("tried");
        listen("accepted from now on");
        telemetry.flush(Duration::from_secs(20)).unwrap();
        say_report(&telemetry.shutdown());
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer_items(|_| Answer::Refuse {
            http: 503,
            grpc: Code::Unavailable,
        });
        let variables = [
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        child.hear("tried");
        for signal in ITEMS {
            let times: Vec<Instant> =
                receiver.with(|record| record.of(signal).iter().map(|one| one.at).collect());
            let pauses: Vec<f64> = times
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).as_secs_f64())
                .collect();
            // 0.25, 0.5, 1 and 2 s without jitter, which takes up to a half off.
            assert!((3..=6).contains(&pauses.len()), "{protocol}: {pauses:?}");
            for (index, pause) in pauses.iter().enumerate() {
                let most = 0.25 * f64::from(1 << index) + 0.2;
                let least = 0.12 * f64::from(1 << index);
                assert!(
                    (least..most).contains(pause),
                    "{protocol}, {signal}: {pauses:?}"
                );
            }
        }
        receiver.answer(|_| Answer::Accept);
        child.tell("accepted from now on");
        let report = child.report();
        child.end();
        let books = Books::whole(1);
        assert_eq!((&report.traces, &report.logs), (&books, &books));
        for signal in ITEMS {
            assert_eq!(receiver.kept(signal), [(0, 1)].into(), "{protocol}");
        }
    }
}
