//! Every variable that the OpenTelemetry specification names, those of Sentry's SDKs, and
//! ours, with what becomes of it. `docs/conventions.md` has the same table for people; a test compares the two, and
//! another this table with what is read.

/// A variable, and whether it has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
}

/// What becomes of a [`Variable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// It does what its specification says, where the cargo feature that it needs was built.
    Honoured,
    /// It has no effect, for this reason. Set, it warns at start.
    Not(&'static str),
}

const fn honoured(name: &'static str) -> Variable {
    Variable {
        name,
        support: Support::Honoured,
    }
}

const fn not(name: &'static str, because: &'static str) -> Variable {
    Variable {
        name,
        support: Support::Not(because),
    }
}

const ZIPKIN: &str = "the specification has deprecated the Zipkin exporter; a collector translates";
const CONFIG_FILE: &str = "declarative configuration is still in development, and has no crate for the OpenTelemetry version in use";
const OBSOLETE: &str = "the specification calls it obsolete; use OTEL_EXPORTER_OTLP_TRACES_INSECURE or OTEL_EXPORTER_OTLP_METRICS_INSECURE";

const SENTRY_TRACES: &str = "traces go by OTLP; OTEL_TRACES_SAMPLER says which are kept";
const SENTRY_PROFILES: &str = "the SDK makes no profiles";
const SENTRY_TRACE: &str = "the trace comes with a request, by OTEL_PROPAGATORS";

/// Every variable that the OpenTelemetry specification names, those that Sentry's SDKs know,
/// and those of our own.
///
/// ```
/// use throughline::{Support, VARIABLES};
///
/// let filter = VARIABLES.iter().find(|variable| variable.name == "OTEL_LOG_LEVEL").unwrap();
/// assert_eq!(filter.support, Support::Honoured);
/// ```
pub const VARIABLES: &[Variable] = &[
    // https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    honoured("OTEL_SDK_DISABLED"),
    not(
        "OTEL_ENTITIES",
        "entities are still in development, and the SDK's resource has none",
    ),
    honoured("OTEL_RESOURCE_ATTRIBUTES"),
    honoured("OTEL_SERVICE_NAME"),
    honoured("OTEL_LOG_LEVEL"),
    honoured("OTEL_PROPAGATORS"),
    honoured("OTEL_TRACES_SAMPLER"),
    honoured("OTEL_TRACES_SAMPLER_ARG"),
    honoured("OTEL_BSP_SCHEDULE_DELAY"),
    honoured("OTEL_BSP_EXPORT_TIMEOUT"),
    honoured("OTEL_BSP_MAX_QUEUE_SIZE"),
    honoured("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    honoured("OTEL_BLRP_SCHEDULE_DELAY"),
    honoured("OTEL_BLRP_EXPORT_TIMEOUT"),
    honoured("OTEL_BLRP_MAX_QUEUE_SIZE"),
    honoured("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"),
    honoured("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    honoured("OTEL_ATTRIBUTE_COUNT_LIMIT"),
    honoured("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    honoured("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
    honoured("OTEL_SPAN_EVENT_COUNT_LIMIT"),
    honoured("OTEL_SPAN_LINK_COUNT_LIMIT"),
    honoured("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
    honoured("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
    honoured("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    honoured("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"),
    not("OTEL_EXPORTER_ZIPKIN_ENDPOINT", ZIPKIN),
    not("OTEL_EXPORTER_ZIPKIN_TIMEOUT", ZIPKIN),
    not("OTEL_EXPORTER_ZIPKIN_PROTOCOL", ZIPKIN),
    honoured("OTEL_EXPORTER_PROMETHEUS_HOST"),
    honoured("OTEL_EXPORTER_PROMETHEUS_PORT"),
    honoured("OTEL_TRACES_EXPORTER"),
    honoured("OTEL_METRICS_EXPORTER"),
    honoured("OTEL_LOGS_EXPORTER"),
    not(
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "the SDK makes no exemplars; the collector's span_metrics connector does",
    ),
    honoured("OTEL_METRIC_EXPORT_INTERVAL"),
    honoured("OTEL_METRIC_EXPORT_TIMEOUT"),
    not("OTEL_CONFIG_FILE", CONFIG_FILE),
    not("OTEL_EXPERIMENTAL_CONFIG_FILE", CONFIG_FILE),
    // https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    honoured("OTEL_EXPORTER_OTLP_ENDPOINT"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
    honoured("OTEL_EXPORTER_OTLP_INSECURE"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_INSECURE"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_INSECURE"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_INSECURE"),
    not("OTEL_EXPORTER_OTLP_SPAN_INSECURE", OBSOLETE),
    not("OTEL_EXPORTER_OTLP_METRIC_INSECURE", OBSOLETE),
    honoured("OTEL_EXPORTER_OTLP_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY"),
    honoured("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE"),
    honoured("OTEL_EXPORTER_OTLP_HEADERS"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_HEADERS"),
    honoured("OTEL_EXPORTER_OTLP_COMPRESSION"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION"),
    honoured("OTEL_EXPORTER_OTLP_TIMEOUT"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"),
    honoured("OTEL_EXPORTER_OTLP_PROTOCOL"),
    honoured("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"),
    honoured("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"),
    // https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/
    honoured("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
    honoured("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"),
    // Not OpenTelemetry's.
    honoured("SENTRY_DSN"),
    honoured("SENTRY_RELEASE"),
    honoured("SENTRY_ENVIRONMENT"),
    honoured("SENTRY_DIST"),
    honoured("SENTRY_SAMPLE_RATE"),
    honoured("SENTRY_DEBUG"),
    not("SENTRY_TRACES_SAMPLE_RATE", SENTRY_TRACES),
    not("SENTRY_PROFILES_SAMPLE_RATE", SENTRY_PROFILES),
    not("SENTRY_PROFILE_SESSION_SAMPLE_RATE", SENTRY_PROFILES),
    not("SENTRY_TRACE", SENTRY_TRACE),
    not("SENTRY_BAGGAGE", SENTRY_TRACE),
    not(
        "SENTRY_MAX_BREADCRUMBS",
        "an event has the last 100 records of its request",
    ),
    not(
        "SENTRY_SEND_DEFAULT_PII",
        "what is sent is fixed and redacted; `builder(..).redact(..)` takes out more",
    ),
    not(
        "SENTRY_SERVER_NAME",
        "the server's name is the resource's host.name",
    ),
    not("SENTRY_SPOTLIGHT", "events go to SENTRY_DSN alone"),
    honoured("RUST_LOG"),
    honoured("NO_COLOR"),
    honoured("THROUGHLINE_LOG_FORMAT"),
    honoured("THROUGHLINE_MEMORY_BUDGET_BYTES"),
    honoured("THROUGHLINE_TRUST_INBOUND"),
    honoured("THROUGHLINE_TRUSTED_PROXIES"),
    honoured("THROUGHLINE_ACCESS_LOG"),
    honoured("THROUGHLINE_PROPAGATE_TO"),
    honoured("THROUGHLINE_FILTER_ADDRESS"),
    honoured("THROUGHLINE_BURST_LIMIT"),
    honoured("THROUGHLINE_SLOW_REQUEST_MS"),
    honoured("THROUGHLINE_SLOW_QUERY_MS"),
    honoured("THROUGHLINE_SLOW_OPERATION_MS"),
    honoured("THROUGHLINE_QUERY_COUNT_WARN"),
    honoured("THROUGHLINE_QUERY_TIME_WARN_MS"),
    honoured("THROUGHLINE_HEALTH_TOKEN"),
    honoured("THROUGHLINE_SHUTDOWN_MS"),
    honoured("KUBERNETES_SERVICE_HOST"),
    honoured("HOSTNAME"),
    honoured("K8S_POD_NAME"),
    honoured("K8S_POD_UID"),
    honoured("K8S_NAMESPACE_NAME"),
    honoured("K8S_NODE_NAME"),
    honoured("K8S_CONTAINER_NAME"),
    honoured("K8S_DEPLOYMENT_NAME"),
    honoured("K8S_CLUSTER_NAME"),
];
