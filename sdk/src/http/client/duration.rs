//! `http.client.request.duration` and `rpc.client.call.duration`, within bounds: who calls
//! whatever hosts it is given must not fill the metric with them.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{LazyLock, PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use metrics::{Histogram, Key, Label, Level, Metadata, Recorder, Unit};

use super::call::{Call, OTHER};
use crate::metrics as facade;

const HTTP: &str = "http.client.request.duration";
const GRPC: &str = "rpc.client.call.duration";

/// Servers with a series of their own; all others are `_OTHER`.
const MOST_SERVERS: usize = 100;
/// The same for methods of gRPC.
const MOST_METHODS: usize = 500;
/// As many as a metric may have; beyond, the registry is asked each time, and folds.
const MOST_HANDLES: usize = 2_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Response {
        status: u16,
        version: Option<&'static str>,
    },
    Failed(&'static str),
    Grpc {
        code: &'static str,
        /// Where it is not the code.
        failed: Option<&'static str>,
    },
}

/// The labels of a value, before they are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Series {
    pub(super) call: Call,
    pub(super) server: Option<Server>,
    pub(super) outcome: Outcome,
}

/// A server that has been admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    address: &'static str,
    port: u16,
}

/// Where all further servers are. The port is required, and there is no zeroth one.
const OTHERS: Server = Server {
    address: OTHER,
    port: 0,
};

/// The server's own place, as long as there is one.
pub(super) fn server(address: &str, port: u16) -> Server {
    static SERVERS: LazyLock<Names> = LazyLock::new(|| Names::new(MOST_SERVERS));
    match SERVERS.admit(address, port) {
        Some(address) => Server { address, port },
        None => OTHERS,
    }
}

/// The method's own place, as long as there is one.
pub(super) fn grpc_method(name: &str) -> &'static str {
    static METHODS: LazyLock<Names> = LazyLock::new(|| Names::new(MOST_METHODS));
    METHODS.admit(name, 0).unwrap_or(OTHER)
}

/// Names that were admitted, for the life of the process: a bounded number of texts that are
/// never freed cost less than a count of references at each request.
struct Names {
    most: usize,
    hasher: DefaultHashBuilder,
    known: RwLock<HashTable<(&'static str, u16)>>,
}

impl Names {
    fn new(most: usize) -> Self {
        Self {
            most,
            hasher: DefaultHashBuilder::default(),
            known: RwLock::default(),
        }
    }

    fn admit(&self, name: &str, number: u16) -> Option<&'static str> {
        let hash = self.hasher.hash_one((name, number));
        let same = |known: &(&str, u16)| *known == (name, number);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, _)) = known.find(hash, same) {
            return Some(name);
        }
        if known.len() >= self.most || name.len() > 253 {
            return None;
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first, with this one or with the last place.
        if let Some((name, _)) = known.find(hash, same) {
            return Some(name);
        }
        if known.len() >= self.most {
            return None;
        }
        let name: &'static str = Box::leak(name.into());
        known.insert_unique(hash, (name, number), |known| self.hasher.hash_one(known));
        Some(name)
    }
}

/// Records one request. The running telemetry's handles are kept; any other recorder, such as
/// a test's capture, may give another one each time.
pub(super) fn record(series: Series, seconds: f64) {
    match facade::in_force() {
        Some(registry) => handle(series, registry).record(seconds),
        None => metrics::with_recorder(|recorder| {
            describe(series.call, recorder);
            register(series, recorder)
        })
        .record(seconds),
    }
}

fn handle(series: Series, registry: &facade::Registry) -> Histogram {
    static HANDLES: LazyLock<RwLock<HashMap<Series, Histogram>>> = LazyLock::new(RwLock::default);
    let handles = HANDLES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = handles.get(&series) {
        return handle.clone();
    }
    let room = handles.len() < MOST_HANDLES;
    drop(handles);
    if room {
        describe(series.call, registry);
    }
    let handle = register(series, registry);
    if room {
        let mut handles = HANDLES.write().unwrap_or_else(PoisonError::into_inner);
        handles.insert(series, handle.clone());
    }
    handle
}

fn describe(call: Call, recorder: &dyn Recorder) {
    let (name, text) = match call {
        Call::Http { .. } => (HTTP, "Duration of HTTP client requests"),
        Call::Grpc { .. } => (GRPC, "Duration of outgoing remote procedure calls"),
    };
    recorder.describe_histogram(name.into(), Some(Unit::Seconds), text.into());
}

fn register(series: Series, recorder: &dyn Recorder) -> Histogram {
    let name = match series.call {
        Call::Http { .. } => HTTP,
        Call::Grpc { .. } => GRPC,
    };
    let metadata = Metadata::new(super::TARGET, Level::INFO, None);
    recorder.register_histogram(&Key::from_parts(name, series.labels()), &metadata)
}

impl Series {
    fn labels(self) -> Vec<Label> {
        let mut labels = Vec::with_capacity(8);
        match self.call {
            Call::Http { method, template } => {
                labels.push(Label::new("http.request.method", method));
                if let Some(template) = template {
                    labels.push(Label::new("url.template", template));
                }
            }
            Call::Grpc { method } => {
                labels.push(Label::new("rpc.system.name", "grpc"));
                labels.push(Label::new("rpc.method", method));
            }
        }
        if let Some(Server { address, port }) = self.server {
            labels.push(Label::new("server.address", address));
            labels.push(Label::new("server.port", port.to_string()));
        }
        match self.outcome {
            Outcome::Response { status, version } => {
                labels.push(Label::new("http.response.status_code", status.to_string()));
                if let Some(version) = version {
                    labels.push(Label::new("network.protocol.version", version));
                }
                if status >= 400 {
                    labels.push(Label::new("error.type", status.to_string()));
                }
            }
            Outcome::Failed(kind) => labels.push(Label::new("error.type", kind)),
            Outcome::Grpc { code, failed } => {
                labels.push(Label::new("rpc.response.status_code", code));
                let failed = failed.or((code != super::grpc::OK).then_some(code));
                if let Some(failed) = failed {
                    labels.push(Label::new("error.type", failed));
                }
            }
        }
        labels
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("most", &self.most).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_and_those_that_are_too_long_have_no_place() {
        let names = Names::new(2);
        assert_eq!(names.admit("a", 80), Some("a"));
        assert_eq!(names.admit(&"b".repeat(300), 80), None);
        assert_eq!(names.admit("a", 443), Some("a"));
        assert_eq!(names.admit("c", 80), None);
        assert_eq!(names.admit("a", 80), Some("a"), "who was first stays");
        assert_eq!(names.admit("a", 443), Some("a"));
    }
}
