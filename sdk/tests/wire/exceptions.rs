//! Errors and panics on records, held against the conventions' own table:
//! <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/>.

use crate::support::received_by;
use crate::support::semconv::{Kind, Row, conditional, hold, optional};

/// One of the first two is required where the other is absent.
const EXCEPTION: &[Row] = &[
    conditional("exception.type", Kind::Text),
    conditional("exception.message", Kind::Text),
    optional("exception.stacktrace", Kind::Text),
];

/// What else is on each record.
const PLACE: [&str; 4] = [
    "code.file.path",
    "code.line.number",
    "thread.name",
    "log.category",
];

#[test]
fn exceptions_are_told_by_the_conventions() {
    let test = "exceptions_are_told_by_the_conventions";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("exceptions").unwrap();
        let digits = "x".parse::<i32>().unwrap_err();
        tracing::error!(error = throughline::error(&digits), "of a known type");
        let unknown: &(dyn std::error::Error + 'static) = &digits;
        tracing::error!(error = unknown, "of an unknown type");
        std::thread::spawn(|| panic!("broken")).join().unwrap_err();
        assert!(telemetry.shutdown().is_lossless());
    });
    for (message, due) in [
        (
            "of a known type",
            &["exception.type", "exception.message"][..],
        ),
        ("of an unknown type", &["exception.message"]),
        ("broken", &["exception.type", "exception.message"]),
    ] {
        let logs = receiver.logs();
        let log = logs.iter().find(|log| log.message() == Some(message));
        hold(EXCEPTION, &log.unwrap().attributes, due, &PLACE);
        assert_eq!(log.unwrap().severity_text, "ERROR", "{message}");
    }
}
