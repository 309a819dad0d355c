//! The recorder behind `counter!`, `gauge!` and `histogram!`: it finds or makes the series
//! of a key, and folds what is beyond the limits into one that says so.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Label, Metadata, SharedString, Unit,
};
use opentelemetry::metrics::Meter;

use super::bounds::Bounds;
use super::catalogue::{Admission, Catalogue, Description};
use super::series::{Handle, Kind};
use super::table::Table;
use super::unit::ucum;
use crate::diagnostics;
use crate::redaction::Redactor;

/// How many series there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Label sets of one metric, the overflow included: the specification's default.
    pub(super) per_metric: usize,
    /// Label sets of all metrics together, their overflows not counted.
    pub(super) total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_metric: 2_000,
            total: 10_000,
        }
    }
}

/// See the module's documentation.
pub(crate) struct Registry {
    /// Without a meter nothing is exported, and every handle does nothing.
    meter: Option<Meter>,
    table: Table,
    catalogue: RwLock<Catalogue>,
    redactor: Arc<Redactor>,
}

impl Registry {
    pub(super) fn new(
        meter: Option<Meter>,
        limits: Limits,
        bounds: Arc<Bounds>,
        units: Vec<(String, String)>,
        redactor: Arc<Redactor>,
    ) -> Self {
        Self {
            meter,
            table: Table::default(),
            catalogue: RwLock::new(Catalogue::new(limits, bounds, units)),
            redactor,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, key: &Key, kind: Kind) -> Option<Handle> {
        self.table.get(key).or_else(|| self.admit(key, kind))
    }

    /// The way of a key that is not in the table. A flood of label sets ends in the first
    /// lines: it takes no exclusive lock and allocates nothing.
    fn admit(&self, key: &Key, kind: Kind) -> Option<Handle> {
        let meter = self.meter.as_ref()?;
        if let Some(folded) = self.read().folded(key.name(), kind) {
            return folded;
        }
        let Some(clean) = self.redacted(key) else {
            return self.make(key, kind, meter);
        };
        // Values that become one are one series, or a reader would find two of the same.
        if let Some(handle) = self.table.get(&clean) {
            self.alias(key, &handle);
            return Some(handle);
        }
        self.make(&clean, kind, meter)
    }

    /// The key without its secrets; `None` where it has none.
    fn redacted(&self, key: &Key) -> Option<Key> {
        let clean = |label: &Label| match self.redactor.value(label.key(), label.value()) {
            Cow::Borrowed(value) if value == label.value() => None,
            value => Some(Label::new(label.key().to_owned(), value.into_owned())),
        };
        if key.labels().all(|label| clean(label).is_none()) {
            return None;
        }
        let labels: Vec<Label> = key
            .labels()
            .map(|label| clean(label).unwrap_or_else(|| label.clone()))
            .collect();
        Some(Key::from_parts(key.name().to_owned(), labels))
    }

    /// Spares the next use of these labels the search for secrets, while there is room: a
    /// label that is a secret often has a new one each time.
    fn alias(&self, key: &Key, handle: &Handle) {
        let mut catalogue = self.write();
        if self.table.get(key).is_none() && catalogue.alias() {
            self.table.insert(key, handle.clone());
        }
    }

    fn make(&self, key: &Key, kind: Kind, meter: &Meter) -> Option<Handle> {
        let mut catalogue = self.write();
        // Another thread may have been first.
        if let Some(handle) = self.table.get(key) {
            return Some(handle);
        }
        let (handle, said) = match catalogue.admit(key, kind, meter) {
            Admission::Series(handle) => {
                self.table.insert(key, handle.clone());
                (Some(handle), None)
            }
            Admission::Overflow(handle, said) => (Some(handle), said),
            Admission::Refused(said) => (None, said),
            Admission::Taken(by) => {
                conflict(key, by, kind);
                (None, None)
            }
        };
        drop(catalogue);
        if let Some(said) = said {
            diagnostics::say(&said);
        }
        handle
    }

    /// Keeps what is said of a metric until its first use.
    pub(crate) fn describe(&self, name: &str, description: Description) {
        let said = self.write().describe(name, description);
        if let Some(said) = said {
            diagnostics::say(&said);
        }
    }
}

/// A name that is a counter in one place and a gauge in another would be two streams of one
/// name, which no receiver can tell apart.
fn conflict(key: &Key, taken_by: Kind, asked: Kind) {
    diagnostics::say_once(&format!("kind of metric {}", key.name()), || {
        format!(
            "the metric `{}` is a {} and was also used as a {}; those values are not recorded: give it a name of its own",
            key.name(),
            taken_by.word(),
            asked.word()
        )
    });
}

fn described(unit: Option<Unit>, description: SharedString) -> Description {
    Description {
        unit: unit.map_or("", ucum).into(),
        text: description.into_owned(),
    }
}

impl metrics::Recorder for Registry {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(name.as_str(), described(unit, description));
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(name.as_str(), described(unit, description));
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(name.as_str(), described(unit, description));
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.handle(key, Kind::Counter) {
            Some(Handle::Counter(cell)) => Counter::from_arc(cell),
            Some(other) => {
                conflict(key, other.kind(), Kind::Counter);
                Counter::noop()
            }
            None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.handle(key, Kind::Gauge) {
            Some(Handle::Gauge(cell)) => Gauge::from_arc(cell),
            Some(other) => {
                conflict(key, other.kind(), Kind::Gauge);
                Gauge::noop()
            }
            None => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.handle(key, Kind::Histogram) {
            Some(Handle::Histogram(series)) => Histogram::from_arc(series),
            Some(other) => {
                conflict(key, other.kind(), Kind::Histogram);
                Histogram::noop()
            }
            None => Histogram::noop(),
        }
    }
}

/// Counts one use; the facade's own trait takes a handle for that.
pub(super) fn count(cell: &metrics::atomics::AtomicU64) {
    CounterFn::increment(cell, 1);
}
