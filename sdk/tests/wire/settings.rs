//! What the environment decides, seen from outside.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{COMPRESSIONS, PROTOCOLS, in_child, is_child, received_by, text};
use throughline::InitError;
use throughline_receiver::Receiver;

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

#[cfg(feature = "sentry")]
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
        for &compression in COMPRESSIONS {
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
            let compressed = (compression != "none").then_some(compression);
            assert_eq!(request.header(encoding), compressed, "{protocol}");
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

#[test]
fn plain_text_to_a_public_host_is_refused() {
    refused(
        "plain_text_to_a_public_host_is_refused",
        &[(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://otel.example.com:4318",
        )],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_INSECURE=true",
    );
}

#[test]
fn the_line_at_start_says_what_was_decided_and_from_where() {
    let test = "the_line_at_start_says_what_was_decided_and_from_where";
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"),
        ("OTEL_BSP_SCHEDULE_DELAY", "7000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
    ];
    let (receiver, outcome) = received_by(test, "http/protobuf", &variables, || {
        throughline::builder("checkout")
            .log_format(throughline::LogFormat::Off)
            .init()
            .unwrap()
            .shutdown();
    });
    let started = outcome.started().unwrap();
    for part in [
        "OTEL_SERVICE_NAME=checkout (code)",
        "OTEL_TRACES_EXPORTER=otlp (default)",
        "OTEL_BSP_SCHEDULE_DELAY=7000 (environment)",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS=authorization (OTEL_EXPORTER_OTLP_HEADERS)",
        "THROUGHLINE_LOG_FORMAT=off (code)",
        &format!(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT={}/v1/logs (OTEL_EXPORTER_OTLP_ENDPOINT)",
            receiver.http_endpoint()
        ),
    ] {
        assert!(started.contains(part), "{part} is not in {started}");
    }
    assert!(!started.contains("OTEL_BSP_MAX_QUEUE_SIZE"), "{started}");
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn the_sdk_s_own_voice_has_a_level() {
    let test = "the_sdk_s_own_voice_has_a_level";
    for (level, line, warning, every_setting) in [
        ("none", false, false, false),
        ("error", false, false, false),
        ("warn", false, true, false),
        ("info", true, true, false),
        ("debug", true, true, true),
        ("loud", true, true, false),
    ] {
        let variables = [
            ("OTEL_LOG_LEVEL", level),
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ];
        let outcome = in_child(test, &variables, || {
            throughline::init("quiet").unwrap().shutdown();
        });
        let said = outcome.diagnostics().join("\n");
        assert_eq!(outcome.started().is_some(), line, "{level}: {said}");
        assert_eq!(said.contains("\"many\""), warning, "{level}: {said}");
        let setting = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=512 (default)";
        assert_eq!(said.contains(setting), every_setting, "{level}: {said}");
    }
}

#[test]
fn the_sampler_of_the_environment_decides() {
    let test = "the_sampler_of_the_environment_decides";
    for (sampler, argument, spans) in [
        ("always_off", "", 0),
        ("parentbased_traceidratio", "0", 0),
        ("traceidratio", "1", 1),
        ("jaeger_remote", "endpoint=http://localhost:14250", 1),
    ] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        let (receiver, outcome) = received_by(test, "grpc", &variables, || {
            let telemetry = throughline::init("sampled").unwrap();
            tracing::info_span!("work").in_scope(|| tracing::info!("working"));
            telemetry.shutdown();
        });
        assert_eq!(receiver.spans().len(), spans, "{sampler}");
        assert_eq!(receiver.logs().len(), 1, "{sampler}");
        let said = outcome.diagnostics().join("\n");
        assert_eq!(said.contains(sampler), sampler == "jaeger_remote", "{said}");
    }
}

#[test]
fn an_answer_is_waited_for_no_longer_than_the_processor_s_timeout() {
    let test = "an_answer_is_waited_for_no_longer_than_the_processor_s_timeout";
    // Accepts connections (the backlog does) and never answers.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hung.local_addr().unwrap());
    for protocol in PROTOCOLS {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_BSP_EXPORT_TIMEOUT", "200"),
            ("OTEL_BLRP_EXPORT_TIMEOUT", "200"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "200"),
        ];
        let outcome = in_child(test, &variables, || {
            let telemetry = throughline::init("hung").unwrap();
            tracing::info_span!("work").in_scope(|| tracing::info!("working"));
            // What was not answered is tried again.
            let failed = telemetry.flush(Duration::from_secs(1)).unwrap_err();
            assert!(
                matches!(failed, throughline::FlushError::Timeout { .. }),
                "{failed}"
            );
            let _ = telemetry.shutdown_within(Duration::from_millis(300));
        });
        let said = outcome.diagnostics().join("\n");
        assert!(said.contains("no answer within 200ms"), "{said}");
    }
}

#[test]
fn batches_leave_when_and_as_large_as_the_environment_says() {
    let test = "batches_leave_when_and_as_large_as_the_environment_says";
    const ARRIVED: &str = "THROUGHLINE_TEST_ARRIVED";
    // Neither flush nor shutdown: what arrives has left by itself. The child lives until
    // its parent has seen it all.
    let body = || {
        let _telemetry = throughline::init("batches").unwrap();
        metrics::counter!("work.done").increment(1);
        for _ in 0..5 {
            tracing::info_span!("work").in_scope(|| tracing::info!("working"));
        }
        let arrived = std::env::var(ARRIVED).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !Path::new(&arrived).exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::process::exit(0);
    };
    if is_child(test) {
        return body();
    }
    let receiver = Receiver::start().unwrap();
    let marker = std::env::temp_dir().join(format!("throughline-{test}-{}", std::process::id()));
    let endpoint = receiver.http_endpoint();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        (ARRIVED, marker.to_str().unwrap()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| in_child(test, &variables, body));
        // Below the delay of spans that holds by default.
        let arrived = receiver.blocking_wait_until(Duration::from_secs(4), |contents| {
            let points = contents
                .metrics
                .iter()
                .filter(|metric| metric.name == "work.done");
            contents.spans.len() == 5 && contents.logs.len() == 5 && points.count() > 2
        });
        std::fs::write(&marker, "").unwrap();
        arrived.unwrap();
    });
    std::fs::remove_file(&marker).unwrap();
    let contents = receiver.contents();
    for spans in contents
        .spans
        .chunk_by(|a, b| Arc::ptr_eq(&a.request, &b.request))
    {
        assert!(spans.len() <= 2, "{} spans in one export", spans.len());
    }
    for logs in contents
        .logs
        .chunk_by(|a, b| Arc::ptr_eq(&a.request, &b.request))
    {
        assert!(logs.len() <= 2, "{} records in one export", logs.len());
    }
}
