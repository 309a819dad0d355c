//! Every metric that was named, what is known of it, and what it may still take.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use metrics::atomics::AtomicU64;
use metrics::{Key, Label};
use opentelemetry::metrics::Meter;
use opentelemetry::{KeyValue, Value};

use super::bounds::Bounds;
use super::registry::{Limits, count};
use super::series::{Definition, Handle, Instrument, Kind};

/// Names, like label sets, can be made of anything at run time; each costs an instrument.
const MAX_METRICS: usize = 1_000;

/// Counts the uses of label sets that were folded into an overflow.
pub(super) const OVERFLOW: &str = "throughline.metrics.overflow";

/// Says which metric overflowed.
const OVERFLOW_OF: &str = "metric.name";

/// The specification's mark of an overflow series:
/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute>.
const OVERFLOW_MARK: &str = "otel.metric.overflow";

/// What `describe_*` says of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) unit: Cow<'static, str>,
    pub(crate) text: String,
}

/// What became of a key that nobody had used yet; with it, what the operator is to know.
pub(super) enum Admission {
    Series(Handle),
    Overflow(Handle, Option<String>),
    Refused(Option<String>),
    /// The name is already another kind's.
    Taken(Kind),
}

pub(super) struct Catalogue {
    limits: Limits,
    bounds: Arc<Bounds>,
    /// Given in code; they win over what is described.
    units: HashMap<String, String>,
    descriptions: HashMap<String, Description>,
    metrics: HashMap<String, Entry>,
    series: usize,
    /// Label sets with secrets, which stand for another without.
    aliases: usize,
    overflows: Option<Instrument>,
    /// Uses of names beyond [`MAX_METRICS`].
    unnamed: Option<Arc<AtomicU64>>,
}

enum Entry {
    Metric(Metric),
    /// Its name is none that OpenTelemetry takes.
    Unusable,
}

struct Metric {
    instrument: Instrument,
    description: Description,
    series: usize,
    warned_of_description: bool,
    overflow: Option<Overflow>,
}

struct Overflow {
    handle: Handle,
    uses: Arc<AtomicU64>,
}

impl Catalogue {
    pub(super) fn new(limits: Limits, bounds: Arc<Bounds>, units: Vec<(String, String)>) -> Self {
        Self {
            limits,
            bounds,
            units: units.into_iter().collect(),
            descriptions: HashMap::new(),
            metrics: HashMap::new(),
            series: 0,
            aliases: 0,
            overflows: None,
            unnamed: None,
        }
    }

    /// Where a new label set of this metric ends without further ado: in its overflow, or,
    /// where the name is refused, nowhere. `None` if it has to be [admitted](Self::admit).
    pub(super) fn folded(&self, name: &str, kind: Kind) -> Option<Option<Handle>> {
        match self.metrics.get(name) {
            Some(Entry::Metric(metric)) if metric.instrument.kind() == kind => {
                let overflow = metric.overflow.as_ref()?;
                if self.has_room(metric) {
                    return None;
                }
                count(&overflow.uses);
                Some(Some(overflow.handle.clone()))
            }
            Some(Entry::Metric(_)) => None,
            Some(Entry::Unusable) => Some(None),
            None if self.metrics.len() >= MAX_METRICS => {
                count(self.unnamed.as_ref()?);
                Some(None)
            }
            None => None,
        }
    }

    /// Whether there is room for one more alias; takes it.
    pub(super) fn alias(&mut self) -> bool {
        let room = self.aliases < self.limits.total;
        self.aliases += usize::from(room);
        room
    }

    fn has_room(&self, metric: &Metric) -> bool {
        // One place is the overflow's.
        metric.series + 1 < self.limits.per_metric && self.series < self.limits.total
    }

    /// Makes the series of a key that is not known yet, if it may have one.
    pub(super) fn admit(&mut self, key: &Key, kind: Kind, meter: &Meter) -> Admission {
        let name = key.name();
        if !self.metrics.contains_key(name)
            && let Some(refused) = self.open(name, kind, meter)
        {
            return refused;
        }
        let room = match self.metrics.get(name) {
            Some(Entry::Metric(metric)) if metric.instrument.kind() != kind => {
                return Admission::Taken(metric.instrument.kind());
            }
            Some(Entry::Metric(metric)) => self.has_room(metric),
            Some(Entry::Unusable) | None => return Admission::Refused(None),
        };
        if room {
            self.series += 1;
            return self.add(key);
        }
        self.overflow(name, meter)
    }

    fn add(&mut self, key: &Key) -> Admission {
        let Some(Entry::Metric(metric)) = self.metrics.get_mut(key.name()) else {
            return Admission::Refused(None);
        };
        metric.series += 1;
        Admission::Series(metric.instrument.series(attributes(key)))
    }

    /// Builds the instrument of a new name. `Some` is why it was not built.
    fn open(&mut self, name: &str, kind: Kind, meter: &Meter) -> Option<Admission> {
        if self.metrics.len() >= MAX_METRICS {
            let first = self.unnamed.is_none();
            if first {
                self.unnamed = Some(self.uses_of("_other", meter));
            }
            return Some(Admission::Refused(first.then(|| {
                format!(
                    "there are {MAX_METRICS} metrics; `{name}` and further names are not recorded, only counted in `{OVERFLOW}`: put what varies into labels. This is said once."
                )
            })));
        }
        if !is_usable(name) {
            self.metrics.insert(name.to_owned(), Entry::Unusable);
            return Some(Admission::Refused(Some(format!(
                "the metric `{name}` is not recorded: OpenTelemetry takes names of up to 255 letters, digits and `_.-/` that begin with a letter"
            ))));
        }
        let mut description = self.descriptions.remove(name).unwrap_or_default();
        if let Some(unit) = self.units.get(name) {
            description.unit = unit.clone().into();
        }
        let definition = Definition {
            name,
            unit: &description.unit,
            description: &description.text,
            bounds: self.bounds.of(name, &description.unit),
        };
        let metric = Metric {
            instrument: Instrument::build(kind, meter, &definition),
            description,
            series: 0,
            warned_of_description: false,
            overflow: None,
        };
        self.metrics.insert(name.to_owned(), Entry::Metric(metric));
        None
    }

    fn overflow(&mut self, name: &str, meter: &Meter) -> Admission {
        let uses = match self.metrics.get(name) {
            Some(Entry::Metric(Metric {
                overflow: Some(overflow),
                ..
            })) => {
                count(&overflow.uses);
                return Admission::Overflow(overflow.handle.clone(), None);
            }
            _ => self.uses_of(name, meter),
        };
        let Limits { per_metric, total } = self.limits;
        let reached = self.series >= total;
        let Some(Entry::Metric(metric)) = self.metrics.get_mut(name) else {
            return Admission::Refused(None);
        };
        count(&uses);
        let mark = KeyValue::new(OVERFLOW_MARK, true);
        let handle = metric.instrument.series(Box::new([mark]));
        metric.overflow = Some(Overflow {
            handle: handle.clone(),
            uses,
        });
        let limit = if reached {
            format!("all metrics together have {total} label sets")
        } else {
            format!("it has {per_metric} label sets")
        };
        Admission::Overflow(
            handle,
            Some(format!(
                "the metric `{name}` overflows: {limit}, so further ones count as {OVERFLOW_MARK}=true, and in `{OVERFLOW}`: take ids and other unbounded values out of its labels, or raise the limit with `builder(..).series_limits(..)`. This is said once."
            )),
        )
    }

    /// The cell that counts the uses beyond a metric's limit.
    fn uses_of(&mut self, name: &str, meter: &Meter) -> Arc<AtomicU64> {
        let instrument = self.overflows.get_or_insert_with(|| {
            let definition = Definition {
                name: OVERFLOW,
                unit: "{use}",
                description: "Uses of label sets beyond a metric's limit",
                bounds: &[],
            };
            Instrument::build(Kind::Counter, meter, &definition)
        });
        let of = KeyValue::new(OVERFLOW_OF, name.to_owned());
        match instrument.series(Box::new([of])) {
            Handle::Counter(cell) | Handle::Gauge(cell) => cell,
            // It was built as a counter.
            Handle::Histogram(_) => Arc::default(),
        }
    }

    /// Keeps a description for the first use. What comes later cannot be taken any more; the
    /// sentence for the operator is given once a metric.
    pub(super) fn describe(&mut self, name: &str, description: Description) -> Option<String> {
        let Some(Entry::Metric(metric)) = self.metrics.get_mut(name) else {
            // Bounded like the names that it waits for.
            if self.descriptions.len() < MAX_METRICS {
                self.descriptions.insert(name.to_owned(), description);
            }
            return None;
        };
        let kept = &metric.description;
        let unit_given = self.units.contains_key(name);
        let same = (unit_given || kept.unit == description.unit) && kept.text == description.text;
        if same || metric.warned_of_description {
            return None;
        }
        metric.warned_of_description = true;
        Some(format!(
            "the metric `{name}` was described (unit `{}`) after its first use; it keeps its unit `{}`, since a second one would make a second stream: describe it right after `init`, or give its unit with `builder(..).metric_unit({name:?}, ..)`. This is said once.",
            description.unit, kept.unit
        ))
    }
}

/// The instrument name syntax:
/// <https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax>.
fn is_usable(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    name.len() <= 255
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic())
        && name.bytes().all(rest)
}

/// Labels are texts; these attributes are numbers by the semantic conventions.
const NUMBERS: [&str; 2] = ["http.response.status_code", "server.port"];

fn value(label: &Label) -> Value {
    let number = NUMBERS
        .contains(&label.key())
        .then(|| label.value().parse::<i64>().ok());
    match number.flatten() {
        Some(number) => number.into(),
        None => Arc::<str>::from(label.value()).into(),
    }
}

/// The labels as attributes: in one order, and each key once, the last value counting.
fn attributes(key: &Key) -> Box<[KeyValue]> {
    let mut attributes: Vec<KeyValue> = Vec::with_capacity(key.labels().len());
    for label in key.labels() {
        let value = value(label);
        match attributes
            .iter_mut()
            .find(|known| known.key.as_str() == label.key())
        {
            Some(known) => known.value = value,
            None => attributes.push(KeyValue::new(Arc::<str>::from(label.key()), value)),
        }
    }
    attributes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    attributes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_the_specification_has_them() {
        for good in ["a", "http.server.request.duration", "a_b-c/d9", "A.b"] {
            assert!(is_usable(good), "{good}");
        }
        let long = "a".repeat(256);
        for bad in ["", "9lives", "_x", "a b", "a:b", "größe", long.as_str()] {
            assert!(!is_usable(bad), "{bad}");
        }
    }

    #[test]
    fn what_the_conventions_count_is_a_number() {
        let labels = vec![
            metrics::Label::new("http.response.status_code", "404"),
            metrics::Label::new("server.port", "http"),
            metrics::Label::new("shop", "7"),
        ];
        let expected = [
            KeyValue::new("http.response.status_code", 404),
            KeyValue::new("server.port", "http"),
            KeyValue::new("shop", "7"),
        ];
        assert_eq!(*attributes(&Key::from_parts("x", labels)), expected);
    }

    #[test]
    fn of_two_labels_with_one_key_the_last_counts() {
        let labels = vec![
            metrics::Label::new("b", "1"),
            metrics::Label::new("a", "2"),
            metrics::Label::new("b", "3"),
        ];
        let key = Key::from_parts("x", labels);
        let expected = [KeyValue::new("a", "2"), KeyValue::new("b", "3")];
        assert_eq!(*attributes(&key), expected);
    }
}
