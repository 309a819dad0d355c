//! Start and end, from wherever a service may do it.

use std::time::{Duration, Instant};

use crate::support::{PROTOCOLS, in_child, received_by};
use throughline::{InitError, Telemetry};
use tokio::runtime::{Builder, Runtime};

fn emit() {
    tracing::info_span!("work").in_scope(|| {
        tracing::info!("working");
        metrics::counter!("work.done").increment(1);
    });
}

fn end(telemetry: Telemetry) {
    let start = Instant::now();
    let report = telemetry.shutdown();
    assert!(report.is_lossless(), "{report}");
    assert_eq!(
        (report.traces.delivered, report.logs.delivered),
        (1, 1),
        "{report}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

/// Runs the body by both protocols and looks whether all that it made has arrived.
fn arrives(test: &str, body: fn()) {
    for protocol in PROTOCOLS {
        let (receiver, outcome) = received_by(test, protocol, &[], body);
        let contents = receiver.contents();
        let told = outcome.stderr;
        assert_eq!(contents.spans.len(), 1, "{protocol}: {told}");
        assert_eq!(contents.logs.len(), 1, "{protocol}: {told}");
        assert!(contents.metric("work.done").is_some(), "{protocol}: {told}");
    }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_plain_main_needs_no_runtime() {
    arrives("a_plain_main_needs_no_runtime", || {
        let telemetry = throughline::init("plain").unwrap();
        emit();
        end(telemetry);
    });
}

#[test]
fn everything_inside_a_current_thread_runtime() {
    arrives("everything_inside_a_current_thread_runtime", || {
        current_thread().block_on(async {
            let telemetry = throughline::init("current").unwrap();
            emit();
            end(telemetry);
        });
    });
}

#[test]
fn everything_inside_a_multi_thread_runtime_with_one_worker() {
    arrives(
        "everything_inside_a_multi_thread_runtime_with_one_worker",
        || {
            multi_thread(1).block_on(async {
                let telemetry = throughline::init("multi").unwrap();
                emit();
                end(telemetry);
            });
        },
    );
}

#[test]
fn started_before_the_runtime_and_ended_in_a_spawned_task() {
    arrives(
        "started_before_the_runtime_and_ended_in_a_spawned_task",
        || {
            let telemetry = throughline::init("spawned").unwrap();
            multi_thread(2).block_on(async {
                emit();
                tokio::spawn(async { end(telemetry) }).await.unwrap();
            });
        },
    );
}

#[test]
fn ended_in_a_blocking_task() {
    arrives("ended_in_a_blocking_task", || {
        current_thread().block_on(async {
            let telemetry = throughline::init("blocking").unwrap();
            emit();
            tokio::task::spawn_blocking(|| end(telemetry))
                .await
                .unwrap();
        });
    });
}

#[test]
fn ended_by_await_on_a_current_thread_runtime() {
    arrives("ended_by_await_on_a_current_thread_runtime", || {
        current_thread().block_on(async {
            let telemetry = throughline::init("awaited").unwrap();
            emit();
            telemetry.flush_async(Duration::from_secs(5)).await.unwrap();
            let report = telemetry.shutdown_async().await;
            assert!(report.is_lossless(), "{report}");
        });
    });
}

#[test]
fn ended_by_drop() {
    arrives("ended_by_drop", || {
        let _telemetry = throughline::init("dropped").unwrap();
        emit();
    });
}

#[test]
fn ended_by_drop_inside_a_runtime() {
    arrives("ended_by_drop_inside_a_runtime", || {
        current_thread().block_on(async {
            let _telemetry = throughline::init("dropped").unwrap();
            emit();
        });
    });
}

#[test]
fn a_flush_delivers_while_the_service_goes_on() {
    let test = "a_flush_delivers_while_the_service_goes_on";
    let (receiver, _) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::init("flushed").unwrap();
        emit();
        telemetry.flush(Duration::from_secs(5)).unwrap();
        // Neither shutdown nor drop: only what was flushed can arrive.
        std::process::exit(0);
    });
    assert_eq!(receiver.spans().len(), 1);
    assert_eq!(receiver.logs().len(), 1);
}

#[test]
fn a_deadline_that_no_clock_can_tell_is_none() {
    let test = "a_deadline_that_no_clock_can_tell_is_none";
    arrives(test, || {
        let telemetry = throughline::init("patient").unwrap();
        emit();
        telemetry.flush(Duration::MAX).unwrap();
        let report = telemetry.shutdown_within(Duration::MAX);
        assert!(report.is_lossless(), "{report}");
        assert!(report.timed_out.is_empty(), "{report:?}");
    });
}

#[test]
fn a_second_init_is_a_typed_error_and_harms_nothing() {
    arrives("a_second_init_is_a_typed_error_and_harms_nothing", || {
        let telemetry = throughline::init("first").unwrap();
        let second = throughline::init("second");
        assert!(
            matches!(second, Err(InitError::AlreadyInitialized)),
            "{second:?}"
        );
        emit();
        end(telemetry);
    });
}

#[test]
fn a_failed_init_can_be_tried_again() {
    arrives("a_failed_init_can_be_tried_again", || {
        let failed = throughline::builder("first").filter("info,[").init();
        assert!(
            matches!(failed, Err(InitError::InvalidSetting { .. })),
            "{failed:?}"
        );
        let telemetry = throughline::init("second").unwrap();
        emit();
        end(telemetry);
    });
}

/// An address that nobody listens at: the port was free a moment ago.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn with_nothing_listening_the_service_runs_and_says_so_once_with_what_to_do() {
    let test = "with_nothing_listening_the_service_runs_and_says_so_once_with_what_to_do";
    for protocol in PROTOCOLS {
        let endpoint = nobody();
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        let outcome = in_child(test, &variables, || {
            let telemetry = throughline::init("alone").unwrap();
            for _ in 0..3 {
                emit();
                let late = telemetry.flush(Duration::from_millis(100)).unwrap_err();
                assert!(late.to_string().contains("traces, metrics, logs"), "{late}");
            }
            let report = telemetry.shutdown();
            assert_eq!(report.traces.dropped_total(), 3, "{report}");
            assert_eq!(report.logs.dropped_total(), 3, "{report}");
            assert_eq!(report.logs.emitted, 3, "{report}");
        });
        assert_eq!(outcome.lines().len(), 3, "the console goes on");
        let said = outcome.diagnostics();
        assert_eq!(said.len(), 1, "{protocol}: {said:#?}");
        assert!(said[0].contains(&endpoint), "{}", said[0]);
        assert!(said[0].contains("refused"), "{}", said[0]);
        assert!(said[0].contains("start a collector"), "{}", said[0]);
    }
}

#[test]
fn a_receiver_that_hangs_delays_the_end_by_one_deadline_only() {
    let test = "a_receiver_that_hangs_delays_the_end_by_one_deadline_only";
    // Accepts connections (the backlog does) and never answers.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hung.local_addr().unwrap());
    for protocol in PROTOCOLS {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("THROUGHLINE_SHUTDOWN_MS", "300"),
        ];
        let outcome = in_child(test, &variables, || {
            let telemetry = throughline::init("hung").unwrap();
            emit();
            let start = Instant::now();
            let report = telemetry.shutdown();
            let took = start.elapsed();
            assert!(took < Duration::from_millis(1_500), "{took:?}");
            assert!(report.timed_out.contains(&"traces"), "{report:?}");
            assert_eq!(report.traces.dropped_total(), 1, "{report}");
        });
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}

#[test]
fn at_trace_level_there_is_no_telemetry_about_telemetry() {
    let test = "at_trace_level_there_is_no_telemetry_about_telemetry";
    for protocol in PROTOCOLS {
        let (receiver, outcome) = received_by(test, protocol, &[("RUST_LOG", "trace")], || {
            let telemetry = throughline::init("quiet").unwrap();
            // Several exports, so that one export's chatter could show in the next.
            for _ in 0..3 {
                emit();
                telemetry.flush(Duration::from_secs(5)).unwrap();
            }
            telemetry.shutdown();
        });
        let logs = receiver.logs();
        assert_eq!(logs.len(), 3, "{protocol}: {logs:#?}");
        assert_eq!(outcome.lines().len(), 3, "{protocol}: {}", outcome.stdout);
        assert_eq!(receiver.spans().len(), 3);
    }
}

#[test]
fn a_disabled_sdk_leaves_the_console_and_sends_nothing() {
    let test = "a_disabled_sdk_leaves_the_console_and_sends_nothing";
    let disabled = [("OTEL_SDK_DISABLED", "true")];
    let (receiver, outcome) = received_by(test, "grpc", &disabled, || {
        let telemetry = throughline::init("disabled").unwrap();
        emit();
        assert!(telemetry.shutdown().is_lossless());
    });
    assert_eq!(outcome.lines().len(), 1);
    let contents = receiver.contents();
    assert!(contents.spans.is_empty() && contents.logs.is_empty() && contents.metrics.is_empty());
}

#[test]
fn the_filter_changes_while_the_service_runs() {
    let test = "the_filter_changes_while_the_service_runs";
    let (receiver, _) = received_by(test, "grpc", &[("RUST_LOG", "warn")], || {
        let telemetry = throughline::init("filtered").unwrap();
        emit();
        log::info!("not yet");
        telemetry.set_filter("info").unwrap();
        emit();
        log::info!("from the log crate");
        assert!(telemetry.set_filter("info,[").is_err());
        telemetry.shutdown();
    });
    assert_eq!(receiver.spans().len(), 2, "warn does not end tracing");
    let logs = receiver.logs();
    let messages: Vec<_> = logs.iter().map(|log| log.message()).collect();
    assert_eq!(messages, [Some("working"), Some("from the log crate")]);
}
