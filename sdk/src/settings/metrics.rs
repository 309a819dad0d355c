//! The variables of metrics beside the exporter's own:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#periodic-exporting-metricreader>
//! and <https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/>.

use std::time::Duration;

use super::env::Env;

/// How metrics are read and aggregated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricSettings {
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub(crate) interval: Duration,
    /// `OTEL_METRIC_EXPORT_TIMEOUT`; the exporter's own timeout counts where it is shorter.
    pub(crate) timeout: Duration,
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.
    pub(crate) exponential_histograms: bool,
}

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(30);
const AGGREGATION: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

impl MetricSettings {
    pub(crate) fn read(env: &Env<'_>) -> Self {
        warn_of_unknown_temporality(env);
        Self {
            interval: positive(env, "OTEL_METRIC_EXPORT_INTERVAL", INTERVAL),
            timeout: positive(env, "OTEL_METRIC_EXPORT_TIMEOUT", TIMEOUT),
            exponential_histograms: exponential(env),
        }
    }
}

/// An interval of zero would be a loop without a pause.
fn positive(env: &Env<'_>, variable: &str, default: Duration) -> Duration {
    let value = env.millis(variable, default);
    if value.is_zero() {
        env.warn(format!(
            "{variable}=0 is not usable (expected milliseconds above 0); {} is used",
            default.as_millis()
        ));
        return default;
    }
    value
}

fn exponential(env: &Env<'_>) -> bool {
    let Some(value) = env.get(AGGREGATION) else {
        return false;
    };
    if value.eq_ignore_ascii_case("base2_exponential_bucket_histogram") {
        return true;
    }
    if !value.eq_ignore_ascii_case("explicit_bucket_histogram") {
        env.warn(format!(
            "{AGGREGATION}={value:?} is unknown (expected explicit_bucket_histogram or base2_exponential_bucket_histogram); explicit_bucket_histogram is used"
        ));
    }
    false
}

/// The OTLP crate reads this one itself, and falls back in silence.
fn warn_of_unknown_temporality(env: &Env<'_>) {
    const KNOWN: [&str; 3] = ["cumulative", "delta", "lowmemory"];
    if let Some(value) = env.get(TEMPORALITY)
        && !KNOWN.iter().any(|known| value.eq_ignore_ascii_case(known))
    {
        env.warn(format!(
            "{TEMPORALITY}={value:?} is unknown (expected cumulative, delta or lowmemory); cumulative is used"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (MetricSettings, Vec<String>) {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let env = Env::new(&lookup);
        (MetricSettings::read(&env), env.take_warnings())
    }

    #[test]
    fn the_defaults_are_the_specifications() {
        let (settings, warnings) = read(&[]);
        assert_eq!(settings.interval, Duration::from_secs(60));
        assert_eq!(settings.timeout, Duration::from_secs(30));
        assert!(!settings.exponential_histograms);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn values_are_taken_whatever_their_case() {
        let (settings, warnings) = read(&[
            ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "100"),
            (AGGREGATION, "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM"),
            (TEMPORALITY, "LowMemory"),
        ]);
        assert_eq!(settings.interval, Duration::from_millis(250));
        assert_eq!(settings.timeout, Duration::from_millis(100));
        assert!(settings.exponential_histograms);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn what_cannot_be_used_warns_and_falls_back() {
        let (settings, warnings) = read(&[
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
            (AGGREGATION, "native"),
            (TEMPORALITY, "sometimes"),
        ]);
        assert_eq!(settings.interval, INTERVAL);
        assert!(!settings.exponential_histograms);
        for variable in ["OTEL_METRIC_EXPORT_INTERVAL", AGGREGATION, TEMPORALITY] {
            assert!(
                warnings.iter().any(|said| said.contains(variable)),
                "{warnings:?}"
            );
        }
    }
}
