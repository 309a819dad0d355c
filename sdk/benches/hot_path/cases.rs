//! What is measured: the same lines of a service for both sides.

use std::hint::black_box;

use metrics::{counter, histogram};
use throughline::reexport::opentelemetry::{KeyValue, global};
use tracing::field::Empty;

use crate::support::side::{Side, Wiring};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The most that ours may take of the stock side's time.
    pub(crate) target: f64,
    pub(crate) wiring: Wiring,
    /// Every span is, or none.
    pub(crate) sampled: bool,
    /// Makes the work that is done over and over.
    pub(crate) work: fn(Side) -> Box<dyn FnMut()>,
    /// Spans and records that one turn of it emits.
    pub(crate) emits: (u64, u64),
}

const NOTHING: Wiring = Wiring {
    traces: false,
    logs: false,
    metrics: false,
    sentry: false,
};
const TRACES: Wiring = Wiring {
    traces: true,
    ..NOTHING
};
const LOGS: Wiring = Wiring {
    logs: true,
    ..NOTHING
};
const METRICS: Wiring = Wiring {
    metrics: true,
    ..NOTHING
};

pub(crate) const CASES: [Case; 5] = [
    Case {
        name: "request",
        what: "one request's work",
        target: 0.35,
        wiring: Wiring::EVERYTHING,
        sampled: true,
        work: |_| repeated(request),
        emits: (1, 1),
    },
    Case {
        name: "event",
        what: "an event alone",
        target: 0.35,
        wiring: LOGS,
        sampled: true,
        work: |_| repeated(event),
        emits: (0, 1),
    },
    Case {
        name: "span",
        what: "a sampled span",
        target: 0.70,
        wiring: TRACES,
        sampled: true,
        work: |_| repeated(span),
        emits: (1, 0),
    },
    Case {
        name: "unsampled",
        what: "the same, not sampled",
        target: 0.35,
        wiring: TRACES,
        sampled: false,
        work: |_| repeated(span),
        emits: (0, 0),
    },
    Case {
        name: "metrics",
        what: "a counter and a histogram",
        target: 0.25,
        wiring: METRICS,
        sampled: true,
        work: counter_and_histogram,
        emits: (0, 0),
    },
];

impl Case {
    pub(crate) fn named(name: &str) -> &'static Self {
        let case = CASES.iter().find(|case| case.name == name);
        case.unwrap_or_else(|| panic!("no case {name:?}"))
    }
}

/// Ids that differ, as they do in a service.
fn repeated(work: fn(u64)) -> Box<dyn FnMut()> {
    let mut id = 0;
    Box::new(move || {
        id += 1;
        work(black_box(id));
    })
}

/// A span with three attributes, a fourth that is known at the end, and one event.
fn request(id: u64) {
    let span = tracing::info_span!(
        "GET /orders/{id}",
        http.request.method = "GET",
        http.route = "/orders/{id}",
        order.id = id,
        http.response.status_code = Empty,
    );
    let _entered = span.enter();
    span.record("http.response.status_code", 200_u16);
    tracing::info!(order.id = id, channel = "web", "order {id} read");
}

fn event(id: u64) {
    tracing::info!(
        order.id = id,
        items = 3_i64,
        channel = "web",
        "order {id} read"
    );
}

fn span(id: u64) {
    let span = tracing::info_span!(
        "GET /orders/{id}",
        http.request.method = "GET",
        http.route = "/orders/{id}",
        order.id = id,
    );
    let _entered = span.enter();
}

/// As a layer that serves requests counts them: with handles that it keeps. The stock
/// instruments take the attributes with each value.
fn counter_and_histogram(side: Side) -> Box<dyn FnMut()> {
    let duration = 0.07;
    match side {
        Side::Ours => {
            let labels = [
                ("http.request.method", "GET"),
                ("http.route", "/orders/{id}"),
                ("http.response.status_code", "200"),
            ];
            let requests = counter!("bench.requests", &labels);
            let durations = histogram!("bench.duration", &labels);
            Box::new(move || {
                requests.increment(black_box(1));
                durations.record(black_box(duration));
            })
        }
        Side::Stock => {
            let meter = global::meter("bench");
            let requests = meter.u64_counter("bench.requests").build();
            let durations = meter.f64_histogram("bench.duration").build();
            Box::new(move || {
                let attributes = [
                    KeyValue::new("http.request.method", "GET"),
                    KeyValue::new("http.route", "/orders/{id}"),
                    KeyValue::new("http.response.status_code", 200),
                ];
                requests.add(black_box(1), &attributes);
                durations.record(black_box(duration), &attributes);
            })
        }
    }
}
