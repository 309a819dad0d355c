//! What the environment decides, seen from outside.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{PROTOCOLS, in_child, received_by, text};
use throughline::InitError;

/// `init` in a process with this variable fails, and the message names the variable and
/// what was expected.
fn refused(test: &str, variables: &[(&str, &str)], variable: &str, expected: &str) {
    let outcome = in_child(test, variables, || {
        let error = throughline::init("refused").unwrap_err();
        assert!(
            matches!(error, InitError::InvalidVariable { .. }),
            "{error:?}"
        );
        println!("\nERROR {error}");
        // The service decides: it may go on without.
        tracing::info!("nobody listens, nobody minds");
    });
    let message = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("ERROR "))
        .unwrap();
    assert!(message.contains(variable), "{message}");
    assert!(message.contains(expected), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_bad_endpoint_is_refused() {
    refused(
        "a_bad_endpoint_is_refused",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://localhost:4318",
    );
}

#[test]
fn a_bad_header_is_refused() {
    refused(
        "a_bad_header_is_refused",
        &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization hunter2")],
        "OTEL_EXPORTER_OTLP_HEADERS",
        "name=value",
    );
}

#[test]
fn a_bad_dsn_is_refused() {
    refused(
        "a_bad_dsn_is_refused",
        &[("SENTRY_DSN", "hunter2@sentry.example")],
        "SENTRY_DSN",
        "https://KEY@sentry.example/1",
    );
}

#[test]
fn a_bad_filter_is_refused() {
    refused(
        "a_bad_filter_is_refused",
        &[("RUST_LOG", "info,shop=loud")],
        "RUST_LOG",
        "info,my_crate=debug",
    );
}

#[test]
fn a_taken_prometheus_port_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    in_child("a_taken_prometheus_port_is_refused", &variables, || {
        let error = throughline::init("refused").unwrap_err();
        assert!(
            matches!(error, InitError::PrometheusBind { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("OTEL_EXPORTER_PROMETHEUS_PORT"));
    });
}

#[test]
fn headers_and_compression_reach_the_receiver() {
    let test = "headers_and_compression_reach_the_receiver";
    for protocol in PROTOCOLS {
        for compression in ["gzip", "zstd"] {
            let variables = [
                (
                    "OTEL_EXPORTER_OTLP_HEADERS",
                    "x-tenant=caf%20shop,authorization=Bearer%20abc",
                ),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ];
            let (receiver, _) = received_by(test, protocol, &variables, || {
                let telemetry = throughline::init("headers").unwrap();
                tracing::info_span!("work").in_scope(|| tracing::info!("working"));
                let report = telemetry.shutdown();
                assert!(report.is_lossless(), "{report}");
            });
            let spans = receiver.spans();
            let request = &spans[0].request;
            assert_eq!(request.header("x-tenant"), Some("caf shop"), "{protocol}");
            assert_eq!(
                request.header("authorization"),
                Some("Bearer abc"),
                "{protocol}"
            );
            let encoding = match protocol {
                "grpc" => "grpc-encoding",
                _ => "content-encoding",
            };
            assert_eq!(request.header(encoding), Some(compression), "{protocol}");
        }
    }
}

#[test]
fn the_operator_renames_the_service() {
    let test = "the_operator_renames_the_service";
    let variables = [("OTEL_SERVICE_NAME", "canary")];
    let (receiver, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("checkout").unwrap();
        tracing::info!("working");
        telemetry.shutdown();
    });
    let logs = receiver.logs();
    assert_eq!(text(logs[0].resource_attribute("service.name")), "canary");
    assert_eq!(outcome.lines()[0]["service"], "canary");
}

#[test]
fn one_signal_can_be_switched_off_and_ids_stay() {
    let test = "one_signal_can_be_switched_off_and_ids_stay";
    let variables = [("OTEL_TRACES_EXPORTER", "none")];
    let (receiver, _) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("no-traces").unwrap();
        tracing::info_span!("work").in_scope(|| tracing::info!("working"));
        telemetry.shutdown();
    });
    assert!(receiver.spans().is_empty());
    assert_eq!(receiver.logs()[0].trace_id.len(), 16);
}

#[test]
fn an_unusable_number_warns_and_falls_back() {
    let test = "an_unusable_number_warns_and_falls_back";
    let variables = [("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")];
    let (receiver, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("fallback").unwrap();
        tracing::info!("working");
        telemetry.flush(Duration::from_secs(5)).unwrap();
        telemetry.shutdown();
    });
    assert_eq!(receiver.logs().len(), 1);
    let said = outcome.diagnostics().join("\n");
    assert!(said.contains("OTEL_EXPORTER_OTLP_TIMEOUT"), "{said}");
}
