//! The ways in which a process ends, and what of its telemetry is there afterwards.

use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Books, Child, Ended, as_child, emit, say, say_report};
use crate::support::faulty::{Faulty, Items};
use nix::sys::signal::{Signal as Asked, kill};
use nix::unistd::Pid;
use throughline_receiver::Signal;

const ITEMS: [Signal; 2] = [Signal::Traces, Signal::Logs];

fn once_each(items: i64) -> Items {
    (0..items).map(|item| (item, 1)).collect()
}

fn start(test: &str, protocol: &str, more: &[(&str, &str)]) -> (Faulty, Child) {
    let receiver = Faulty::start();
    let child = Child::start(test, &receiver.variables(protocol, more));
    (receiver, child)
}

/// All of `items` have arrived once, and no others but the records without a number.
fn all_arrived(receiver: &Faulty, items: i64, ended: &Ended) {
    for signal in ITEMS {
        let mut kept = receiver.kept(signal);
        kept.remove(&-1);
        assert_eq!(kept, once_each(items), "{signal}: {ended:#?}");
    }
}

#[test]
fn a_signal_that_asks_to_end_loses_nothing() {
    let test = "a_signal_that_asks_to_end_loses_nothing";
    as_child(test, || {
        let telemetry = throughline::init("asked").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let asked = throughline::shutdown_signal();
            for item in 0..100 {
                emit(item);
            }
            say("ready");
            asked.await;
            emit(100);
            say_report(&telemetry.shutdown_async().await);
        });
    });
    for protocol in PROTOCOLS {
        for signal in [Asked::SIGTERM, Asked::SIGINT] {
            let (receiver, mut child) = start(test, protocol, &[]);
            child.hear("ready");
            kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
            let report = child.report();
            let ended = child.end();
            let books = Books::whole(101);
            assert_eq!((&report.traces, &report.logs), (&books, &books), "{signal}");
            all_arrived(&receiver, 101, &ended);
        }
    }
}

#[test]
fn a_job_that_asked_for_it_is_ended_by_a_signal_without_a_loss() {
    let test = "a_job_that_asked_for_it_is_ended_by_a_signal_without_a_loss";
    as_child(test, || {
        let telemetry = throughline::builder("job").exit_on_signal().init();
        let _telemetry = telemetry.unwrap();
        for item in 0..100 {
            emit(item);
        }
        say("ready");
        // It works on, and looks for no signal.
        loop {
            std::thread::park();
        }
    });
    for (signal, code) in [(Asked::SIGTERM, 143), (Asked::SIGINT, 130)] {
        let (receiver, mut child) = start(test, PROTOCOLS[0], &[]);
        child.hear("ready");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let ended = child.ended();
        assert_eq!(ended.status.code(), Some(code), "{ended:#?}");
        all_arrived(&receiver, 100, &ended);
    }
}

#[test]
fn a_panic_in_main_loses_nothing_and_is_a_record_itself() {
    let test = "a_panic_in_main_loses_nothing_and_is_a_record_itself";
    as_child(test, || {
        let _telemetry = throughline::init("panicking").unwrap();
        emit(0);
        panic!("the cup is empty");
    });
    for protocol in PROTOCOLS {
        let (receiver, child) = start(test, protocol, &[]);
        let ended = child.ended();
        assert!(!ended.status.success(), "{ended:#?}");
        assert!(
            ended.outcome.stderr.contains("the cup is empty"),
            "{ended:#?}"
        );
        all_arrived(&receiver, 1, &ended);
        assert_eq!(receiver.kept(Signal::Logs).get(&-1), Some(&1), "{ended:#?}");
    }
}

#[test]
fn a_main_that_returns_an_error_loses_nothing() {
    let test = "a_main_that_returns_an_error_loses_nothing";
    fn main() -> Result<(), Box<dyn std::error::Error>> {
        let _telemetry = throughline::init("failing")?;
        emit(0);
        let port: u16 = "eighty".parse()?;
        unreachable!("{port}");
    }
    as_child(test, || {
        // What the standard library does with it.
        if let Err(error) = main() {
            eprintln!("Error: {error:?}");
            std::process::exit(1);
        }
    });
    for protocol in PROTOCOLS {
        let (receiver, child) = start(test, protocol, &[]);
        let ended = child.ended();
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        all_arrived(&receiver, 1, &ended);
    }
}

#[test]
fn an_exit_with_a_code_loses_nothing() {
    let test = "an_exit_with_a_code_loses_nothing";
    as_child(test, || {
        let telemetry = throughline::init("exiting").unwrap();
        emit(0);
        telemetry.exit(3);
    });
    for protocol in PROTOCOLS {
        let (receiver, child) = start(test, protocol, &[]);
        let ended = child.ended();
        assert_eq!(ended.status.code(), Some(3), "{ended:#?}");
        all_arrived(&receiver, 1, &ended);
    }
}

#[test]
fn a_job_of_50_ms_loses_nothing() {
    let test = "a_job_of_50_ms_loses_nothing";
    as_child(test, || {
        let telemetry = throughline::init("short").unwrap();
        let start = Instant::now();
        let mut item = 0;
        while start.elapsed() < Duration::from_millis(50) {
            emit(item);
            item += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(telemetry);
        say(&format!("emitted {item}"));
    });
    for protocol in PROTOCOLS {
        let (receiver, mut child) = start(test, protocol, &[]);
        let emitted = child.hear("emitted").parse().unwrap();
        let ended = child.end();
        all_arrived(&receiver, emitted, &ended);
    }
}

#[test]
fn a_killed_process_loses_at_most_its_last_second() {
    let test = "a_killed_process_loses_at_most_its_last_second";
    as_child(test, || {
        let _telemetry = throughline::init("killed").unwrap();
        for item in 0.. {
            emit(item);
            say(&format!("item {item}"));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let running = PROTOCOLS.map(|protocol| {
        let (receiver, child) = start(test, protocol, &[("THROUGHLINE_LOG_FORMAT", "off")]);
        let listening = std::thread::spawn(move || {
            let mut child = child;
            let begin = Instant::now();
            let mut heard = Vec::new();
            while begin.elapsed() < Duration::from_secs(3) {
                let item: i64 = child.hear("item").parse().unwrap();
                heard.push((item, Instant::now()));
            }
            let killed = Instant::now();
            child.kill();
            child.ended();
            (heard, killed)
        });
        (protocol, receiver, listening)
    });
    for (protocol, receiver, listening) in running {
        let (heard, killed) = listening.join().unwrap();
        let old = heard
            .iter()
            .filter(|(_, at)| killed - *at > Duration::from_secs(1));
        let old = old.count() as i64;
        assert!(old > 100, "{protocol}: {old}");
        for signal in ITEMS {
            let kept = receiver.kept(signal);
            let first_lost = (0..).find(|item| !kept.contains_key(item)).unwrap();
            assert!(
                first_lost >= old,
                "{protocol}, {signal}: {first_lost} of {old}"
            );
        }
    }
}
