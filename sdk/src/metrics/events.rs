//! `throughline.events`: how many events of each stream, name and severity there were.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use metrics::{Counter, Key, Label, Level, Metadata, Recorder};

use super::catalogue::Description;
use super::registry::Registry;

const NAME: &str = "throughline.events";

/// As many as the metric may have series; beyond, the registry folds.
const MAX_KNOWN: usize = 2_000;

/// Counts events. A known combination costs a hash, a comparison and an atomic addition.
pub(crate) struct EventCounter {
    registry: Arc<Registry>,
    hasher: DefaultHashBuilder,
    known: RwLock<HashTable<Known>>,
}

struct Known {
    what: What<'static>,
    counter: Counter,
}

/// The labels; what an event does not have is left out.
#[derive(Hash, PartialEq, Eq)]
struct What<'a> {
    category: Option<Cow<'a, str>>,
    event: Option<Cow<'a, str>>,
    severity: Option<Cow<'a, str>>,
}

impl fmt::Debug for EventCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventCounter").finish_non_exhaustive()
    }
}

impl EventCounter {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        registry.describe(
            NAME,
            Description {
                unit: "{event}".into(),
                text: "Events by stream, name and severity".to_owned(),
            },
        );
        Self {
            registry,
            hasher: DefaultHashBuilder::default(),
            known: RwLock::default(),
        }
    }

    /// Counts one event: its `log.category`, its name, its `event.severity`.
    pub(crate) fn count(
        &self,
        category: Option<&str>,
        event: Option<&str>,
        severity: Option<&str>,
    ) {
        let what = What {
            category: category.map(Cow::Borrowed),
            event: event.map(Cow::Borrowed),
            severity: severity.map(Cow::Borrowed),
        };
        let hash = self.hasher.hash_one(&what);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.find(hash, |known| known.what == what) {
            found.counter.increment(1);
            return;
        }
        let room = known.len() < MAX_KNOWN;
        drop(known);
        let counter = self.register(&what);
        counter.increment(1);
        if room {
            self.remember(hash, &what, counter);
        }
    }

    fn register(&self, what: &What<'_>) -> Counter {
        const METADATA: Metadata<'static> = Metadata::new(NAME, Level::INFO, None);
        let labels: Vec<Label> = [
            ("log.category", &what.category),
            ("event.name", &what.event),
            ("event.severity", &what.severity),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some(Label::new(key, value.as_ref()?.to_string())))
        .collect();
        self.registry
            .register_counter(&Key::from_parts(NAME, labels), &METADATA)
    }

    fn remember(&self, hash: u64, what: &What<'_>, counter: Counter) {
        let owned =
            |value: &Option<Cow<'_, str>>| value.as_ref().map(|text| Cow::Owned(text.to_string()));
        let what = What {
            category: owned(&what.category),
            event: owned(&what.event),
            severity: owned(&what.severity),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if known.find(hash, |known| known.what == what).is_none() {
            known.insert_unique(hash, Known { what, counter }, |known| {
                self.hasher.hash_one(&known.what)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    use super::super::SCOPE;
    use super::super::reader::Scraper;
    use super::super::registry::Limits;
    use super::*;

    #[test]
    fn events_are_counted_by_stream_name_and_severity() {
        let scraper = Scraper::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(scraper.clone())
            .build();
        let registry = Registry::new(
            Some(provider.meter(SCOPE)),
            Limits::default(),
            Arc::default(),
            Vec::new(),
            Arc::new(crate::redaction::Redaction::default().redactor().unwrap()),
        );
        let counter = EventCounter::new(Arc::new(registry));
        for _ in 0..3 {
            counter.count(Some("security"), Some("auth.login.failed"), Some("high"));
            counter.count(None, None, None);
        }
        counter.count(None, Some("auth.login.failed"), None);

        let collected = scraper.collected().unwrap();
        let metric = collected.scope_metrics().next().unwrap().metrics().next();
        let metric = metric.unwrap();
        assert_eq!((metric.name(), metric.unit()), (NAME, "{event}"));
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else {
            panic!("{metric:?}");
        };
        let mut points: Vec<(String, u64)> = sum
            .data_points()
            .map(|point| {
                let labels: Vec<String> = point
                    .attributes()
                    .map(|label| format!("{}={}", label.key, label.value))
                    .collect();
                (labels.join(" "), point.value())
            })
            .collect();
        points.sort();
        let all = "event.name=auth.login.failed event.severity=high log.category=security";
        let expected = [
            (String::new(), 3),
            ("event.name=auth.login.failed".to_owned(), 1),
            (all.to_owned(), 3),
        ];
        assert_eq!(points, expected);
    }
}
