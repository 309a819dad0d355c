//! What was decided before anything starts: every variable is read here, once, so that the
//! rest of the crate takes typed values and no two places can disagree about a default.

mod batch;
mod endpoint;
mod env;
mod exporters;
mod features;
mod filter_address;
#[cfg_attr(not(feature = "http"), path = "inbound/absent.rs")]
pub(crate) mod inbound;
mod kubernetes;
mod limits;
mod otlp;
mod pairs;
#[cfg_attr(not(feature = "http"), path = "propagate_to/absent.rs")]
mod propagate_to;
mod propagators;
mod sampler;
#[cfg_attr(not(feature = "sentry"), path = "sentry/absent.rs")]
mod sentry;
mod setting;
mod signals;
mod summary;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
mod tls;
mod variables;
mod work;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

pub(crate) use batch::{BatchSettings, ReaderSettings};
pub(crate) use env::Env;
pub(crate) use filter_address::FILTER_ADDRESS;
pub(crate) use inbound::InboundSettings;
pub(crate) use kubernetes::KubernetesSettings;
pub(crate) use limits::LimitSettings;
pub(crate) use otlp::{Compression, OtlpSettings, Protocol};
pub(crate) use propagate_to::PropagateTo;
pub(crate) use propagators::PropagatorName;
pub(crate) use sampler::{SamplerSettings, TrustInbound};
pub(crate) use sentry::SentrySettings;
pub use setting::{Setting, Source};
pub(crate) use signals::ConsoleSettings;
use signals::Signals;
pub(crate) use summary::summary;
pub(crate) use tls::TlsSettings;
#[cfg(feature = "tls")]
pub(crate) use tls::{Pem, client_config};
pub use variables::{Support, VARIABLES, Variable};
#[cfg_attr(not(feature = "http"), allow(unused_imports, reason = "for requests"))]
pub(crate) use work::{WorkSettings, in_force, put_in_force};

use crate::InitError;
use crate::diagnostics::Level;

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

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
            Self::Off => "off",
        })
    }
}

/// Everything that the environment decides, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `OTEL_SDK_DISABLED`: no span, no export, no Sentry; the console stays.
    pub(crate) disabled: bool,
    pub(crate) log_level: Level,
    pub(crate) traces: Option<OtlpSettings>,
    pub(crate) metrics: Option<OtlpSettings>,
    pub(crate) logs: Option<OtlpSettings>,
    pub(crate) console: ConsoleSettings,
    pub(crate) spans: BatchSettings,
    pub(crate) records: BatchSettings,
    pub(crate) reader: ReaderSettings,
    pub(crate) temporality: Temporality,
    pub(crate) limits: LimitSettings,
    pub(crate) sampler: SamplerSettings,
    pub(crate) propagators: Vec<PropagatorName>,
    /// `None` once it is in force.
    pub(crate) propagate_to: Option<PropagateTo>,
    pub(crate) prometheus: Option<SocketAddr>,
    pub(crate) sentry: Option<SentrySettings>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) filter: Option<String>,
    pub(crate) filter_address: Option<SocketAddr>,
    /// Records a second of one callsite; `0` is no limit.
    pub(crate) burst_limit: u32,
    pub(crate) work: WorkSettings,
    pub(crate) inbound: InboundSettings,
    /// `THROUGHLINE_HEALTH_TOKEN`
    pub(crate) health_token: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource_attributes: Vec<(String, String)>,
    pub(crate) kubernetes: KubernetesSettings,
    pub(crate) shutdown_timeout: Duration,
    /// Values that were replaced by their default, as sentences for the diagnostics channel.
    pub(crate) warnings: Vec<String>,
    /// Each decision, with where it came from.
    pub(crate) decided: Vec<Setting>,
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
        let log_level = env.word(
            "OTEL_LOG_LEVEL",
            Level::Info,
            "none, error, warn, info or debug",
            Level::parse,
        );
        let service_name = service_name(env);
        let resource_attributes = env.resource_attributes();
        let disabled = env.flag("OTEL_SDK_DISABLED");
        let signals = Signals::read(env, disabled)?;
        let sentry = if disabled {
            None
        } else {
            SentrySettings::read(env)?
        };
        for variable in VARIABLES {
            if let Support::Not(because) = variable.support
                && env.get(variable.name).is_some()
            {
                env.warn(format!("{} has no effect: {because}", variable.name));
            }
        }
        let sampler = sampler::sampler(env);
        Ok(Self {
            disabled,
            log_level,
            traces: signals.traces,
            metrics: signals.metrics,
            logs: signals.logs,
            console: signals.console,
            spans: signals.spans,
            records: signals.records,
            reader: signals.reader,
            temporality: signals.temporality,
            limits: LimitSettings::read(env),
            inbound: InboundSettings::read(env, sampler.trust),
            sampler,
            propagators: propagators::propagators(env),
            propagate_to: Some(PropagateTo::read(env)?),
            prometheus: signals.prometheus,
            sentry,
            log_format: log_format(env),
            filter: env.get("RUST_LOG"),
            filter_address: filter_address::filter_address(env)?,
            burst_limit: burst_limit(env),
            work: WorkSettings::read(env),
            health_token: health_token(env),
            service_name,
            resource_attributes,
            kubernetes: KubernetesSettings::read(env),
            shutdown_timeout: env.millis("THROUGHLINE_SHUTDOWN_MS", SHUTDOWN_TIMEOUT),
            warnings: env.take_warnings(),
            decided: env.take_decided(),
        })
    }

    /// Puts a decision of the code, or of another default, over what is on record.
    pub(crate) fn decide(&mut self, name: &str, value: impl fmt::Display, source: Source) {
        let setting = Setting {
            name: name.to_owned(),
            value: value.to_string(),
            source,
        };
        match self.decided.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = setting,
            None => self.decided.push(setting),
        }
    }
}

fn service_name(env: &Env<'_>) -> Option<String> {
    const VARIABLE: &str = "OTEL_SERVICE_NAME";
    let name = env.get(VARIABLE)?;
    env.decide(VARIABLE, &name, Source::Variable(VARIABLE.to_owned()));
    Some(name)
}

/// What opens `/health/detailed`. On record is only that there is one.
fn health_token(env: &Env<'_>) -> Option<String> {
    const VARIABLE: &str = "THROUGHLINE_HEALTH_TOKEN";
    let token = env.get(VARIABLE)?;
    if !features::HEALTH {
        let why = features::without("health");
        env.warn(format!("{VARIABLE} has no effect: {why}"));
    }
    let source = Source::Variable(VARIABLE.to_owned());
    env.decide(VARIABLE, crate::redaction::REPLACEMENT, source);
    Some(token)
}

fn log_format(env: &Env<'_>) -> Option<LogFormat> {
    env.resolve(
        &["THROUGHLINE_LOG_FORMAT"],
        None,
        "pretty, json or off",
        |text| match text.to_ascii_lowercase().as_str() {
            "pretty" => Some(Some(LogFormat::Pretty)),
            "json" => Some(Some(LogFormat::Json)),
            "off" => Some(Some(LogFormat::Off)),
            _ => None,
        },
        |format| match format {
            Some(format) => format.to_string(),
            None => "pretty on a terminal, else json".to_owned(),
        },
    )
}

fn burst_limit(env: &Env<'_>) -> u32 {
    let per_second = env.count(&["THROUGHLINE_BURST_LIMIT"], 0, 0);
    u32::try_from(per_second).unwrap_or(u32::MAX)
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

    #[test]
    fn a_variable_without_effect_says_why() {
        let settings = read(&[("OTEL_METRICS_EXEMPLAR_FILTER", "always_on")]).unwrap();
        let said = &settings.warnings[0];
        assert!(
            said.contains("OTEL_METRICS_EXEMPLAR_FILTER has no effect"),
            "{said}"
        );
    }

    /// What is read and what the table says must be the same, in both directions.
    #[test]
    fn the_table_has_every_variable_that_is_read_and_no_other() {
        let read = std::cell::RefCell::new(std::collections::BTreeSet::new());
        for disabled in ["false", "true"] {
            let lookup = |name: &str| {
                read.borrow_mut().insert(name.to_owned());
                match name {
                    "OTEL_SDK_DISABLED" => Some(disabled.to_owned()),
                    "OTEL_METRICS_EXPORTER" => Some("otlp,prometheus".to_owned()),
                    "OTEL_TRACES_SAMPLER" => Some("traceidratio".to_owned()),
                    "SENTRY_DSN" => Some("http://key@localhost/1".to_owned()),
                    "KUBERNETES_SERVICE_HOST" => Some("10.0.0.1".to_owned()),
                    _ => None,
                }
            };
            Settings::read(&Env::new(&lookup)).unwrap();
        }
        // Read by the console, where it knows whether it writes to a terminal.
        read.borrow_mut().insert("NO_COLOR".to_owned());
        let named: std::collections::BTreeSet<String> = VARIABLES
            .iter()
            .map(|variable| variable.name.to_owned())
            .collect();
        assert_eq!(named.len(), VARIABLES.len(), "one row a variable");
        assert_eq!(*read.borrow(), named);
    }
}
