//! Where each signal goes, and when.

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::batch::{BatchSettings, LOG_RECORDS, ReaderSettings, SPANS, memory_of_one_signal};
use super::env::Env;
use super::exporters::{Exporters, prometheus_address};
use super::otlp::OtlpSettings;
use crate::InitError;

pub(super) struct Signals {
    pub(super) traces: Option<OtlpSettings>,
    pub(super) metrics: Option<OtlpSettings>,
    pub(super) logs: Option<OtlpSettings>,
    pub(super) console: ConsoleSettings,
    pub(super) spans: BatchSettings,
    pub(super) records: BatchSettings,
    pub(super) reader: ReaderSettings,
    pub(super) temporality: Temporality,
    pub(super) prometheus: Option<SocketAddr>,
}

impl Signals {
    pub(super) fn read(env: &Env<'_>, disabled: bool) -> Result<Self, InitError> {
        let exporters = |variable| {
            if disabled {
                Ok(Exporters::default())
            } else {
                Exporters::read(env, variable)
            }
        };
        let traces = exporters("OTEL_TRACES_EXPORTER")?;
        let metrics = exporters("OTEL_METRICS_EXPORTER")?;
        let logs = exporters("OTEL_LOGS_EXPORTER")?;
        let bytes = memory_of_one_signal(env);
        // The specification lets spans wait for five seconds; a process that is killed should
        // lose no more than its last second.
        let delay = Duration::from_millis(1_000);
        let spans = BatchSettings::read(env, &SPANS, delay, bytes);
        let records = BatchSettings::read(env, &LOG_RECORDS, delay, bytes);
        let reader = ReaderSettings::read(env);
        // Both bound how long one answer is waited for, so that the shorter one is right.
        let otlp = |wanted: bool, signal, export_timeout: Duration| {
            if !wanted {
                return Ok(None);
            }
            let mut settings = OtlpSettings::read(env, signal)?;
            settings.timeout = settings.timeout.min(export_timeout);
            Ok::<_, InitError>(Some(settings))
        };
        Ok(Self {
            traces: otlp(traces.otlp, "traces", spans.export_timeout)?,
            metrics: otlp(metrics.otlp, "metrics", reader.export_timeout)?,
            logs: otlp(logs.otlp, "logs", records.export_timeout)?,
            console: ConsoleSettings {
                traces: traces.console,
                metrics: metrics.console,
                logs: logs.console,
            },
            spans,
            records,
            reader,
            temporality: temporality(env),
            prometheus: if metrics.prometheus {
                Some(prometheus_address(env)?)
            } else {
                None
            },
        })
    }
}

/// The signals that are also, or only, written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsoleSettings {
    pub(crate) traces: bool,
    pub(crate) metrics: bool,
    pub(crate) logs: bool,
}

/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/>
fn temporality(env: &Env<'_>) -> Temporality {
    env.resolve(
        &["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
        Temporality::Cumulative,
        "cumulative, delta or lowmemory",
        |text| match text.to_ascii_lowercase().as_str() {
            "cumulative" => Some(Temporality::Cumulative),
            "delta" => Some(Temporality::Delta),
            "lowmemory" => Some(Temporality::LowMemory),
            _ => None,
        },
        |temporality| {
            let word = match temporality {
                Temporality::Delta => "delta",
                Temporality::LowMemory => "lowmemory",
                _ => "cumulative",
            };
            word.to_owned()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::env::NO_LIMIT;

    #[test]
    fn the_shorter_of_two_timeouts_bounds_an_export() {
        let variables = [
            ("OTEL_BSP_EXPORT_TIMEOUT", "2000"),
            ("OTEL_BLRP_EXPORT_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "20000"),
        ];
        let lookup = |name: &str| {
            let mut variables = variables.iter();
            let (_, value) = variables.find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        };
        let settings = Signals::read(&Env::new(&lookup), false).unwrap();
        let timeout = |otlp: &Option<OtlpSettings>| otlp.as_ref().unwrap().timeout;
        assert_eq!(timeout(&settings.traces), Duration::from_secs(2));
        assert_eq!(timeout(&settings.metrics), Duration::from_secs(10));
        assert_eq!(timeout(&settings.logs), NO_LIMIT);
    }
}
