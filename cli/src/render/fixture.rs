//! Received data built by hand, with times and ids that do not change from run to run.

use std::sync::Arc;

use throughline_receiver::{
    Contents, Received, RequestInfo, Signal, Transport,
    proto::{
        common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
        logs::v1::LogRecord,
        resource::v1::Resource,
        trace::v1::Span,
    },
};

const MILLISECOND: u64 = 1_000_000;
const START: u64 = 1_700_000_000_000 * MILLISECOND;

#[derive(Default)]
pub(crate) struct Fixture {
    contents: Contents,
}

impl Fixture {
    pub(crate) fn contents(self) -> Contents {
        self.contents
    }

    /// `parent` 0 makes a root; `start` and `length` are in milliseconds.
    #[allow(
        clippy::too_many_arguments,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub(crate) fn span(
        mut self,
        trace: u8,
        id: u8,
        parent: u8,
        name: &str,
        start: u64,
        length: f64,
        with: impl FnOnce(&mut Span),
    ) -> Self {
        let start = START + start * MILLISECOND;
        let mut span = Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 {
                Vec::new()
            } else {
                vec![parent; 8]
            },
            name: name.into(),
            start_time_unix_nano: start,
            end_time_unix_nano: start + (length * MILLISECOND as f64) as u64,
            ..Span::default()
        };
        with(&mut span);
        self.contents.spans.push(received(span, Signal::Traces));
        self
    }

    /// `trace` 0 makes a record outside of any trace; `time` is in milliseconds.
    pub(crate) fn log(
        mut self,
        trace: u8,
        span: u8,
        severity: i32,
        message: &str,
        time: u64,
        attributes: &[(&str, &str)],
    ) -> Self {
        let (trace_id, span_id) = if trace == 0 {
            (Vec::new(), Vec::new())
        } else {
            (vec![trace; 16], vec![span; 8])
        };
        let record = LogRecord {
            trace_id,
            span_id,
            severity_number: severity,
            time_unix_nano: START + time * MILLISECOND,
            body: Some(string(message)),
            attributes: attributes
                .iter()
                .map(|(key, value)| attribute(key, value))
                .collect(),
            ..LogRecord::default()
        };
        self.contents.logs.push(received(record, Signal::Logs));
        self
    }
}

pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(string(value)),
        ..KeyValue::default()
    }
}

pub(crate) fn integer(key: &str, value: i64) -> KeyValue {
    let value = AnyValue {
        value: Some(Value::IntValue(value)),
    };
    KeyValue {
        key: key.into(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn string(value: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(value.into())),
    }
}

fn received<T>(item: T, signal: Signal) -> Received<T> {
    Received {
        resource: Arc::new(Resource {
            attributes: vec![attribute("service.name", "shop")],
            ..Resource::default()
        }),
        scope: Arc::new(InstrumentationScope::default()),
        request: Arc::new(RequestInfo {
            transport: Transport::Grpc,
            signal,
            headers: Default::default(),
        }),
        item,
    }
}

/// What a fixture has, for a tree.
pub(crate) fn parts(received: &Contents) -> super::trace::Parts<'_> {
    let spans = received.spans.iter().map(|span| super::trace::SpanOf {
        service: span.service_name().unwrap_or_default(),
        span: &span.item,
    });
    super::trace::Parts {
        spans: spans.collect(),
        records: received.logs.iter().map(|record| &record.item).collect(),
        notes: Vec::new(),
    }
}
