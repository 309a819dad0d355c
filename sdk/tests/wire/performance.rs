//! Operations and measured values: span, metric and records, whatever way the work ends.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::semconv::{
    Instrument, Kind, REQUEST_SECONDS, Row, Shape, conditional, required,
};
use crate::support::{received_by, text};
use throughline::performance::{Unit, measured, timed, timed_sync, try_timed, try_timed_sync};
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::{Attributes, Receiver};

/// Ours, in the conventions' form; `error.type` is theirs:
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>.
const OPERATION: &[Row] = &[
    required("operation.name", Kind::Text),
    required(
        "operation.outcome",
        Kind::OneOf(&["success", "error", "cancelled", "panic"]),
    ),
    conditional("error.type", Kind::Text),
];

const DURATION: Instrument = Instrument {
    name: "throughline.operation.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: OPERATION,
};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

fn every_end() {
    let done = block_on(timed("async.success", async {
        tracing::info!("inside");
        tokio::task::yield_now().await;
        7
    }));
    assert_eq!(done, 7);
    assert_eq!(timed_sync("sync.success", || 8), 8);
    let failed: Result<(), &str> = block_on(try_timed("async.error", async {
        Err("refused: token=hunter2")
    }));
    assert!(failed.is_err());
    try_timed_sync("sync.error", || "x".parse::<u8>()).unwrap_err();
    assert_eq!(try_timed_sync("sync.try", || "7".parse::<u8>()), Ok(7));
    poll_once(timed("async.cancelled", pending::<()>()));
    let panics = async { poll_fn(|_| -> Poll<()> { panic!("broken") }).await };
    catch_unwind(AssertUnwindSafe(|| block_on(timed("async.panic", panics)))).unwrap_err();
    catch_unwind(|| timed_sync("sync.panic", || panic!("broken"))).unwrap_err();
    // It was waiting while something else panicked: that is not its panic.
    catch_unwind(AssertUnwindSafe(|| {
        let mut waiting = pin!(timed("async.bystander", pending::<()>()));
        let polled = waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        panic!("something else");
    }))
    .unwrap_err();
    drop(timed("never.polled", pending::<()>()));
}

const ENDS: [(&str, &str, Option<&str>); 9] = [
    ("async.success", "success", None),
    ("sync.success", "success", None),
    ("async.error", "error", Some("&str")),
    (
        "sync.error",
        "error",
        Some("core::num::error::ParseIntError"),
    ),
    ("sync.try", "success", None),
    ("async.cancelled", "cancelled", Some("cancelled")),
    ("async.panic", "panic", Some("panic")),
    ("sync.panic", "panic", Some("panic")),
    ("async.bystander", "cancelled", Some("cancelled")),
];

/// The points of a histogram: its attributes as text and its count.
fn points(receiver: &Receiver, metric: &str) -> Vec<(Vec<(String, String)>, u64)> {
    let contents = receiver.contents();
    let metric = contents.metric(metric).unwrap();
    let Some(Data::Histogram(histogram)) = &metric.data else {
        panic!("{metric:?}");
    };
    histogram
        .data_points
        .iter()
        .map(|point| {
            let mut attributes: Vec<_> = point
                .attributes
                .iter()
                .map(|it| {
                    (
                        it.key.clone(),
                        text(it.value.as_ref().and_then(|any| any.value.as_ref())),
                    )
                })
                .collect();
            attributes.sort();
            (attributes, point.count)
        })
        .collect()
}

#[test]
fn an_operation_is_told_however_it_ends() {
    let test = "an_operation_is_told_however_it_ends";
    let variables = [("RUST_LOG", "debug")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("operations").unwrap();
        every_end();
        assert!(telemetry.shutdown().is_lossless());
    });
    let (spans, logs) = (receiver.spans(), receiver.logs());
    assert_eq!(spans.len(), ENDS.len(), "{spans:#?}");
    let points = points(&receiver, "throughline.operation.duration");
    assert_eq!(points.len(), ENDS.len(), "{points:#?}");
    for (name, outcome, error) in ENDS {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        assert_eq!(text(span.attribute("operation.name")), name);
        assert_eq!(text(span.attribute("operation.outcome")), outcome, "{name}");
        let told = span.attribute("error.type").map(|value| text(Some(value)));
        assert_eq!(told.as_deref(), error, "{name}");
        let status = span.status.clone().unwrap_or_default();
        let failed = matches!(outcome, "error" | "panic");
        assert_eq!(status.code, if failed { 2 } else { 0 }, "{name}");
        assert!(!status.message.contains("hunter2"), "{name}");

        let mut labels = vec![("operation.name", name), ("operation.outcome", outcome)];
        labels.extend(error.map(|error| ("error.type", error)));
        labels.sort_unstable();
        let labels: Vec<_> = labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert!(points.contains(&(labels, 1)), "{name}: {points:#?}");

        let told: Vec<_> = logs
            .iter()
            .filter(|log| log.event_name == "operation.measured" && log.span_id == span.span_id)
            .collect();
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0].severity_text, "DEBUG");
        assert_eq!(text(told[0].attribute("operation.outcome")), outcome);
        assert_eq!(text(told[0].attribute("log.category")), "performance");
    }
    let inside = logs
        .iter()
        .find(|log| log.message() == Some("inside"))
        .unwrap();
    let span = spans
        .iter()
        .find(|span| span.name == "async.success")
        .unwrap();
    assert_eq!(inside.span_id, span.span_id);
    assert!(logs.iter().all(|log| log.event_name != "operation.slow"));
    let contents = receiver.contents();
    DURATION.hold(contents.metric(DURATION.name).unwrap(), &[]);
    let status = &spans
        .iter()
        .find(|span| span.name == "async.error")
        .unwrap()
        .status;
    assert_eq!(
        status.as_ref().unwrap().message,
        "refused: token=[redacted]"
    );
}

#[test]
fn a_slow_operation_tells_what_the_process_used() {
    let test = "a_slow_operation_tells_what_the_process_used";
    let variables = [("THROUGHLINE_SLOW_OPERATION_MS", "20")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("operations").unwrap();
        timed_sync("busy", || {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(300) {
                std::hint::black_box((0..1_000_u64).sum::<u64>());
            }
        });
        timed_sync("quick", || ());
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let slow: Vec<_> = logs
        .iter()
        .filter(|log| log.event_name == "operation.slow")
        .collect();
    assert_eq!(slow.len(), 1, "{slow:#?}");
    let slow = slow[0];
    assert_eq!(slow.severity_text, "WARN");
    assert_eq!(text(slow.attribute("log.category")), "performance");
    assert_eq!(text(slow.attribute("operation.name")), "busy");
    assert_eq!(text(slow.attribute("operation.outcome")), "success");
    let number = |name| text(slow.attribute(name)).parse::<f64>().unwrap();
    assert!((0.3..60.0).contains(&number("operation.duration")));
    assert_eq!(
        slow.span_id,
        receiver
            .spans()
            .iter()
            .find(|it| it.name == "busy")
            .unwrap()
            .span_id
    );
    if cfg!(target_os = "linux") {
        assert!(number("process.memory.usage") > 1e6, "bytes");
        let share = number("process.cpu.utilization");
        assert!(share > 0.0 && share <= 1.5, "{share}");
    }
    assert!(
        logs.iter()
            .all(|log| log.event_name != "operation.measured"),
        "the default filter leaves it out"
    );
}

#[test]
fn without_a_limit_nothing_is_slow() {
    let test = "without_a_limit_nothing_is_slow";
    let variables = [("THROUGHLINE_SLOW_OPERATION_MS", "0")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        let telemetry = throughline::init("operations").unwrap();
        timed_sync("slept", || std::thread::sleep(Duration::from_millis(5)));
        tracing::info!("done");
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    assert_eq!(logs.len(), 1, "{logs:#?}");
}

#[test]
fn a_measured_value_has_its_unit_on_metric_and_record() {
    let test = "a_measured_value_has_its_unit_on_metric_and_record";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("operations").unwrap();
        measured("report.size", 81_920.0, Unit::Bytes);
        measured("report.size", 4_096.0, Unit::Bytes);
        measured("report.rows", 1_200.0, Unit::Count);
        assert!(telemetry.shutdown().is_lossless());
    });
    let contents = receiver.contents();
    for (name, unit, count, sum) in [
        ("report.size", "By", 2, 86_016.0),
        ("report.rows", "{count}", 1, 1_200.0),
    ] {
        let metric = contents.metric(name).unwrap();
        assert_eq!(metric.unit, unit);
        let Some(Data::Histogram(histogram)) = &metric.data else {
            panic!("{metric:?}");
        };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum), (count, Some(sum)));
    }
    let logs = receiver.logs();
    assert_eq!(logs.len(), 3);
    let rows = &logs[2];
    assert_eq!(rows.event_name, "operation.measured");
    assert_eq!(rows.severity_text, "INFO");
    assert_eq!(text(rows.attribute("operation.name")), "report.rows");
    assert_eq!(text(rows.attribute("operation.value")), "1200");
    assert_eq!(text(rows.attribute("operation.unit")), "{count}");
    assert!(outcome.diagnostics().is_empty(), "{outcome:#?}");
}

#[test]
fn the_example_of_performance_sends_what_it_says() {
    let variables = [("THROUGHLINE_SLOW_OPERATION_MS", "20")];
    let receiver = crate::support::example::run("performance", &variables).0;
    let spans = receiver.spans();
    let outcome = |name| {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        text(span.attribute("operation.outcome"))
    };
    assert_eq!(outcome("story_generation"), "success");
    assert_eq!(outcome("rate_lookup"), "error");
    assert_eq!(outcome("slow_lookup"), "cancelled");
    let logs = receiver.logs();
    let mut slow = logs.iter().filter(|log| log.event_name == "operation.slow");
    assert!(slow.any(|log| text(log.attribute("operation.name")) == "story_generation"));
    let contents = receiver.contents();
    assert_eq!(contents.metric("pdf.size").unwrap().unit, "By");
}
