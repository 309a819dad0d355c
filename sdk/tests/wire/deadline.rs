//! Flush and shutdown while the receiver hangs: one deadline, and exact books.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Child, as_child, emit, listen, say, say_report};
use crate::support::faulty::{Answer, Faulty};
use throughline::FlushError;
use throughline_receiver::Signal;

#[test]
fn a_shutdown_while_the_receiver_hangs_keeps_its_deadline_and_its_books() {
    let test = "a_shutdown_while_the_receiver_hangs_keeps_its_deadline_and_its_books";
    as_child(test, || {
        let telemetry = throughline::init("hung").unwrap();
        for item in 0..100 {
            emit(item);
        }
        let early = telemetry.flush(Duration::from_millis(100));
        assert!(early.is_err(), "{early:?}");
        listen("the first have come");
        for item in 100..130 {
            emit(item);
        }
        let start = Instant::now();
        let report = telemetry.shutdown_within(Duration::from_millis(700));
        let took = start.elapsed();
        assert!(took < Duration::from_millis(1_200), "{took:?}");
        say_report(&report);
        // An answer that comes too late must find nobody to harm.
        listen("answered");
        std::thread::sleep(Duration::from_millis(100));
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer(|_| Answer::Hang);
        let child = Child::start(test, &receiver.variables(protocol, &[]));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        receiver.wait_until("both signals' first batches", |record| {
            let came = |signal| !record.of(signal).is_empty();
            came(Signal::Traces) && came(Signal::Logs)
        });
        child.tell("the first have come");
        let report = child.report();
        for (signal, books) in [
            (Signal::Traces, &report.traces),
            (Signal::Logs, &report.logs),
        ] {
            let seen: BTreeSet<i64> = receiver.with(|record| {
                let arrivals = record.of(signal);
                arrivals.iter().flat_map(|one| one.items.clone()).collect()
            });
            let seen = seen.len() as u64;
            assert_eq!((books.emitted, books.delivered), (130, 0), "{protocol}");
            assert_eq!(
                books.lost("unconfirmed"),
                seen,
                "{protocol}, {signal}: {books:?}"
            );
            let rest = books.lost("shutdown_timeout");
            assert_eq!(rest, 130 - seen, "{protocol}, {signal}: {books:?}");
        }
        for signal in ["traces", "logs", "metrics"] {
            assert!(
                report.timed_out.iter().any(|late| late == signal),
                "{report:?}"
            );
        }
        receiver.answer(|_| Answer::Accept);
        child.tell("answered");
        let ended = child.end();
        let stderr = ended.outcome.stderr;
        assert!(!stderr.contains("panicked"), "{protocol}: {stderr}");
    }
}

#[test]
fn a_flush_that_runs_out_of_time_names_the_signals() {
    let test = "a_flush_that_runs_out_of_time_names_the_signals";
    as_child(test, || {
        let telemetry = throughline::init("waiting").unwrap();
        emit(0);
        let start = Instant::now();
        let error = telemetry.flush(Duration::from_millis(300)).unwrap_err();
        let took = start.elapsed();
        assert!(took < Duration::from_millis(800), "{took:?}");
        let FlushError::Timeout { waiting, .. } = error else {
            panic!("not a timeout: {error}");
        };
        say(&format!("waiting {waiting:?}"));
        listen("answered");
        telemetry.flush(Duration::from_secs(10)).unwrap();
        say_report(&telemetry.shutdown());
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        // Metrics are answered, so they are not among those waited for.
        receiver.answer_items(|_| Answer::Hang);
        let child = Child::start(test, &receiver.variables(protocol, &[]));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        let waiting = child.hear("waiting");
        assert!(waiting.contains("traces"), "{protocol}: {waiting}");
        assert!(waiting.contains("logs"), "{protocol}: {waiting}");
        assert!(!waiting.contains("metrics"), "{protocol}: {waiting}");
        receiver.answer(|_| Answer::Accept);
        child.tell("answered");
        let report = child.report();
        child.end();
        assert_eq!((report.traces.delivered, report.logs.delivered), (1, 1));
        for signal in [Signal::Traces, Signal::Logs] {
            assert_eq!(
                receiver.kept(signal),
                [(0, 1)].into(),
                "{protocol}, {signal}"
            );
        }
    }
}

#[test]
fn what_was_sent_and_never_answered_is_unconfirmed_however_long_ago() {
    let test = "what_was_sent_and_never_answered_is_unconfirmed_however_long_ago";
    as_child(test, || {
        let telemetry = throughline::init("unanswered").unwrap();
        emit(0);
        say_report(&telemetry.shutdown_within(Duration::from_millis(2_500)));
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer(|_| Answer::Hang);
        // Over before the deadline, so that the end finds it between two tries.
        let variables = [("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, _receiver, mut child) in running {
        let report = child.report();
        child.end();
        for books in [&report.traces, &report.logs] {
            let dropped = [("unconfirmed".to_owned(), 1)].into();
            assert_eq!(books.dropped, dropped, "{protocol}: {report:?}");
        }
    }
}
