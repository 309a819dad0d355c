//! What the environment asks for and this set of features lacks is said with the feature's
//! name: as an error where data would go nowhere, else as a warning.

use crate::support::in_child;

#[derive(Debug, PartialEq)]
enum Said {
    Nothing,
    Warning,
    Error,
}

/// A feature, whether it is built, the variable that asks for it, and what is said in vain.
const ASKED: [(&str, bool, (&str, &str), Said); 7] = [
    (
        "grpc",
        cfg!(feature = "grpc"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        Said::Error,
    ),
    (
        "tls",
        cfg!(feature = "tls"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
        Said::Error,
    ),
    (
        "gzip",
        cfg!(feature = "gzip"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        Said::Warning,
    ),
    (
        "zstd",
        cfg!(feature = "zstd"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        Said::Warning,
    ),
    (
        "http",
        cfg!(feature = "http"),
        ("THROUGHLINE_ACCESS_LOG", "false"),
        Said::Warning,
    ),
    (
        "sentry",
        cfg!(feature = "sentry"),
        ("SENTRY_DSN", "http://hunter2@127.0.0.1:9/1"),
        Said::Warning,
    ),
    (
        "health",
        cfg!(feature = "health"),
        ("THROUGHLINE_HEALTH_TOKEN", "hunter2"),
        Said::Warning,
    ),
];

#[test]
fn what_was_not_built_is_said_with_the_features_name() {
    let test = "what_was_not_built_is_said_with_the_features_name";
    for (feature, built, asked, in_vain) in ASKED {
        let variables = [asked, ("THROUGHLINE_SHUTDOWN_MS", "1")];
        let outcome = in_child(test, &variables, || match throughline::init("asked") {
            Ok(telemetry) => drop(telemetry.shutdown()),
            Err(error) => println!("\nERROR {error}"),
        });
        let naming = |line: &&str| line.contains(asked.0) && line.contains(&format!("`{feature}`"));
        let errors = outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with("ERROR "));
        let said = match (
            errors.filter(naming).count(),
            outcome
                .diagnostics()
                .iter()
                .filter(|line| naming(line))
                .count(),
        ) {
            (0, 0) => Said::Nothing,
            (0, 1) => Said::Warning,
            (1, 0) => Said::Error,
            other => panic!("{feature}: said {other:?} times"),
        };
        let expected = if built { Said::Nothing } else { in_vain };
        assert_eq!(said, expected, "{feature}: {outcome:#?}");
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}
