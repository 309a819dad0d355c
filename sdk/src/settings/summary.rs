//! The line at start: what was decided, and from where it came.

use super::setting::{Setting, Source};

/// Said also where nobody decided it, since it answers the first question: where does it go?
const ALWAYS: [&str; 8] = [
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
];

/// All that is not a default, and the few that are always said.
pub(crate) fn summary(decided: &[Setting]) -> String {
    let (said, left): (Vec<&Setting>, Vec<&Setting>) = decided.iter().partition(|setting| {
        setting.source != Source::Default || ALWAYS.contains(&setting.name.as_str())
    });
    let said: Vec<String> = said.into_iter().map(ToString::to_string).collect();
    format!(
        "started: {}; {} more at their defaults",
        said.join(", "),
        left.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_counted_and_all_else_is_said() {
        let setting = |name: &str, value: &str, source| Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        };
        let decided = [
            setting("OTEL_SERVICE_NAME", "shop", Source::Code),
            setting("OTEL_TRACES_EXPORTER", "otlp", Source::Default),
            setting("OTEL_BSP_SCHEDULE_DELAY", "5000", Source::Default),
        ];
        assert_eq!(
            summary(&decided),
            "started: OTEL_SERVICE_NAME=shop (code), OTEL_TRACES_EXPORTER=otlp (default); 1 more at their defaults"
        );
    }
}
