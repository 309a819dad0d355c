//! What every view tells of a log record alike: when it happened, and how bad it is.

use throughline_receiver::proto::logs::v1::LogRecord;

/// WARN, by OTLP's numbers.
pub(crate) const WARN: i32 = 13;

/// Nanoseconds since 1970.
pub(crate) fn happened(record: &LogRecord) -> u64 {
    // Zero is unknown, and the observer's time the next best, says OTLP.
    match record.time_unix_nano {
        0 => record.observed_time_unix_nano,
        time => time,
    }
}

/// The word for a severity and the class of its colour.
pub(crate) fn level(severity: i32) -> (&'static str, &'static str) {
    match severity {
        ..1 => ("log", ""),
        1..5 => ("trace", "trace"),
        5..9 => ("debug", "debug"),
        9..13 => ("info", "info"),
        13..17 => ("warn", "warn"),
        17..21 => ("error", "error"),
        21.. => ("fatal", "fatal"),
    }
}
