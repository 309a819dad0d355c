//! One instrument and its series: the cells that macros write and the SDK reads.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use metrics::HistogramFn;
use metrics::atomics::AtomicU64;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram, Meter};
use std::sync::atomic::Ordering;

/// What a name measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a macro writes to.
#[derive(Clone)]
pub(super) enum Handle {
    Counter(Arc<AtomicU64>),
    /// The bits of an `f64`.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<HistogramSeries>),
}

impl Handle {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

/// The series of an instrument that is read at collection.
#[derive(Default)]
pub(super) struct Cells(RwLock<Vec<Cell>>);

struct Cell {
    attributes: Box<[KeyValue]>,
    value: Arc<AtomicU64>,
}

impl Cells {
    pub(super) fn add(&self, attributes: Box<[KeyValue]>) -> Arc<AtomicU64> {
        let value = Arc::new(AtomicU64::new(0));
        let cell = Cell {
            attributes,
            value: Arc::clone(&value),
        };
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(cell);
        value
    }

    fn each(&self, mut observe: impl FnMut(u64, &[KeyValue])) {
        for cell in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            observe(cell.value.load(Ordering::Acquire), &cell.attributes);
        }
    }
}

/// What an instrument is built from; it stays as it is for the life of the process, since
/// a second unit or description would make a second stream of the same name.
pub(super) struct Definition<'a> {
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) description: &'a str,
    pub(super) bounds: &'a [f64],
}

/// An instrument of OpenTelemetry's, in the form that gives the facade's semantics.
///
/// Counters and gauges are read from cells: an OpenTelemetry counter cannot be set to an
/// absolute value, nor an up-down counter be set at all.
pub(super) enum Instrument {
    Counter(Arc<Cells>),
    Gauge(Arc<Cells>),
    Histogram(Histogram<f64>),
}

impl Instrument {
    pub(super) fn build(kind: Kind, meter: &Meter, definition: &Definition<'_>) -> Self {
        let name = definition.name.to_owned();
        let unit = definition.unit.to_owned();
        let description = definition.description.to_owned();
        let cells = Arc::new(Cells::default());
        let read = Arc::clone(&cells);
        match kind {
            Kind::Counter => {
                meter
                    .u64_observable_counter(name)
                    .with_unit(unit)
                    .with_description(description)
                    .with_callback(move |observer| {
                        read.each(|value, attributes| observer.observe(value, attributes));
                    })
                    .build();
                Self::Counter(cells)
            }
            Kind::Gauge => {
                meter
                    .f64_observable_gauge(name)
                    .with_unit(unit)
                    .with_description(description)
                    .with_callback(move |observer| {
                        read.each(|value, attributes| {
                            observer.observe(f64::from_bits(value), attributes);
                        });
                    })
                    .build();
                Self::Gauge(cells)
            }
            Kind::Histogram => Self::Histogram(
                meter
                    .f64_histogram(name)
                    .with_unit(unit)
                    .with_description(description)
                    .with_boundaries(definition.bounds.to_vec())
                    .build(),
            ),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }

    pub(super) fn series(&self, attributes: Box<[KeyValue]>) -> Handle {
        match self {
            Self::Counter(cells) => Handle::Counter(cells.add(attributes)),
            Self::Gauge(cells) => Handle::Gauge(cells.add(attributes)),
            Self::Histogram(instrument) => Handle::Histogram(Arc::new(HistogramSeries {
                instrument: instrument.clone(),
                attributes,
                bound: OnceLock::new(),
            })),
        }
    }
}

/// One label set of a histogram.
pub(super) struct HistogramSeries {
    instrument: Histogram<f64>,
    attributes: Box<[KeyValue]>,
    /// Bound at the first value: a bound series is exported even if it never had one.
    bound: OnceLock<BoundHistogram<f64>>,
}

impl HistogramFn for HistogramSeries {
    fn record(&self, value: f64) {
        self.bound
            .get_or_init(|| self.instrument.bind(&self.attributes))
            .record(value);
    }
}
