//! What tells the streams apart reaches the receiver: the category, the name, the severity.

use crate::support::{received_by, text};
use throughline_receiver::Attributes;

#[test]
fn a_record_keeps_its_stream_and_a_critical_one_is_fatal() {
    let test = "a_record_keeps_its_stream_and_a_critical_one_is_fatal";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("streams").unwrap();
        tracing::warn!(
            name: "attack.sql_injection",
            { log.category = "security", event.severity = "critical" },
            "blocked"
        );
        tracing::error!(
            name: "auth.login.failed",
            { log.category = "security", event.severity = "high" },
            "refused"
        );
        log::info!(target: "library", "by the log crate");
        let report = telemetry.shutdown();
        assert!(report.is_lossless(), "{report}");
    });
    let logs = receiver.logs();
    let of = |message: &str| {
        let found = logs.iter().find(|log| log.message() == Some(message));
        found.unwrap_or_else(|| panic!("no record {message:?} in {logs:#?}"))
    };
    let blocked = of("blocked");
    assert_eq!(blocked.event_name, "attack.sql_injection");
    assert_eq!(text(blocked.attribute("log.category")), "security");
    assert_eq!(text(blocked.attribute("event.severity")), "critical");
    assert_eq!(
        (blocked.severity_number, blocked.severity_text.as_str()),
        (21, "FATAL")
    );
    let refused = of("refused");
    assert_eq!(
        (refused.severity_number, refused.severity_text.as_str()),
        (17, "ERROR")
    );
    // What the `log` crate puts into fields is metadata, and not repeated.
    let library = of("by the log crate");
    let repeated: Vec<_> = library
        .attributes
        .iter()
        .filter(|attribute| attribute.key.starts_with("log."))
        .collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    // `tracing`'s level stays what the program chose.
    let lines = outcome.lines();
    let line = lines.iter().find(|line| line["message"] == "blocked");
    assert_eq!(line.unwrap()["level"], "WARN");
    assert_eq!(line.unwrap()["log.category"], "security");
}
