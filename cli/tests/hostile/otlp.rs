//! OTLP's messages, with whatever a test wants to be wrong with them.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest,
        metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

/// A moment within what is kept by default.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

pub(crate) fn text(value: impl Into<String>) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(value.into())),
    }
}

pub(crate) fn attribute(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(text(value)),
        ..KeyValue::default()
    }
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![attribute("service.name", service)],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "test".into(),
        ..InstrumentationScope::default()
    })
}

/// A server span of a second ago.
pub(crate) fn span(trace: u128, id: u64) -> Span {
    let start = now() - 1_000_000_000;
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: "GET /orders".into(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 5_000_000,
        ..Span::default()
    }
}

pub(crate) fn record(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: now(),
        severity_number: 9,
        body: Some(text(body)),
        ..LogRecord::default()
    }
}

pub(crate) fn spans(spans: Vec<Span>) -> Vec<u8> {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource("shop"),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

pub(crate) fn records(log_records: Vec<LogRecord>) -> Vec<u8> {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource("shop"),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
    .encode_to_vec()
}

/// A gauge with these label sets, each with one point.
pub(crate) fn points(name: &str, labels: impl Iterator<Item = Vec<KeyValue>>) -> Vec<u8> {
    let time = now();
    let data_points = labels
        .map(|attributes| NumberDataPoint {
            attributes,
            time_unix_nano: time,
            value: Some(number_data_point::Value::AsInt(7)),
            ..NumberDataPoint::default()
        })
        .collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource("shop"),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(),
                metrics: vec![Metric {
                    name: name.into(),
                    data: Some(Data::Gauge(Gauge { data_points })),
                    ..Metric::default()
                }],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}

/// How many points an answer says were refused.
pub(crate) fn refused_points(answer: &[u8]) -> i64 {
    ExportMetricsServiceResponse::decode(answer)
        .unwrap()
        .partial_success
        .map_or(0, |partial| partial.rejected_data_points)
}

/// Lists in each other, so deep.
pub(crate) fn nested(depth: usize) -> AnyValue {
    (0..depth).fold(text("core"), |inner, _| AnyValue {
        value: Some(Value::ArrayValue(ArrayValue {
            values: vec![inner],
        })),
    })
}

/// Each signal's path over HTTP, its method over gRPC, and a request that is valid.
pub(crate) fn endpoints() -> [(&'static str, &'static str, Vec<u8>); 3] {
    [
        (
            "/v1/traces",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            spans(vec![span(1, 1)]),
        ),
        (
            "/v1/logs",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            records(vec![record("an order was placed")]),
        ),
        (
            "/v1/metrics",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            points("orders", std::iter::once(vec![attribute("shop", "main")])),
        ),
    ]
}
