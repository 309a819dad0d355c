//! After `fork` the child has no threads but its own, and locks that nobody will open: it
//! must neither wait for them nor send what is its parent's.

use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Child, as_child, emit, say, say_report};
use crate::support::faulty::Faulty;
use nix::sys::signal::{Signal as Asked, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use throughline::Telemetry;
use throughline_receiver::Signal;

/// Runs `body` in a fork of this process and waits for its end.
fn in_fork(body: impl FnOnce()) {
    // SAFETY: the child runs only this test's code and leaves by `exit`. It may allocate:
    // glibc keeps its allocator usable after a fork.
    #[allow(unsafe_code)]
    let forked = unsafe { fork() }.unwrap();
    match forked {
        ForkResult::Child => {
            body();
            std::process::exit(0);
        }
        ForkResult::Parent { child } => ended_well(child),
    }
}

fn ended_well(child: Pid) {
    let start = Instant::now();
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)).unwrap() {
            WaitStatus::StillAlive => {}
            WaitStatus::Exited(_, 0) => return,
            other => panic!("the fork ended badly: {other:?}"),
        }
        if start.elapsed() > Duration::from_secs(10) {
            kill(child, Asked::SIGKILL).unwrap();
            panic!("the fork hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Emits, flushes and ends in the fork, and tells how long that took.
fn refused_in_the_fork(telemetry: Telemetry) {
    let start = Instant::now();
    for item in 1_000..1_010 {
        emit(item);
    }
    metrics::counter!("forked.work").increment(1);
    // Whether it is an error to flush what cannot be sent is not the question here.
    let _ = telemetry.flush(Duration::from_secs(5));
    let report = telemetry.shutdown();
    say(&format!("took {}", start.elapsed().as_millis()));
    say_report(&report);
}

#[test]
fn a_fork_neither_hangs_nor_sends_and_its_parent_goes_on() {
    let test = "a_fork_neither_hangs_nor_sends_and_its_parent_goes_on";
    as_child(test, || {
        let telemetry = throughline::init("forking").unwrap();
        emit(0);
        telemetry.flush(Duration::from_secs(5)).unwrap();
        let mut telemetry = Some(telemetry);
        // The fork gets a copy of the handle; the parent keeps its own.
        in_fork(|| refused_in_the_fork(telemetry.take().unwrap()));
        emit(1);
        say_report(&telemetry.take().unwrap().shutdown());
    });
    for protocol in PROTOCOLS {
        let receiver = Faulty::start();
        let mut child = Child::start(test, &receiver.variables(protocol, &[]));
        let took: u64 = child.hear("took").parse().unwrap();
        let forked = child.report();
        let report = child.report();
        let ended = child.end();
        assert!(took < 1_000, "{protocol}: {took} ms");
        for books in [&forked.traces, &forked.logs] {
            assert!(books.balance(), "{protocol}: {forked:?}");
            assert_eq!(
                books.dropped,
                [("forked".to_owned(), 10)].into(),
                "{protocol}"
            );
        }
        assert_eq!((report.traces.delivered, report.logs.delivered), (2, 2));
        assert!(report.traces.dropped.is_empty(), "{protocol}: {report:?}");
        for signal in [Signal::Traces, Signal::Logs] {
            assert_eq!(receiver.kept(signal), [(0, 1), (1, 1)].into(), "{ended:#?}");
        }
    }
}
