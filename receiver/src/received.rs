//! A span, a log record or a metric together with what OTLP says once for many of them.

use std::{ops::Deref, sync::Arc};

use opentelemetry::{SpanId, TraceId};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::{
        ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
        SummaryDataPoint, metric::Data,
    },
    resource::v1::Resource,
    trace::v1::Span,
};

use crate::request::RequestInfo;

/// An item with its resource, its scope and the request that brought it. It derefs to the
/// item, so the protobuf fields are at hand: `span.name`.
#[derive(Clone, Debug)]
pub struct Received<T> {
    pub resource: Arc<Resource>,
    pub scope: Arc<InstrumentationScope>,
    pub request: Arc<RequestInfo>,
    pub item: T,
}

impl<T> Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> Received<T> {
    /// The value of a resource attribute.
    #[must_use]
    pub fn resource_attribute(&self, key: &str) -> Option<&Value> {
        self.resource.attributes.attribute(key)
    }

    /// The resource's `service.name`.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        match self.resource_attribute("service.name")? {
            Value::StringValue(name) => Some(name),
            _ => None,
        }
    }
}

impl Received<Span> {
    /// The span's trace id; [`TraceId::INVALID`] if what was sent is not 16 bytes long.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        trace_id(&self.item.trace_id)
    }

    /// The span's own id; [`SpanId::INVALID`] if what was sent is not 8 bytes long.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        span_id(&self.item.span_id)
    }

    /// The parent's id, or `None` for the root of a trace.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<SpanId> {
        Some(span_id(&self.item.parent_span_id)).filter(|id| *id != SpanId::INVALID)
    }
}

impl Received<LogRecord> {
    /// The trace that the record belongs to; `None` if it was made outside of any.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        Some(trace_id(&self.item.trace_id)).filter(|id| *id != TraceId::INVALID)
    }

    /// The span that the record was made in; `None` if it was made outside of any.
    #[must_use]
    pub fn span_id(&self) -> Option<SpanId> {
        Some(span_id(&self.item.span_id)).filter(|id| *id != SpanId::INVALID)
    }

    /// The body, if it is text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self.item.body.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }
}

impl Received<Metric> {
    /// The metric's data points, whatever its kind.
    #[must_use]
    pub fn points(&self) -> Vec<Point<'_>> {
        match &self.item.data {
            None => Vec::new(),
            Some(Data::Gauge(data)) => data.data_points.iter().map(Point::Number).collect(),
            Some(Data::Sum(data)) => data.data_points.iter().map(Point::Number).collect(),
            Some(Data::Histogram(data)) => data.data_points.iter().map(Point::Histogram).collect(),
            Some(Data::ExponentialHistogram(data)) => data
                .data_points
                .iter()
                .map(Point::ExponentialHistogram)
                .collect(),
            Some(Data::Summary(data)) => data.data_points.iter().map(Point::Summary).collect(),
        }
    }
}

/// A data point of any kind of metric.
#[derive(Clone, Copy, Debug)]
pub enum Point<'a> {
    Number(&'a NumberDataPoint),
    Histogram(&'a HistogramDataPoint),
    ExponentialHistogram(&'a ExponentialHistogramDataPoint),
    Summary(&'a SummaryDataPoint),
}

impl<'a> Point<'a> {
    /// What tells this series of the metric from its others.
    #[must_use]
    pub fn attributes(self) -> &'a [KeyValue] {
        match self {
            Self::Number(point) => &point.attributes,
            Self::Histogram(point) => &point.attributes,
            Self::ExponentialHistogram(point) => &point.attributes,
            Self::Summary(point) => &point.attributes,
        }
    }
}

/// Look-up by key in anything that carries OTLP attributes.
pub trait Attributes {
    /// The value of the attribute, if it is there and not empty.
    fn attribute(&self, key: &str) -> Option<&Value>;

    /// The attribute as text, if it is text.
    fn attribute_str(&self, key: &str) -> Option<&str> {
        match self.attribute(key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    /// The attribute as an integer, if it is one.
    fn attribute_i64(&self, key: &str) -> Option<i64> {
        match self.attribute(key)? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }
}

impl Attributes for [KeyValue] {
    fn attribute(&self, key: &str) -> Option<&Value> {
        let found = self.iter().find(|attribute| attribute.key == key)?;
        found
            .value
            .as_ref()
            .and_then(|AnyValue { value }| value.as_ref())
    }
}

impl Attributes for Span {
    fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.attribute(key)
    }
}

impl Attributes for LogRecord {
    fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.attribute(key)
    }
}

impl Attributes for Point<'_> {
    fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes().attribute(key)
    }
}

fn trace_id(bytes: &[u8]) -> TraceId {
    bytes
        .try_into()
        .map_or(TraceId::INVALID, TraceId::from_bytes)
}

fn span_id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}
