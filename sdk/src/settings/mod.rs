//! What was decided before anything starts: every variable is read here, once, so that the
//! rest of the crate takes typed values and no two places can disagree about a default.

mod env;
mod metrics;
mod otlp;
mod sentry;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(crate) use env::Env;
pub(crate) use metrics::MetricSettings;
pub(crate) use otlp::{Compression, OtlpSettings, Protocol};
pub(crate) use sentry::SentrySettings;

use crate::InitError;

/// How log records appear on standard output (`THROUGHLINE_LOG_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people: one coloured line a record. The default on a terminal.
    Pretty,
    /// For machines: one JSON object a line. The default everywhere else.
    Json,
    /// Nothing on standard output.
    Off,
}

/// Everything that the environment decides, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `OTEL_SDK_DISABLED`: no span, no export, no Sentry; the console stays.
    pub(crate) disabled: bool,
    pub(crate) traces: Option<OtlpSettings>,
    pub(crate) metrics: Option<OtlpSettings>,
    pub(crate) metric_reading: MetricSettings,
    pub(crate) logs: Option<OtlpSettings>,
    pub(crate) prometheus: Option<SocketAddr>,
    pub(crate) sentry: Option<SentrySettings>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) filter: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource_attributes: Vec<(String, String)>,
    pub(crate) shutdown_timeout: Duration,
    /// Values that were replaced by their default, as sentences for the diagnostics channel.
    pub(crate) warnings: Vec<String>,
}

/// `THROUGHLINE_SHUTDOWN_MS`: below the 10 s that container runtimes grant, with room for
/// the service's own work.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(5_000);

impl Settings {
    /// Reads all settings. Follows
    /// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>:
    /// an empty value counts as unset, and a value that cannot be parsed falls back with a
    /// warning, unless the fallback would send data elsewhere than was meant.
    pub(crate) fn read(env: &Env<'_>) -> Result<Self, InitError> {
        let disabled = env.flag("OTEL_SDK_DISABLED");
        let traces = exporter(env, disabled, "OTEL_TRACES_EXPORTER", "traces", &["otlp"])?;
        let logs = exporter(env, disabled, "OTEL_LOGS_EXPORTER", "logs", &["otlp"])?;
        let metric_exporters = names(
            env,
            "OTEL_METRICS_EXPORTER",
            &["otlp", "prometheus"],
            disabled,
        )?;
        let metrics = otlp_if(env, &metric_exporters, "metrics")?;
        let prometheus = if metric_exporters.iter().any(|name| name == "prometheus") {
            Some(prometheus_address(env)?)
        } else {
            None
        };
        let sentry = if disabled {
            None
        } else {
            SentrySettings::read(env)?
        };
        let log_format = match env.get("THROUGHLINE_LOG_FORMAT").as_deref() {
            None => None,
            Some("pretty") => Some(LogFormat::Pretty),
            Some("json") => Some(LogFormat::Json),
            Some("off") => Some(LogFormat::Off),
            Some(other) => {
                env.warn(format!(
                    "THROUGHLINE_LOG_FORMAT={other:?} is unknown (expected pretty, json or off); the default is used"
                ));
                None
            }
        };
        Ok(Self {
            disabled,
            traces,
            metrics,
            metric_reading: MetricSettings::read(env),
            logs,
            prometheus,
            sentry,
            log_format,
            filter: env.get("RUST_LOG"),
            service_name: env.get("OTEL_SERVICE_NAME"),
            resource_attributes: env.resource_attributes(),
            shutdown_timeout: env.millis("THROUGHLINE_SHUTDOWN_MS", SHUTDOWN_TIMEOUT),
            warnings: env.take_warnings(),
        })
    }
}

fn exporter(
    env: &Env<'_>,
    disabled: bool,
    variable: &'static str,
    signal: &'static str,
    known: &[&str],
) -> Result<Option<OtlpSettings>, InitError> {
    otlp_if(env, &names(env, variable, known, disabled)?, signal)
}

fn otlp_if(
    env: &Env<'_>,
    exporters: &[String],
    signal: &'static str,
) -> Result<Option<OtlpSettings>, InitError> {
    if exporters.iter().any(|name| name == "otlp") {
        OtlpSettings::read(env, signal).map(Some)
    } else {
        Ok(None)
    }
}

/// The exporters that a list variable names. An unknown one is an error: a fallback would
/// send the data to a place that nobody asked for.
fn names(
    env: &Env<'_>,
    variable: &'static str,
    known: &[&str],
    disabled: bool,
) -> Result<Vec<String>, InitError> {
    if disabled {
        return Ok(Vec::new());
    }
    let Some(value) = env.get(variable) else {
        return Ok(vec!["otlp".to_owned()]);
    };
    let names: Vec<String> = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "none")
        .map(str::to_owned)
        .collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(InitError::InvalidVariable {
            variable: variable.to_owned(),
            reason: format!("there is no exporter called {unknown:?}"),
            expected: if known.contains(&"prometheus") {
                "none, or a list of otlp and prometheus"
            } else {
                "otlp or none"
            },
        }),
        None => Ok(names),
    }
}

fn prometheus_address(env: &Env<'_>) -> Result<SocketAddr, InitError> {
    let invalid = |variable: &str, value: &str, expected| InitError::InvalidVariable {
        variable: variable.to_owned(),
        reason: format!("{value:?} cannot be listened at"),
        expected,
    };
    let host = match env.get("OTEL_EXPORTER_PROMETHEUS_HOST") {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) if host == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) => host.parse().map_err(|_| {
            invalid(
                "OTEL_EXPORTER_PROMETHEUS_HOST",
                &host,
                "localhost or an IP address such as 127.0.0.1 (the default)",
            )
        })?,
    };
    let port = match env.get("OTEL_EXPORTER_PROMETHEUS_PORT") {
        None => 9464,
        Some(port) => port.parse().map_err(|_| {
            invalid(
                "OTEL_EXPORTER_PROMETHEUS_PORT",
                &port,
                "a port number such as 9464 (the default)",
            )
        })?,
    };
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, InitError> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&Env::new(&lookup))
    }

    #[test]
    fn an_empty_environment_exports_all_three_signals_by_otlp() {
        let settings = read(&[]).unwrap();
        assert!(settings.traces.is_some() && settings.metrics.is_some() && settings.logs.is_some());
        assert_eq!(settings.prometheus, None);
        assert!(settings.sentry.is_none());
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(5));
    }

    #[test]
    fn disabling_the_sdk_leaves_no_exporter_and_no_sentry() {
        let settings = read(&[
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
            ("SENTRY_DSN", "http://key@127.0.0.1:8000/1"),
        ])
        .unwrap();
        assert!(settings.traces.is_none() && settings.metrics.is_none() && settings.logs.is_none());
        assert_eq!(settings.prometheus, None);
        assert!(settings.sentry.is_none());
    }

    #[test]
    fn a_signal_is_switched_off_by_none() {
        let settings = read(&[("OTEL_TRACES_EXPORTER", "none")]).unwrap();
        assert!(settings.traces.is_none());
        assert!(settings.logs.is_some());
    }

    #[test]
    fn an_unknown_exporter_is_an_error_that_names_the_variable() {
        let error = read(&[("OTEL_LOGS_EXPORTER", "splunk")]).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("OTEL_LOGS_EXPORTER") && said.contains("otlp or none"),
            "{said}"
        );
    }

    #[test]
    fn the_prometheus_endpoint_binds_to_loopback_unless_told_otherwise() {
        let settings = read(&[("OTEL_METRICS_EXPORTER", "prometheus")]).unwrap();
        assert!(settings.metrics.is_none());
        assert_eq!(settings.prometheus, Some("127.0.0.1:9464".parse().unwrap()));
        let error = read(&[
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
        ])
        .unwrap_err();
        assert!(error.to_string().contains("OTEL_EXPORTER_PROMETHEUS_PORT"));
    }

    #[test]
    fn an_unknown_log_format_warns_and_falls_back() {
        let settings = read(&[("THROUGHLINE_LOG_FORMAT", "xml")]).unwrap();
        assert_eq!(settings.log_format, None);
        assert!(settings.warnings[0].contains("THROUGHLINE_LOG_FORMAT"));
    }
}
