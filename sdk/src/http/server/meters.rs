//! The metrics of requests, by the conventions:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
//!
//! Handles are kept, so that a request's points cost a hash and a comparison. While tests
//! capture, each handle belongs to one test, and none is kept.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::{Once, OnceLock, PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use metrics::{Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

use super::facts::Facts;
use super::grpc;
use super::method::PLACES;
use crate::metrics::{self as facade, Description, Registry};

const DURATION: &str = "http.server.request.duration";
const CALL_DURATION: &str = "rpc.server.call.duration";
const ACTIVE: &str = "http.server.active_requests";

/// As many as a metric may have series; beyond, the registry folds.
const MAX_KEPT: usize = 2_000;

#[derive(Default)]
pub(super) struct Meters {
    hasher: DefaultHashBuilder,
    durations: RwLock<HashTable<(Point<'static>, Histogram)>>,
    active: [[OnceLock<Gauge>; 2]; PLACES],
}

/// The attributes of a request's duration.
#[derive(Clone, Hash, PartialEq, Eq)]
pub(super) struct Point<'a> {
    /// `rpc.method`; of a call alone.
    call: Option<Cow<'a, str>>,
    method: Cow<'a, str>,
    https: bool,
    route: Option<Cow<'a, str>>,
    /// Of the answer, or of the call.
    status: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    version: &'static str,
}

impl<'a> Point<'a> {
    pub(super) fn of(
        facts: &'a Facts,
        call: Option<&'a str>,
        status: Option<&'a str>,
        error: Option<&'a str>,
    ) -> Self {
        // A call's route and method are the same for all.
        let (method, route) = match call {
            Some(_) => ("", None),
            None => (facts.method.name, facts.route()),
        };
        Self {
            call: call.map(Cow::Borrowed),
            method: method.into(),
            https: facts.https,
            route: route.map(Cow::Borrowed),
            status: status.map(Cow::Borrowed),
            error: error.map(Cow::Borrowed),
            version: facts.protocol_version(),
        }
    }

    fn into_owned(self) -> Point<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Point {
            call: self.call.map(owned),
            method: owned(self.method),
            https: self.https,
            route: self.route.map(owned),
            status: self.status.map(owned),
            error: self.error.map(owned),
            version: self.version,
        }
    }

    fn key(&self) -> Key {
        let mut labels = Vec::with_capacity(6);
        let mut label = |name: &'static str, value: &Option<Cow<'_, str>>| {
            if let Some(value) = value {
                labels.push(Label::new(name, value.to_string()));
            }
        };
        label("error.type", &self.error);
        let version = Some(Cow::Borrowed(self.version));
        label("network.protocol.version", &version);
        if self.call.is_some() {
            label("rpc.system.name", &Some(Cow::Borrowed(grpc::SYSTEM)));
            label("rpc.method", &self.call);
            label("rpc.response.status_code", &self.status);
            return Key::from_parts(CALL_DURATION, labels);
        }
        label("http.request.method", &Some(Cow::Borrowed(&self.method)));
        label("http.route", &self.route);
        label("http.response.status_code", &self.status);
        label("url.scheme", &Some(Cow::Borrowed(scheme(self.https))));
        Key::from_parts(DURATION, labels)
    }
}

fn scheme(https: bool) -> &'static str {
    if https { "https" } else { "http" }
}

impl Meters {
    pub(super) fn record(&self, point: Point<'_>, seconds: f64) {
        let Some(registry) = facade::in_force() else {
            metrics::with_recorder(|recorder| {
                register_histogram(recorder, &point.key()).record(seconds);
            });
            return;
        };
        let hash = self.hasher.hash_one(&point);
        let kept = self
            .durations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = kept.find(hash, |(kept, _)| *kept == point) {
            histogram.record(seconds);
            return;
        }
        let room = kept.len() < MAX_KEPT;
        drop(kept);
        describe(registry);
        let histogram = register_histogram(registry, &point.key());
        histogram.record(seconds);
        if room {
            self.keep(hash, point.into_owned(), histogram);
        }
    }

    fn keep(&self, hash: u64, point: Point<'static>, histogram: Histogram) {
        let mut kept = self
            .durations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if kept.find(hash, |(kept, _)| *kept == point).is_none() {
            kept.insert_unique(hash, (point, histogram), |(point, _)| {
                self.hasher.hash_one(point)
            });
        }
    }

    /// The gauge of requests that are being answered.
    pub(super) fn active(&self, facts: &Facts) -> Gauge {
        let make = |recorder: &dyn Recorder| {
            let labels = vec![
                Label::new("http.request.method", facts.method.name),
                Label::new("url.scheme", facts.scheme()),
            ];
            let key = Key::from_parts(ACTIVE, labels);
            recorder.register_gauge(&key, &Metadata::new(ACTIVE, Level::INFO, None))
        };
        let Some(registry) = facade::in_force() else {
            return metrics::with_recorder(make);
        };
        let gauge = || {
            describe(registry);
            make(registry)
        };
        match facts.method.place {
            Some(place) => self.active[place][usize::from(facts.https)]
                .get_or_init(gauge)
                .clone(),
            None => gauge(),
        }
    }
}

fn register_histogram(recorder: &dyn Recorder, key: &Key) -> Histogram {
    recorder.register_histogram(key, &Metadata::new(DURATION, Level::INFO, None))
}

fn describe(registry: &Registry) {
    static DESCRIBED: Once = Once::new();
    DESCRIBED.call_once(|| {
        for (name, unit, text) in [
            (DURATION, "s", "Duration of HTTP server requests"),
            (CALL_DURATION, "s", "Duration of incoming gRPC calls"),
            (
                ACTIVE,
                "{request}",
                "HTTP server requests that are being answered",
            ),
        ] {
            let text = text.to_owned();
            let unit = unit.into();
            registry.describe(name, Description { unit, text });
        }
    });
}
