//! The recorder behind the facade while tests run: values per capture.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use opentelemetry::Context;

use super::store;

/// The metrics of one capture.
#[derive(Default)]
pub(super) struct Metrics {
    counters: Mutex<HashMap<Series, Arc<AtomicU64>>>,
    gauges: Mutex<HashMap<Series, Arc<AtomicU64>>>,
    histograms: Mutex<HashMap<Series, Arc<Values>>>,
}

/// A name with its labels, sorted.
type Series = (String, Vec<(String, String)>);

#[derive(Debug, Default)]
struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(value);
    }
}

fn series(name: &str, labels: &[(&str, &str)]) -> Series {
    let mut labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    labels.sort();
    (name.to_owned(), labels)
}

fn series_of(key: &Key) -> Series {
    let labels: Vec<_> = key
        .labels()
        .map(|label| (label.key(), label.value()))
        .collect();
    series(key.name(), &labels)
}

fn entry<T: Default>(map: &Mutex<HashMap<Series, Arc<T>>>, key: &Key) -> Arc<T> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(map.entry(series_of(key)).or_default())
}

fn find<T>(
    map: &Mutex<HashMap<Series, Arc<T>>>,
    name: &str,
    labels: &[(&str, &str)],
) -> Option<Arc<T>> {
    let map = map.lock().unwrap_or_else(PoisonError::into_inner);
    map.get(&series(name, labels)).cloned()
}

impl Metrics {
    pub(super) fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        find(&self.counters, name, labels).map(|cell| cell.load(Ordering::Relaxed))
    }

    pub(super) fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        find(&self.gauges, name, labels).map(|cell| f64::from_bits(cell.load(Ordering::Relaxed)))
    }

    pub(super) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Vec<f64>> {
        let values = find(&self.histograms, name, labels)?;
        let values = values.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(values.clone())
    }

    /// A line for each series, sorted.
    pub(super) fn lines(&self) -> Vec<String> {
        let shown = |(name, labels): &Series| {
            let labels: Vec<_> = labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{name}{{{}}}", labels.join(","))
        };
        let locked = |map: &Mutex<HashMap<Series, Arc<AtomicU64>>>, show: fn(u64) -> String| {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.iter()
                .map(|(series, cell)| {
                    format!("{} {}", shown(series), show(cell.load(Ordering::Relaxed)))
                })
                .collect::<Vec<_>>()
        };
        let mut lines = locked(&self.counters, |value| value.to_string());
        lines.extend(locked(&self.gauges, |bits| {
            f64::from_bits(bits).to_string()
        }));
        // How often, not how much: a histogram's values are mostly times.
        let histograms = self
            .histograms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines.extend(histograms.iter().map(|(series, values)| {
            let values = values.0.lock().unwrap_or_else(PoisonError::into_inner);
            format!("{} count {}", shown(series), values.len())
        }));
        lines.sort();
        lines
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

/// Gives each call the handle of the capture that it belongs to.
pub(super) struct CaptureRecorder;

impl Recorder for CaptureRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match Context::map_current(store::find) {
            Some(store) => Counter::from_arc(entry(&store.metrics.counters, key)),
            None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match Context::map_current(store::find) {
            Some(store) => Gauge::from_arc(entry(&store.metrics.gauges, key)),
            None => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match Context::map_current(store::find) {
            Some(store) => Histogram::from_arc(entry(&store.metrics.histograms, key)),
            None => Histogram::noop(),
        }
    }
}
