//! The metrics that the SDK makes itself, so that dashboards and the documentation can be
//! held against them.

use super::{Former, cosmo};

/// A metric that the SDK makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name by OTLP; the Prometheus endpoint makes its own of it.
    pub name: &'static str,
    /// What kind of instrument it is.
    pub kind: MetricKind,
    /// The unit, in UCUM.
    pub unit: &'static str,
    /// The attributes that its points may have.
    pub attributes: &'static [&'static str],
    /// The fields of old records that told the same.
    pub formerly: &'static [Former],
}

/// The kinds of instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A sum that also falls.
    UpDownCounter,
    /// A value at a moment.
    Gauge,
    /// A distribution.
    Histogram,
}

const fn metric(
    name: &'static str,
    kind: MetricKind,
    unit: &'static str,
    attributes: &'static [&'static str],
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        attributes,
        formerly: &[],
    }
}

/// The metrics that the SDK makes. `process.*` needs Linux, `http.*` and `rpc.*` the feature
/// `http`, and `db.*` the feature `sqlx`.
pub const METRICS: &[Metric] = &[
    metric(
        "throughline.metrics.overflow",
        MetricKind::Counter,
        "{use}",
        &["metric.name"],
    ),
    metric(
        "throughline.export.items",
        MetricKind::Counter,
        "{item}",
        &["signal", "outcome", "reason"],
    ),
    metric(
        "throughline.queue.bytes",
        MetricKind::UpDownCounter,
        "By",
        &["signal"],
    ),
    metric(
        "throughline.events",
        MetricKind::Counter,
        "{event}",
        &["log.category", "event.name", "event.severity"],
    ),
    metric(
        "throughline.events.suppressed",
        MetricKind::Counter,
        "{event}",
        &["log.level", "log.target", "event.name"],
    ),
    metric(
        "throughline.operation.duration",
        MetricKind::Histogram,
        "s",
        &["operation.name", "operation.outcome", "error.type"],
    ),
    metric(
        "throughline.job.duration",
        MetricKind::Histogram,
        "s",
        &["job.name", "job.outcome", "error.type"],
    ),
    metric(
        "http.server.request.duration",
        MetricKind::Histogram,
        "s",
        &[
            "http.request.method",
            "http.route",
            "http.response.status_code",
            "error.type",
            "url.scheme",
            "network.protocol.version",
        ],
    ),
    metric(
        "http.server.active_requests",
        MetricKind::Gauge,
        "{request}",
        &["http.request.method", "url.scheme"],
    ),
    metric(
        "rpc.server.call.duration",
        MetricKind::Histogram,
        "s",
        &[
            "rpc.system.name",
            "rpc.method",
            "rpc.response.status_code",
            "error.type",
            "network.protocol.version",
        ],
    ),
    metric(
        "http.client.request.duration",
        MetricKind::Histogram,
        "s",
        &[
            "http.request.method",
            "url.template",
            "server.address",
            "server.port",
            "http.response.status_code",
            "network.protocol.version",
            "error.type",
        ],
    ),
    metric(
        "rpc.client.call.duration",
        MetricKind::Histogram,
        "s",
        &[
            "rpc.system.name",
            "rpc.method",
            "server.address",
            "server.port",
            "rpc.response.status_code",
            "error.type",
        ],
    ),
    metric(
        "throughline.attack.signals",
        MetricKind::Counter,
        "{request}",
        &["event.name", "attack.blocked"],
    ),
    metric(
        "throughline.health.check.status",
        MetricKind::Gauge,
        "{check}",
        &["health.check.name"],
    ),
    metric(
        "throughline.health.check.duration",
        MetricKind::Histogram,
        "s",
        &["health.check.name"],
    ),
    metric("process.cpu.time", MetricKind::Counter, "s", &["cpu.mode"]),
    Metric {
        formerly: &[cosmo("memory_usage")],
        ..metric("process.memory.usage", MetricKind::UpDownCounter, "By", &[])
    },
    metric(
        "process.memory.virtual",
        MetricKind::UpDownCounter,
        "By",
        &[],
    ),
    metric(
        "process.thread.count",
        MetricKind::UpDownCounter,
        "{thread}",
        &[],
    ),
    metric(
        "process.unix.file_descriptor.count",
        MetricKind::UpDownCounter,
        "{file_descriptor}",
        &[],
    ),
    metric("process.uptime", MetricKind::Gauge, "s", &[]),
    metric(
        "tokio.worker.count",
        MetricKind::UpDownCounter,
        "{worker}",
        &["tokio.runtime.name"],
    ),
    metric(
        "tokio.task.count",
        MetricKind::UpDownCounter,
        "{task}",
        &["tokio.runtime.name"],
    ),
    metric(
        "tokio.global_queue.size",
        MetricKind::UpDownCounter,
        "{task}",
        &["tokio.runtime.name"],
    ),
    metric(
        "tokio.worker.busy.time",
        MetricKind::Counter,
        "s",
        &["tokio.runtime.name", "tokio.worker.id"],
    ),
    metric(
        "tokio.worker.park.count",
        MetricKind::Counter,
        "{park}",
        &["tokio.runtime.name", "tokio.worker.id"],
    ),
    metric(
        "db.client.operation.duration",
        MetricKind::Histogram,
        "s",
        &[
            "db.system.name",
            "db.namespace",
            "server.address",
            "server.port",
            "db.operation.name",
            "db.query.summary",
            "error.type",
            "db.response.status_code",
        ],
    ),
    metric(
        "db.client.connection.count",
        MetricKind::UpDownCounter,
        "{connection}",
        &[
            "db.client.connection.pool.name",
            "db.client.connection.state",
        ],
    ),
    metric(
        "db.client.connection.max",
        MetricKind::UpDownCounter,
        "{connection}",
        &["db.client.connection.pool.name"],
    ),
    metric(
        "db.client.connection.idle.min",
        MetricKind::UpDownCounter,
        "{connection}",
        &["db.client.connection.pool.name"],
    ),
    metric(
        "db.client.connection.pending_requests",
        MetricKind::UpDownCounter,
        "{request}",
        &["db.client.connection.pool.name"],
    ),
    metric(
        "db.client.connection.timeouts",
        MetricKind::Counter,
        "{timeout}",
        &["db.client.connection.pool.name"],
    ),
    metric(
        "db.client.connection.wait_time",
        MetricKind::Histogram,
        "s",
        &["db.client.connection.pool.name"],
    ),
    metric(
        "db.client.connection.use_time",
        MetricKind::Histogram,
        "s",
        &["db.client.connection.pool.name"],
    ),
];
