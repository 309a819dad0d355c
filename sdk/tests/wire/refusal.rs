//! What a receiver will not have: the item that it refuses is lost and counted, and no other.

use crate::support::PROTOCOLS;
use crate::support::child::{Books, Child, Report, as_child, emit, given, say_report};
use crate::support::faulty::{Answer, Arrival, Faulty, Items};
use throughline_receiver::Signal;
use tonic::Code;

const ITEMS: [Signal; 2] = [Signal::Traces, Signal::Logs];

fn one_batch() {
    let telemetry = throughline::init("refused").unwrap();
    for item in 0..given("ITEMS").parse().unwrap() {
        emit(item);
    }
    say_report(&telemetry.shutdown_within(std::time::Duration::from_secs(20)));
}

type Rule = fn(&Arrival) -> Answer;

/// So many items in one batch of each signal, by both protocols side by side.
fn batch(test: &str, items: u64, rule: Rule) -> Vec<(&'static str, Report, Faulty)> {
    let running = PROTOCOLS.map(|protocol| {
        let receiver = Faulty::start();
        receiver.answer_items(rule);
        let items = items.to_string();
        let variables = [
            ("ITEMS", items.as_str()),
            ("THROUGHLINE_LOG_FORMAT", "off"),
            // What is emitted while the first batch leaves would be a batch of its own.
            ("OTEL_BLRP_SCHEDULE_DELAY", "5000"),
        ];
        let child = Child::start(test, &receiver.variables(protocol, &variables));
        (protocol, receiver, child)
    });
    let ended = running.map(|(protocol, receiver, mut child)| {
        let report = child.report();
        child.end();
        (protocol, report, receiver)
    });
    ended.into()
}

fn once_each(items: impl Iterator<Item = i64>) -> Items {
    items.map(|item| (item, 1)).collect()
}

#[test]
fn rejected_items_of_a_partial_success_are_counted_and_not_sent_again() {
    let test = "rejected_items_of_a_partial_success_are_counted_and_not_sent_again";
    as_child(test, one_batch);
    let rule: Rule = |_| Answer::Partial {
        rejected: 3,
        message: "three are too old",
    };
    for (protocol, report, receiver) in batch(test, 10, rule) {
        let books = Books::with(10, &[("rejected", 3)]);
        assert_eq!(
            (&report.traces, &report.logs),
            (&books, &books),
            "{protocol}"
        );
        for signal in ITEMS {
            assert_eq!(
                receiver.kept(signal),
                once_each(0..7),
                "{protocol}, {signal}"
            );
            let requests = receiver.with(|record| record.of(signal).len());
            assert_eq!(requests, 1, "{protocol}, {signal}");
        }
    }
}

#[test]
fn a_warning_in_a_success_costs_nothing() {
    let test = "a_warning_in_a_success_costs_nothing";
    as_child(test, one_batch);
    let rule: Rule = |_| Answer::Partial {
        rejected: 0,
        message: "your clock is slow",
    };
    for (protocol, report, receiver) in batch(test, 10, rule) {
        assert_eq!(report.traces, Books::whole(10), "{protocol}");
        assert_eq!(report.logs, Books::whole(10), "{protocol}");
        for signal in ITEMS {
            assert_eq!(
                receiver.kept(signal),
                once_each(0..10),
                "{protocol}, {signal}"
            );
        }
    }
}

const POISON: i64 = 300;

/// Of 512 items one is refused, and the 511 others arrive, once each.
fn only_the_poison_is_lost(test: &str, rule: Rule) {
    for (protocol, report, receiver) in batch(test, 512, rule) {
        let books = Books::with(512, &[("rejected", 1)]);
        assert_eq!(
            (&report.traces, &report.logs),
            (&books, &books),
            "{protocol}"
        );
        let rest = once_each((0..512).filter(|item| *item != POISON));
        for signal in ITEMS {
            assert_eq!(receiver.kept(signal), rest, "{protocol}, {signal}");
            // Nine halvings of two requests each, the first, and room for a batch more.
            let requests = receiver.with(|record| record.of(signal).len());
            assert!(requests <= 30, "{protocol}, {signal}: {requests}");
        }
    }
}

macro_rules! poison {
    ($($name:ident: $http:literal, $grpc:ident;)*) => {$(
        #[test]
        fn $name() {
            let test = stringify!($name);
            as_child(test, one_batch);
            let rule: Rule = |arrival| {
                if arrival.items.contains(&POISON) {
                    Answer::Refuse { http: $http, grpc: Code::$grpc }
                } else {
                    Answer::Accept
                }
            };
            only_the_poison_is_lost(test, rule);
        }
    )*};
}

poison! {
    of_a_batch_refused_for_its_content_only_the_poison_is_lost: 400, InvalidArgument;
    of_a_batch_refused_for_its_size_only_the_poison_is_lost: 413, ResourceExhausted;
    of_a_batch_out_of_range_only_the_poison_is_lost: 413, OutOfRange;
}

#[test]
fn a_batch_above_the_receiver_s_limit_arrives_in_parts() {
    let test = "a_batch_above_the_receiver_s_limit_arrives_in_parts";
    as_child(test, one_batch);
    let rule: Rule = |arrival| {
        if arrival.bytes > 16 << 10 {
            Answer::Refuse {
                http: 413,
                grpc: Code::ResourceExhausted,
            }
        } else {
            Answer::Accept
        }
    };
    for (protocol, report, receiver) in batch(test, 512, rule) {
        assert_eq!(report.traces, Books::whole(512), "{protocol}");
        assert_eq!(report.logs, Books::whole(512), "{protocol}");
        for signal in ITEMS {
            assert_eq!(
                receiver.kept(signal),
                once_each(0..512),
                "{protocol}, {signal}"
            );
            let refused = receiver.with(|record| {
                let arrivals = record.of(signal);
                arrivals.iter().filter(|one| one.bytes > 16 << 10).count()
            });
            assert!(refused > 0, "{protocol}, {signal}: the limit was never met");
        }
    }
}

#[test]
fn a_receiver_that_refuses_everything_costs_few_requests() {
    let test = "a_receiver_that_refuses_everything_costs_few_requests";
    as_child(test, one_batch);
    let rule: Rule = |_| Answer::Refuse {
        http: 400,
        grpc: Code::InvalidArgument,
    };
    for (protocol, report, receiver) in batch(test, 512, rule) {
        let books = Books::with(512, &[("rejected", 512)]);
        assert_eq!(
            (&report.traces, &report.logs),
            (&books, &books),
            "{protocol}"
        );
        for signal in ITEMS {
            let (requests, batches) = receiver.with(|record| {
                let arrivals = record.of(signal);
                // A batch's own first request begins where no other did.
                let starts = arrivals.iter().filter(|one| one.items.len() > 256).count();
                (arrivals.len(), starts.max(1))
            });
            // 2 log2(512) + 4 a batch, and the one that is too many.
            assert!(requests <= 23 * batches, "{protocol}, {signal}: {requests}");
        }
    }
}

fn long(bytes: usize) -> &'static str {
    Box::leak("x".repeat(bytes).into_boxed_str())
}

#[test]
fn a_success_without_an_end_is_not_asked_for_again() {
    let test = "a_success_without_an_end_is_not_asked_for_again";
    as_child(test, one_batch);
    let endless = |_: &Arrival| Answer::Partial {
        rejected: 0,
        message: long(5 << 20),
    };
    for (protocol, report, receiver) in batch(test, 2, endless) {
        let books = Books::with(2, &[("rejected", 2)]);
        assert_eq!(
            (&report.traces, &report.logs),
            (&books, &books),
            "{protocol}"
        );
        for signal in ITEMS {
            let tries = receiver.with(|record| record.of(signal).len());
            assert_eq!(tries, 1, "{protocol}, {signal}");
        }
    }
}

#[test]
fn what_a_receiver_says_is_told_as_what_it_is_and_briefly() {
    let test = "what_a_receiver_says_is_told_as_what_it_is_and_briefly";
    as_child(test, one_batch);
    for rejected in [0, 1] {
        let receiver = Faulty::start();
        receiver.answer_items(move |_| Answer::Partial {
            rejected,
            message: long(1 << 20),
        });
        let variables = [("ITEMS", "2"), ("THROUGHLINE_LOG_FORMAT", "off")];
        let mut child = Child::start(test, &receiver.variables(PROTOCOLS[0], &variables));
        child.report();
        let ended = child.end();
        let said = ended.outcome.diagnostics();
        assert_eq!(said.len(), 1, "{}", said.len());
        assert!(said[0].len() < 1_000, "{}", said[0].len());
        assert_eq!(said[0].contains("lost"), rejected > 0, "{}", said[0]);
    }
}
