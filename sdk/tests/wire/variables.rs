//! The walk over the whole table: each variable that is honoured decides what it should,
//! and `Telemetry::settings()` says so. What a decision then does is tested by subject:
//! `settings`, `limits`, `propagation`, `tls`, `resource`, `metrics`, `sentry`.

// The two walks need every feature; `features.rs` has what each says where it is not built.
#![cfg_attr(
    not(all(
        feature = "gzip",
        feature = "grpc",
        feature = "http",
        feature = "sentry",
        feature = "tls",
        feature = "zstd"
    )),
    allow(dead_code, unused_imports)
)]

use std::collections::BTreeSet;

use crate::support::pki::Pki;
use crate::support::{in_child, is_child};
use throughline::{Setting, Source, Support, VARIABLES};

/// A variable, a value that is not the default, the setting that it decides, and how that
/// reads. An empty name or reading is the variable's own.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// What a variable decides when nothing more specific is set.
const GENERAL: &[Case] = &[
    ("OTEL_SERVICE_NAME", "canary", "", ""),
    (
        "OTEL_RESOURCE_ATTRIBUTES",
        "team=hunter2,zone=b",
        "",
        "team,zone",
    ),
    ("OTEL_LOG_LEVEL", "DEBUG", "", "debug"),
    ("THROUGHLINE_HEALTH_TOKEN", "hunter2", "", "[redacted]"),
    ("OTEL_PROPAGATORS", "b3,xray,b3", "", "b3,xray"),
    ("OTEL_TRACES_SAMPLER", "traceidratio", "", ""),
    ("OTEL_TRACES_SAMPLER_ARG", "0.25", "", ""),
    ("OTEL_BSP_SCHEDULE_DELAY", "11", "", ""),
    ("OTEL_BSP_EXPORT_TIMEOUT", "0", "", "no limit"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "13", "", ""),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "12", "", ""),
    ("OTEL_BLRP_SCHEDULE_DELAY", "15", "", ""),
    ("OTEL_BLRP_EXPORT_TIMEOUT", "16", "", ""),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "18", "", ""),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "17", "", ""),
    (
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "19",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
    ),
    (
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "20",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "",
    ),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1", "", ""),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", "0", "", ""),
    ("OTEL_TRACES_EXPORTER", "otlp,console", "", ""),
    ("OTEL_METRICS_EXPORTER", "otlp,prometheus", "", ""),
    ("OTEL_LOGS_EXPORTER", "console, otlp", "", "console,otlp"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "21", "", ""),
    ("OTEL_METRIC_EXPORT_TIMEOUT", "22", "", ""),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "https://127.0.0.1:9/hunter2",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "https://127.0.0.1:9/…/v1/traces",
    ),
    (
        "OTEL_EXPORTER_OTLP_INSECURE",
        "true",
        "OTEL_EXPORTER_OTLP_LOGS_INSECURE",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "FILE ca.pem",
        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "FILE client.key",
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "FILE client.pem",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=hunter2,x-tenant=hunter2",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "authorization,x-tenant",
    ),
    (
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "gzip",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "23",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "HTTP/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "http/protobuf",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "delta",
        "",
        "",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
        "",
        "",
    ),
    (
        "SENTRY_DSN",
        "http://hunter2@127.0.0.1:9/7",
        "",
        "http://127.0.0.1:9/7",
    ),
    ("SENTRY_RELEASE", "shop@7", "", ""),
    ("SENTRY_ENVIRONMENT", "staging", "", ""),
    ("SENTRY_DIST", "arm64", "", ""),
    ("SENTRY_SAMPLE_RATE", "0.25", "", ""),
    ("SENTRY_DEBUG", "TRUE", "", "true"),
    ("RUST_LOG", "info,shop=debug", "", ""),
    ("THROUGHLINE_LOG_FORMAT", "JSON", "", "json"),
    ("THROUGHLINE_MEMORY_BUDGET_BYTES", "1048576", "", ""),
    ("THROUGHLINE_TRUST_INBOUND", "NONE", "", "none"),
    ("THROUGHLINE_PROPAGATE_TO", "private,*.example.com", "", ""),
    ("THROUGHLINE_FILTER_ADDRESS", "127.0.0.1:0", "", ""),
    ("THROUGHLINE_BURST_LIMIT", "7", "", ""),
    #[cfg(feature = "http")]
    ("THROUGHLINE_TRUSTED_PROXIES", "10.0.0.0/8", "", ""),
    #[cfg(feature = "http")]
    ("THROUGHLINE_ACCESS_LOG", "FALSE", "", "false"),
    ("THROUGHLINE_SLOW_REQUEST_MS", "71", "", ""),
    ("THROUGHLINE_SLOW_QUERY_MS", "72", "", ""),
    ("THROUGHLINE_SLOW_OPERATION_MS", "73", "", ""),
    ("THROUGHLINE_QUERY_COUNT_WARN", "74", "", ""),
    ("THROUGHLINE_QUERY_TIME_WARN_MS", "75", "", ""),
    ("THROUGHLINE_SHUTDOWN_MS", "250", "", ""),
];

/// Together with the general ones, over which these win.
const SPECIFIC: &[Case] = &[
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "31", "", ""),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "32", "", ""),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", "33", "", ""),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "34", "", ""),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "35", "", ""),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "36", "", ""),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "37", "", ""),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "38", "", ""),
    ("K8S_POD_NAME", "checkout-1", "", ""),
    ("K8S_POD_UID", "9b8d2f0e", "", ""),
    ("K8S_NAMESPACE_NAME", "shop", "", ""),
    ("K8S_NODE_NAME", "node-7", "", ""),
    ("K8S_CONTAINER_NAME", "main", "", ""),
    ("K8S_DEPLOYMENT_NAME", "checkout", "", ""),
    ("K8S_CLUSTER_NAME", "eu-1", "", ""),
];

/// The endings of OTLP's variables, each per signal.
const PER_SIGNAL: &[(&str, &str, &str)] = &[
    (
        "ENDPOINT",
        "https://127.0.0.1:9?key=hunter2",
        "https://127.0.0.1:9?…",
    ),
    ("INSECURE", "TRUE", "true"),
    ("CERTIFICATE", "FILE ca.pem", ""),
    ("CLIENT_KEY", "FILE server.key", ""),
    ("CLIENT_CERTIFICATE", "FILE server.pem", ""),
    ("HEADERS", "x-own=hunter2", "x-own"),
    ("COMPRESSION", "zstd", ""),
    ("TIMEOUT", "41", ""),
    ("PROTOCOL", "grpc", ""),
];

/// Not settings: they tell where the process runs, or the console how to write.
const ELSEWHERE: &[&str] = &["KUBERNETES_SERVICE_HOST", "HOSTNAME", "NO_COLOR"];

struct Check {
    variable: String,
    value: String,
    setting: String,
    reads: String,
}

fn check(variable: &str, value: &str, setting: &str, reads: &str, pki: Option<&Pki>) -> Check {
    let value = match (value.strip_prefix("FILE "), pki) {
        (Some(file), Some(pki)) => pki.path(file),
        // The child finds what its parent has set.
        (Some(_), None) => std::env::var(variable).unwrap_or_default(),
        (None, _) => value.to_owned(),
    };
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    Check {
        variable: variable.to_owned(),
        setting: or(setting, variable),
        reads: or(reads, &value),
        value,
    }
}

fn of(cases: &[Case], pki: Option<&Pki>) -> Vec<Check> {
    let checks = cases
        .iter()
        .map(|(variable, value, setting, reads)| check(variable, value, setting, reads, pki));
    checks.collect()
}

fn per_signal(pki: Option<&Pki>) -> Vec<Check> {
    let mut checks = Vec::new();
    for signal in ["TRACES", "METRICS", "LOGS"] {
        for (ending, value, reads) in PER_SIGNAL {
            let variable = format!("OTEL_EXPORTER_OTLP_{signal}_{ending}");
            checks.push(check(&variable, value, "", reads, pki));
        }
    }
    checks
}

fn decided<'a>(settings: &'a [Setting], name: &str) -> &'a Setting {
    settings
        .iter()
        .find(|setting| setting.name == name)
        .unwrap_or_else(|| panic!("no setting {name} in {settings:#?}"))
}

/// Starts with these variables and looks at what was decided.
fn walk(test: &str, set: &[Check], expected: &[Check]) {
    let variables: Vec<(&str, &str)> = set
        .iter()
        .map(|check| (check.variable.as_str(), check.value.as_str()))
        .collect();
    let outcome = in_child(test, &variables, || {
        let telemetry = throughline::init("walk").unwrap();
        for check in expected {
            let setting = decided(telemetry.settings(), &check.setting);
            assert_eq!(setting.value, check.reads, "{setting}");
            assert_eq!(
                setting.source,
                Source::Variable(check.variable.clone()),
                "{setting}"
            );
        }
    });
    let started = outcome.started().unwrap();
    for check in expected {
        let said = format!("{}={}", check.setting, check.reads);
        assert!(started.contains(&said), "{said} is not in {started}");
    }
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
}

#[cfg(all(
    feature = "gzip",
    feature = "grpc",
    feature = "http",
    feature = "sentry",
    feature = "tls",
    feature = "zstd"
))]
#[test]
fn each_general_variable_decides_its_setting() {
    let test = "each_general_variable_decides_its_setting";
    let pki = (!is_child(test)).then(|| Pki::new(test));
    let checks = of(GENERAL, pki.as_ref());
    walk(test, &checks, &checks);
}

#[cfg(all(
    feature = "gzip",
    feature = "grpc",
    feature = "http",
    feature = "sentry",
    feature = "tls",
    feature = "zstd"
))]
#[test]
fn each_specific_variable_wins_over_the_general_one() {
    let test = "each_specific_variable_wins_over_the_general_one";
    let pki = (!is_child(test)).then(|| Pki::new(test));
    let mut expected = of(SPECIFIC, pki.as_ref());
    expected.extend(per_signal(pki.as_ref()));
    let mut set = of(GENERAL, pki.as_ref());
    set.push(check("KUBERNETES_SERVICE_HOST", "10.0.0.1", "", "", None));
    set.extend(of(SPECIFIC, pki.as_ref()));
    set.extend(per_signal(pki.as_ref()));
    walk(test, &set, &expected);
}

#[test]
fn disabling_is_a_decision_too() {
    let checks = of(&[("OTEL_SDK_DISABLED", "true", "", "")], None);
    walk("disabling_is_a_decision_too", &checks, &checks);
}

#[test]
fn no_honoured_variable_is_left_out_of_the_walk() {
    let mut walked: BTreeSet<String> = ELSEWHERE.iter().map(|name| (*name).to_owned()).collect();
    walked.insert("OTEL_SDK_DISABLED".to_owned());
    if !cfg!(feature = "http") {
        // Without a server layer they only warn.
        walked.insert("THROUGHLINE_TRUSTED_PROXIES".to_owned());
        walked.insert("THROUGHLINE_ACCESS_LOG".to_owned());
    }
    let cases = [of(GENERAL, None), of(SPECIFIC, None), per_signal(None)];
    for check in cases.into_iter().flatten() {
        walked.insert(check.variable);
    }
    let honoured: BTreeSet<String> = VARIABLES
        .iter()
        .filter(|variable| variable.support == Support::Honoured)
        .map(|variable| variable.name.to_owned())
        .collect();
    assert_eq!(walked, honoured);
}

#[test]
fn what_is_not_honoured_says_so_with_its_reason() {
    let test = "what_is_not_honoured_says_so_with_its_reason";
    let variables: Vec<(&str, &str)> = VARIABLES
        .iter()
        .filter(|variable| variable.support != Support::Honoured)
        .map(|variable| (variable.name, "hunter2"))
        .chain([("OTEL_SDK_DISABLED", "true")])
        .collect();
    let outcome = in_child(test, &variables, || {
        throughline::init("walk").unwrap().shutdown();
    });
    let said = outcome.diagnostics().join("\n");
    for variable in VARIABLES {
        if let Support::Not(because) = variable.support {
            let expected = format!("{} has no effect: {because}", variable.name);
            assert!(said.contains(&expected), "{expected}\n{said}");
        }
    }
    assert!(!said.contains("hunter2"), "{said}");
}
