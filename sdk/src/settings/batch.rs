//! When what was collected is sent: batches of spans and records, and the periodic metric reader.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor>

use std::time::Duration;

use super::env::Env;

/// The specification's default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// How one signal's items are collected, by the variables that the specification has for a
/// batch processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSettings {
    pub(crate) delay: Duration,
    /// Bounds one try, beside the exporter's own timeout; the shorter one counts.
    pub(crate) export_timeout: Duration,
    /// Items that may wait, beside the bytes.
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    /// Bytes that may wait.
    pub(crate) bytes: usize,
}

/// What a service holds for its receivers where nothing else is asked for: two minutes of
/// a thousand spans and a thousand records a second, as they are compressed while they wait.
const MEMORY_BUDGET: usize = 48 << 20;

/// The bytes that spans, and that records may hold: half of the budget each, so that a flood
/// of one does not push out the other.
pub(super) fn memory_of_one_signal(env: &Env<'_>) -> usize {
    env.count(&["THROUGHLINE_MEMORY_BUDGET_BYTES"], MEMORY_BUDGET, 2) / 2
}

/// The variables of one signal.
pub(super) struct BatchNames {
    pub(super) delay: &'static str,
    pub(super) export_timeout: &'static str,
    pub(super) queue: &'static str,
    pub(super) batch: &'static str,
}

pub(super) const SPANS: BatchNames = BatchNames {
    delay: "OTEL_BSP_SCHEDULE_DELAY",
    export_timeout: "OTEL_BSP_EXPORT_TIMEOUT",
    queue: "OTEL_BSP_MAX_QUEUE_SIZE",
    batch: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
};

pub(super) const LOG_RECORDS: BatchNames = BatchNames {
    delay: "OTEL_BLRP_SCHEDULE_DELAY",
    export_timeout: "OTEL_BLRP_EXPORT_TIMEOUT",
    queue: "OTEL_BLRP_MAX_QUEUE_SIZE",
    batch: "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
};

impl BatchSettings {
    pub(super) fn read(env: &Env<'_>, names: &BatchNames, delay: Duration, bytes: usize) -> Self {
        let queue = env.resolve(
            &[names.queue],
            usize::MAX,
            "a whole number, 1 or more",
            |text| {
                let size = text.parse::<i32>().ok()?;
                usize::try_from(size).ok().filter(|size| *size > 0)
            },
            |size| match *size {
                usize::MAX => "as many as the memory budget holds".to_owned(),
                size => size.to_string(),
            },
        );
        let batch = env.resolve(
            &[names.batch],
            512.min(queue),
            &format!("a whole number from 1 to {}, {queue}", names.queue),
            |text| text.parse().ok().filter(|size| (1..=queue).contains(size)),
            usize::to_string,
        );
        Self {
            delay: env.millis(names.delay, delay),
            export_timeout: env.timeout(&[names.export_timeout], EXPORT_TIMEOUT),
            queue,
            batch,
            bytes,
        }
    }
}

const EXPLICIT: &str = "explicit_bucket_histogram";
const EXPONENTIAL: &str = "base2_exponential_bucket_histogram";

/// How metrics are aggregated, and how often they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderSettings {
    pub(crate) interval: Duration,
    /// Base-2 exponential (native) histograms in place of those with explicit bounds.
    pub(crate) exponential_histograms: bool,
    /// As [`BatchSettings::export_timeout`], for all tries of one export.
    pub(crate) export_timeout: Duration,
}

impl ReaderSettings {
    pub(super) fn read(env: &Env<'_>) -> Self {
        Self {
            // With 0 the stock reader would take its default in silence.
            interval: env.positive_millis("OTEL_METRIC_EXPORT_INTERVAL", Duration::from_secs(60)),
            export_timeout: env.timeout(&["OTEL_METRIC_EXPORT_TIMEOUT"], EXPORT_TIMEOUT),
            exponential_histograms: env.resolve(
                &["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
                false,
                &format!("{EXPLICIT} or {EXPONENTIAL}"),
                |text| {
                    let exponential = text.eq_ignore_ascii_case(EXPONENTIAL);
                    (exponential || text.eq_ignore_ascii_case(EXPLICIT)).then_some(exponential)
                },
                |exponential| if *exponential { EXPONENTIAL } else { EXPLICIT }.to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_histograms_are_asked_for_by_name_in_any_case() {
        let read = |value: &'static str| {
            let lookup = move |name: &str| {
                name.ends_with("DEFAULT_HISTOGRAM_AGGREGATION")
                    .then(|| value.to_owned())
            };
            let env = Env::new(&lookup);
            let exponential = ReaderSettings::read(&env).exponential_histograms;
            (exponential, env.take_warnings().len())
        };
        assert_eq!(read("BASE2_exponential_bucket_histogram"), (true, 0));
        assert_eq!(read("explicit_bucket_histogram"), (false, 0));
        assert_eq!(read("native"), (false, 1));
    }

    #[test]
    fn a_batch_is_never_larger_than_the_queue() {
        let env = Env::new(&|name| match name {
            "OTEL_BSP_MAX_QUEUE_SIZE" => Some("100".to_owned()),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" => Some("200".to_owned()),
            _ => None,
        });
        let settings = BatchSettings::read(&env, &SPANS, Duration::ZERO, 1);
        assert_eq!((settings.queue, settings.batch), (100, 100));
        let said = env.take_warnings().join("\n");
        assert!(said.contains("from 1 to OTEL_BSP_MAX_QUEUE_SIZE"), "{said}");
    }
}
