//! What has arrived so far, taken out of OTLP's nesting.

use std::sync::Arc;

use opentelemetry::TraceId;
use opentelemetry_proto::tonic::{logs::v1::LogRecord, metrics::v1::Metric, trace::v1::Span};

use crate::{
    received::Received,
    request::{ExportRequest, Payload, RequestInfo},
};

/// Everything that has arrived, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub spans: Vec<Received<Span>>,
    pub logs: Vec<Received<LogRecord>>,
    /// Every metric of every export: a cumulative one is here once for each interval.
    /// [`latest_metrics`] gives the last of each.
    pub metrics: Vec<Received<Metric>>,
    /// The requests that brought it, those without items too.
    pub requests: Vec<Arc<RequestInfo>>,
}

impl Contents {
    /// The spans of one trace.
    pub fn trace(&self, id: TraceId) -> impl Iterator<Item = &Received<Span>> {
        self.spans.iter().filter(move |span| span.trace_id() == id)
    }

    /// The metric of this name that arrived last.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Received<Metric>> {
        self.metrics.iter().rfind(|metric| metric.name == name)
    }

    pub(crate) fn add(&mut self, request: ExportRequest) {
        let info = Arc::new(request.info);
        self.requests.push(Arc::clone(&info));
        // The three messages have the same shape under different names: resources, then
        // scopes, then items.
        macro_rules! flatten {
            ($into:expr, $resources:expr, $scopes:ident, $items:ident) => {
                for of_resource in $resources {
                    let resource = Arc::new(of_resource.resource.unwrap_or_default());
                    for of_scope in of_resource.$scopes {
                        let scope = Arc::new(of_scope.scope.unwrap_or_default());
                        $into.extend(of_scope.$items.into_iter().map(|item| Received {
                            resource: Arc::clone(&resource),
                            scope: Arc::clone(&scope),
                            request: Arc::clone(&info),
                            item,
                        }));
                    }
                }
            };
        }
        match request.payload {
            Payload::Traces(traces) => {
                flatten!(self.spans, traces.resource_spans, scope_spans, spans);
            }
            Payload::Metrics(metrics) => {
                flatten!(
                    self.metrics,
                    metrics.resource_metrics,
                    scope_metrics,
                    metrics
                );
            }
            Payload::Logs(logs) => {
                flatten!(self.logs, logs.resource_logs, scope_logs, log_records);
            }
        }
    }
}

/// The last metric of each resource, scope and name, in the order in which they first came.
///
/// With cumulative temporality, which is the default of OTLP, these hold the totals.
#[must_use]
pub fn latest_metrics(metrics: &[Received<Metric>]) -> Vec<&Received<Metric>> {
    let mut latest: Vec<&Received<Metric>> = Vec::new();
    for metric in metrics {
        let same = latest.iter_mut().find(|seen| {
            seen.name == metric.name
                && seen.scope == metric.scope
                && seen.resource == metric.resource
        });
        match same {
            Some(seen) => *seen = metric,
            None => latest.push(metric),
        }
    }
    latest
}
