//! A receiver that is away or hangs: what the service feels of it, and what it loses.

use nix::sys::resource::{UsageWho, getrusage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Books, Child, as_child, emit, given, listen, say, say_report};
use crate::support::faulty::{Answer, Faulty, Items};
use crate::support::resident::resident;
use throughline_receiver::proto::metrics::v1::{metric::Data, number_data_point::Value};
use throughline_receiver::{Attributes, Signal};
use tonic::Code;

const ITEMS: [Signal; 2] = [Signal::Traces, Signal::Logs];

/// How long the outage is: by default short enough for every run of the tests. The figures
/// of `docs/performance.md` are from 60.
fn seconds() -> String {
    std::env::var("THROUGHLINE_TEST_OUTAGE_SECONDS").unwrap_or_else(|_| "5".to_owned())
}

fn once_each(items: i64) -> Items {
    (0..items).map(|item| (item, 1)).collect()
}

/// 1,000 spans and 1,000 records a second, until told how long; gives each tick a look.
fn steady(from: i64, time: Duration, mut tick: impl FnMut()) -> i64 {
    const EVERY: Duration = Duration::from_millis(10);
    let start = Instant::now();
    let mut item = from;
    for ticks in 1..=(time.as_millis() / EVERY.as_millis()) as u32 {
        for _ in 0..10 {
            emit(item);
            item += 1;
        }
        tick();
        sleep((EVERY * ticks).saturating_sub(start.elapsed()));
    }
    item
}

#[test]
fn nothing_is_lost_while_nobody_listens_and_memory_stays_bounded() {
    let test = "nothing_is_lost_while_nobody_listens_and_memory_stays_bounded";
    as_child(test, || {
        let telemetry = throughline::init("steady").unwrap();
        let before = resident();
        let mut peak = before;
        let time = Duration::from_secs(given("SECONDS").parse().unwrap());
        let emitted = steady(0, time, || peak = peak.max(resident()));
        say(&format!("growth {}", peak - before));
        listen("back");
        // What is new meets what has waited.
        let emitted = steady(emitted, Duration::from_secs(1), || {});
        telemetry.flush(Duration::from_secs(30)).unwrap();
        say_report(&telemetry.shutdown());
        say(&format!("emitted {emitted}"));
    });
    let seconds = seconds();
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::closed();
        let variables = [
            ("SECONDS", seconds.as_str()),
            ("THROUGHLINE_LOG_FORMAT", "off"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        let growth: u64 = child.hear("growth").parse().unwrap();
        receiver.open();
        child.tell("back");
        let report = child.report();
        let emitted: i64 = child.hear("emitted").parse().unwrap();
        let ended = child.end();
        println!("{protocol}: refused for {seconds} s, {growth} bytes of growth");
        assert!(growth <= 64 << 20, "{protocol}: {growth}");
        for (signal, books) in ITEMS.into_iter().zip([&report.traces, &report.logs]) {
            assert_eq!(books.emitted, emitted as u64, "{protocol}, {signal}");
            assert_eq!(books.delivered, emitted as u64, "{protocol}: {report:?}");
            assert!(
                receiver.kept(signal) == once_each(emitted),
                "{protocol}, {signal}"
            );
        }
        let said = ended.outcome.diagnostics();
        assert_eq!(said.len(), 2, "away, and back: {said:#?}");
        assert!(said[1].contains("again"), "{said:#?}");
    }
}

/// How often this thread has given up its turn to wait for something.
fn voluntary_waits() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD)
        .unwrap()
        .voluntary_context_switches()
}

#[test]
fn no_caller_waits_for_a_receiver_that_hangs() {
    let test = "no_caller_waits_for_a_receiver_that_hangs";
    as_child(test, || {
        let telemetry = throughline::init("unmoved").unwrap();
        let mut times = Vec::new();
        let mut blocked = 0;
        let start = Instant::now();
        let mut item = 0;
        while start.elapsed() < Duration::from_secs(3) {
            let (began, waits) = (Instant::now(), voluntary_waits());
            emit(item);
            // Who was put aside for another thread's turn has not waited for anything.
            let waited = voluntary_waits() > waits;
            let took = began.elapsed();
            blocked += usize::from(waited && took >= Duration::from_millis(1));
            times.push(took);
            item += 1;
            sleep(Duration::from_millis(1));
        }
        times.sort();
        let median = times[times.len() / 2].as_micros();
        say(&format!("times {median} {blocked}"));
        listen("answers");
        telemetry.flush(Duration::from_secs(20)).unwrap();
        say_report(&telemetry.shutdown());
        say(&format!("emitted {item}"));
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer(|_| Answer::Hang);
        let variables = [
            ("THROUGHLINE_LOG_FORMAT", "off"),
            // Small, so that the queues before the sender have to bear it.
            ("OTEL_BLRP_SCHEDULE_DELAY", "200"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        let times = child.hear("times");
        let (median, blocked) = times.split_once(' ').unwrap();
        let (median, blocked): (u64, i64) = (median.parse().unwrap(), blocked.parse().unwrap());
        receiver.answer(|_| Answer::Accept);
        child.tell("answers");
        let report = child.report();
        let emitted: i64 = child.hear("emitted").parse().unwrap();
        child.end();
        // Each is a span and a record in a debug build. One in a thousand may find the lock
        // with a thread that a busy machine has put aside.
        assert!(
            median < 500 && blocked * 1_000 <= emitted,
            "{protocol}: {times} of {emitted}"
        );
        for (signal, books) in ITEMS.into_iter().zip([&report.traces, &report.logs]) {
            assert_eq!(books.delivered, emitted as u64, "{protocol}: {report:?}");
            let kept = receiver.kept(signal);
            assert!(kept.keys().copied().eq(0..emitted), "{protocol}, {signal}");
        }
    }
}

#[test]
fn a_receiver_that_is_slow_gets_everything_once() {
    const ITEMS_EMITTED: i64 = 3_000;
    let test = "a_receiver_that_is_slow_gets_everything_once";
    as_child(test, || {
        let telemetry = throughline::init("waiting").unwrap();
        for item in 0..ITEMS_EMITTED {
            emit(item);
        }
        telemetry.flush(Duration::from_secs(20)).unwrap();
        say_report(&telemetry.shutdown());
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer(|_| Answer::Late(Duration::from_millis(300)));
        let variables = [("THROUGHLINE_LOG_FORMAT", "off")];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        let report = child.report();
        child.end();
        for (signal, books) in ITEMS.into_iter().zip([&report.traces, &report.logs]) {
            assert_eq!(*books, Books::whole(ITEMS_EMITTED as u64), "{protocol}");
            let kept = receiver.kept(signal);
            assert!(kept == once_each(ITEMS_EMITTED), "{protocol}, {signal}");
        }
    }
}

#[test]
fn a_connection_that_ended_meanwhile_is_made_anew() {
    let test = "a_connection_that_ended_meanwhile_is_made_anew";
    as_child(test, || {
        let telemetry = throughline::init("returning").unwrap();
        for item in 0..3 {
            emit(item);
            telemetry.flush(Duration::from_secs(10)).unwrap();
            say("flushed");
            listen("restarted");
        }
        say_report(&telemetry.shutdown());
    });
    for protocol in PROTOCOLS {
        let receiver = Faulty::start();
        let mut child = Child::start(test, &receiver.variables(protocol, &[]));
        for _ in 0..3 {
            child.hear("flushed");
            receiver.close();
            receiver.open();
            child.tell("restarted");
        }
        let report = child.report();
        let ended = child.end();
        for (signal, books) in ITEMS.into_iter().zip([&report.traces, &report.logs]) {
            assert_eq!(*books, Books::whole(3), "{protocol}, {signal}");
            assert_eq!(receiver.kept(signal), once_each(3), "{protocol}, {signal}");
        }
        // What was tried again at once and then went well is no news.
        let said = ended.outcome.diagnostics();
        assert!(said.len() <= 2, "{protocol}: {said:#?}");
    }
}

#[test]
fn the_books_balance_when_everything_goes_wrong_by_turns() {
    const EMITTED: i64 = 800;
    let test = "the_books_balance_when_everything_goes_wrong_by_turns";
    as_child(test, || {
        let telemetry = throughline::init("tossed").unwrap();
        for item in 0..EMITTED {
            emit(item);
        }
        telemetry.flush(Duration::from_secs(60)).unwrap();
        say_report(&telemetry.shutdown());
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        let turn = AtomicU64::new(0);
        let rejected: Arc<[AtomicU64; 2]> = Arc::default();
        let count = Arc::clone(&rejected);
        receiver.answer_items(
            move |arrival| match turn.fetch_add(1, Ordering::Relaxed) % 11 {
                0 | 5 => Answer::Refuse {
                    http: 503,
                    grpc: Code::Unavailable,
                },
                1 | 6 => Answer::CutOff,
                2 => Answer::CutShort,
                3 => Answer::Late(Duration::from_millis(50)),
                // Not below a part of one item, which would be lost.
                4 | 7 if arrival.items.len() > 1 => Answer::Refuse {
                    http: 413,
                    grpc: Code::ResourceExhausted,
                },
                8 => {
                    let signal = usize::from(arrival.signal == Signal::Logs);
                    count[signal].fetch_add(1, Ordering::Relaxed);
                    Answer::Partial {
                        rejected: 1,
                        message: "one too many",
                    }
                }
                _ => Answer::Accept,
            },
        );
        let variables = [
            ("THROUGHLINE_LOG_FORMAT", "off"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "128"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, rejected, child)
    });
    for (protocol, receiver, rejected, mut child) in running {
        let report = child.report();
        child.end();
        for (index, books) in [&report.traces, &report.logs].into_iter().enumerate() {
            let signal = ITEMS[index];
            let rejected = rejected[index].load(Ordering::Relaxed);
            assert!(rejected > 0, "{protocol}, {signal}: too few turns");
            let expected = Books::with(EMITTED as u64, &[("rejected", rejected)]);
            assert_eq!(*books, expected, "{protocol}, {signal}");
            // One that was rejected may have been taken before, when the answer was cut off.
            let kept = receiver.kept(signal).len() as u64;
            let delivered = books.delivered..=books.emitted;
            assert!(delivered.contains(&kept), "{protocol}, {signal}: {kept}");
        }
    }
}

/// Text that does not get smaller by compression, another one for each number.
fn noise(number: u64, length: usize) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state >> 32) as u8 % 26)
    };
    (0..length).map(next).collect()
}

/// `throughline.export.items` as it was last told, of one signal and outcome.
fn told(receiver: &Faulty, signal: &str, outcome: &str, reason: Option<&str>) -> u64 {
    receiver.with(|record| {
        let all = record.metrics.iter().flat_map(|one| &one.resource_metrics);
        let mut metrics = all
            .flat_map(|of| &of.scope_metrics)
            .flat_map(|of| &of.metrics);
        let last = metrics.rfind(|one| one.name == "throughline.export.items");
        let Some(Data::Sum(sum)) = last.and_then(|metric| metric.data.as_ref()) else {
            panic!("no sum of that name: {last:?}");
        };
        assert!(sum.is_monotonic);
        let point = sum.data_points.iter().find(|point| {
            let text = |key| point.attributes.attribute_str(key);
            text("signal") == Some(signal)
                && text("outcome") == Some(outcome)
                && text("reason") == reason
        });
        match point.and_then(|point| point.value) {
            Some(Value::AsInt(items)) => items as u64,
            None => 0,
            other => panic!("not a count: {other:?}"),
        }
    })
}

#[test]
fn the_last_metrics_tell_what_became_of_the_last_items() {
    const EMITTED: u64 = 500;
    let test = "the_last_metrics_tell_what_became_of_the_last_items";
    as_child(test, || {
        let telemetry = throughline::init("told").unwrap();
        for item in 0..EMITTED as i64 {
            emit(item);
        }
        say_report(&telemetry.shutdown());
    });
    for protocol in PROTOCOLS {
        let receiver = Faulty::start();
        // Metrics that do not wait for the others would be sent first.
        receiver.answer_items(|_| Answer::Late(Duration::from_millis(100)));
        let quiet = [("THROUGHLINE_LOG_FORMAT", "off")];
        let mut child = Child::start(test, &receiver.variables(protocol, &quiet));
        let report = child.report();
        child.end();
        for (signal, books) in [("traces", &report.traces), ("logs", &report.logs)] {
            assert_eq!(books.delivered, EMITTED, "{protocol}, {signal}");
            let told = told(&receiver, signal, "delivered", None);
            assert_eq!(told, EMITTED, "{protocol}, {signal}");
        }
    }
}

#[test]
fn what_is_beyond_the_memory_budget_is_counted_to_the_item() {
    const EMITTED: u64 = 6_000;
    let test = "what_is_beyond_the_memory_budget_is_counted_to_the_item";
    as_child(test, || {
        let telemetry = throughline::init("overrun").unwrap();
        for item in 0..EMITTED {
            let text = noise(item, 1_000);
            tracing::info_span!("work", item, text)
                .in_scope(|| tracing::info!(item, text, "working"));
        }
        say("emitted");
        listen("back");
        telemetry.flush(Duration::from_secs(20)).unwrap();
        say("flushed");
        listen("end");
        say_report(&telemetry.shutdown());
    });
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::closed();
        let variables = [
            ("THROUGHLINE_MEMORY_BUDGET_BYTES", "1048576"),
            ("THROUGHLINE_LOG_FORMAT", "off"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    for (protocol, receiver, mut child) in running {
        child.hear("emitted");
        receiver.open();
        child.tell("back");
        child.hear("flushed");
        let told = || {
            ["traces", "logs"].map(|signal| {
                let delivered = told(&receiver, signal, "delivered", None);
                let full = told(&receiver, signal, "dropped", Some("queue_full"));
                (delivered, full)
            })
        };
        let flushed = told();
        child.tell("end");
        let report = child.report();
        child.end();
        assert_eq!(told(), flushed, "{protocol}");
        for (index, books) in [&report.traces, &report.logs].into_iter().enumerate() {
            let signal = ITEMS[index];
            assert_eq!(books.emitted, EMITTED, "{protocol}, {signal}");
            assert!(books.balance(), "{protocol}, {signal}: {books:?}");
            let full = books.lost("queue_full");
            assert!(
                full > 0 && books.dropped.len() == 1,
                "{protocol}: {books:?}"
            );
            assert_eq!(
                flushed[index],
                (books.delivered, full),
                "{protocol}, {signal}"
            );
            let kept = receiver.kept(signal);
            assert_eq!(kept.len() as u64, books.delivered, "{protocol}, {signal}");
            assert!(
                kept.values().all(|times| *times == 1),
                "{protocol}, {signal}"
            );
        }
    }
}
