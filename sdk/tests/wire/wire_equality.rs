//! What we send is what the stock exporter sends for the same span, record and metric, the
//! two requests compared whole. What the stock exporter is given is written down here, in
//! the SDK's own types; only ids, times and places in the source are taken from what we sent.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::{PROTOCOLS, in_child, is_child};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use throughline_receiver::proto::collector::logs::v1::ExportLogsServiceRequest;
use throughline_receiver::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use throughline_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use throughline_receiver::proto::common::v1::{self as common, any_value};
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::metrics::v1::{Metric, metric::Data};
use throughline_receiver::proto::resource::v1::Resource as SentResource;
use throughline_receiver::proto::trace::v1::{Span, span, status};
use throughline_receiver::{Addresses, Attributes, ExportRequest, Payload, Server};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A server, and every payload that it has taken.
fn listening() -> (Server, Arc<Mutex<Vec<Payload>>>) {
    let payloads = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&payloads);
    let server = Server::start(Addresses::default(), move |request: ExportRequest| {
        keep.lock().unwrap().push(request.payload);
        Ok(())
    });
    (server.unwrap(), payloads)
}

/// What the body sends by this protocol, when it runs as a child.
fn sent(test: &str, protocol: &str, more: &[(&str, &str)], body: fn()) -> Vec<Payload> {
    if is_child(test) {
        in_child(test, &[], body);
        unreachable!("the child ends in its body");
    }
    let (server, payloads) = listening();
    let endpoint = match protocol {
        "grpc" => server.grpc_endpoint(),
        _ => server.http_endpoint(),
    };
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ];
    variables.extend(more);
    in_child(test, &variables, body);
    std::mem::take(&mut payloads.lock().unwrap())
}

/// What the stock exporter sends to the endpoint that it is given.
fn sent_by_stock<F: Future<Output = ()>>(work: impl FnOnce(String) -> F) -> Payload {
    let (server, payloads) = listening();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work(server.grpc_endpoint()));
    let mut payloads = payloads.lock().unwrap();
    assert_eq!(payloads.len(), 1);
    payloads.remove(0)
}

// From OTLP back to the SDK.

fn time(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn value(sent: &common::AnyValue) -> Value {
    fn all<T>(values: &[common::AnyValue], one: fn(&any_value::Value) -> Option<T>) -> Vec<T> {
        let values = values.iter().map(|any| one(any.value.as_ref().unwrap()));
        values.collect::<Option<_>>().expect("an array of one type")
    }
    match sent.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => Value::from(text.clone()),
        any_value::Value::BoolValue(flag) => Value::Bool(*flag),
        any_value::Value::IntValue(number) => Value::I64(*number),
        any_value::Value::DoubleValue(number) => Value::F64(*number),
        any_value::Value::ArrayValue(array) => {
            use any_value::Value as One;
            let values = &array.values;
            Value::Array(match values[0].value.as_ref().unwrap() {
                One::StringValue(_) => Array::String(all(values, |one| match one {
                    One::StringValue(text) => Some(StringValue::from(text.clone())),
                    _ => None,
                })),
                One::IntValue(_) => Array::I64(all(values, |one| match one {
                    One::IntValue(number) => Some(*number),
                    _ => None,
                })),
                One::DoubleValue(_) => Array::F64(all(values, |one| match one {
                    One::DoubleValue(number) => Some(*number),
                    _ => None,
                })),
                One::BoolValue(_) => Array::Bool(all(values, |one| match one {
                    One::BoolValue(flag) => Some(*flag),
                    _ => None,
                })),
                other => panic!("no array of {other:?}"),
            })
        }
        other => panic!("no attribute is {other:?}"),
    }
}

fn attributes(sent: &[common::KeyValue]) -> Vec<KeyValue> {
    let one = |attribute: &common::KeyValue| {
        KeyValue::new(
            attribute.key.clone(),
            value(attribute.value.as_ref().unwrap()),
        )
    };
    sent.iter().map(one).collect()
}

fn resource(sent: &SentResource) -> Resource {
    let builder = Resource::builder_empty();
    builder
        .with_attributes(attributes(&sent.attributes))
        .build()
}

fn scope(sent: &common::InstrumentationScope) -> InstrumentationScope {
    let builder = InstrumentationScope::builder(sent.name.clone())
        .with_attributes(attributes(&sent.attributes));
    if sent.version.is_empty() {
        builder.build()
    } else {
        builder.with_version(sent.version.clone()).build()
    }
}

fn context(trace: &[u8], span: &[u8], flags: u32, state: &str) -> SpanContext {
    // Bits 8 and 9 say whether it is known to be remote, and whether it is.
    let remote = flags & 0x200 != 0;
    SpanContext::new(
        TraceId::from_bytes(trace.try_into().unwrap()),
        SpanId::from_bytes(span.try_into().unwrap()),
        TraceFlags::new(flags as u8),
        remote,
        state.parse::<TraceState>().unwrap(),
    )
}

fn span_data(sent: &Span, of: &common::InstrumentationScope) -> SpanData {
    let mut events = SpanEvents::default();
    events.dropped_count = sent.dropped_events_count;
    events.events = sent
        .events
        .iter()
        .map(|event| {
            Event::new(
                event.name.clone(),
                time(event.time_unix_nano),
                attributes(&event.attributes),
                event.dropped_attributes_count,
            )
        })
        .collect();
    let mut links = SpanLinks::default();
    links.dropped_count = sent.dropped_links_count;
    links.links = sent
        .links
        .iter()
        .map(|link| {
            let to = context(&link.trace_id, &link.span_id, link.flags, &link.trace_state);
            let attributes = attributes(&link.attributes);
            Link::new(to, attributes, link.dropped_attributes_count)
        })
        .collect();
    let status = sent.status.as_ref().unwrap();
    SpanData {
        span_context: context(&sent.trace_id, &sent.span_id, sent.flags, &sent.trace_state),
        parent_span_id: match sent.parent_span_id.as_slice() {
            [] => SpanId::INVALID,
            bytes => SpanId::from_bytes(bytes.try_into().unwrap()),
        },
        parent_span_is_remote: sent.flags & 0x200 != 0,
        span_kind: match sent.kind() {
            span::SpanKind::Server => SpanKind::Server,
            span::SpanKind::Client => SpanKind::Client,
            span::SpanKind::Producer => SpanKind::Producer,
            span::SpanKind::Consumer => SpanKind::Consumer,
            span::SpanKind::Internal | span::SpanKind::Unspecified => SpanKind::Internal,
        },
        name: sent.name.clone().into(),
        start_time: time(sent.start_time_unix_nano),
        end_time: time(sent.end_time_unix_nano),
        attributes: attributes(&sent.attributes),
        dropped_attributes_count: sent.dropped_attributes_count,
        events,
        links,
        status: match status.code() {
            status::StatusCode::Ok => Status::Ok,
            status::StatusCode::Error => Status::error(status.message.clone()),
            status::StatusCode::Unset => Status::Unset,
        },
        instrumentation_scope: scope(of),
    }
}

/// The SDK keeps a resource in a map, so its order means nothing.
fn sorted(resource: Option<&mut SentResource>) {
    let resource = resource.expect("a resource is always sent");
    assert!(!resource.attributes.is_empty());
    resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
}

// Spans.

fn spans() {
    let telemetry = throughline::init("equal").unwrap();
    let remote = SpanContext::new(
        TraceId::from_bytes([7; 16]),
        SpanId::from_bytes([8; 8]),
        TraceFlags::SAMPLED,
        true,
        "vendor=1,other=two".parse().unwrap(),
    );
    let root = tracing::info_span!(
        "GET /orders/{id}",
        otel.kind = "server",
        text = "Käse",
        number = -7,
        share = 0.25,
        flag = true,
        empty = "",
        late = tracing::field::Empty,
    );
    root.set_parent(Context::new().with_remote_span_context(remote.clone()))
        .unwrap();
    root.set_attribute(
        "texts",
        Value::Array(vec![StringValue::from("a"), "b".into()].into()),
    );
    root.set_attribute("numbers", Value::Array(vec![1_i64, i64::MIN].into()));
    root.set_attribute("shares", Value::Array(vec![0.5, f64::MAX].into()));
    root.set_attribute("flags", Value::Array(vec![true, false].into()));
    root.add_link_with_attributes(remote, vec![KeyValue::new("why", "a retry")]);
    root.add_event("cache.missed", vec![KeyValue::new("cache.key", "orders/7")]);
    root.in_scope(|| {
        let child = tracing::info_span!("look up", otel.kind = "client");
        child.set_status(Status::error("no such order"));
        drop(child);
        tracing::info_span!("plain").in_scope(|| {});
    });
    drop(root);
    // More than the limits allow, so that the numbers of what was left out are sent.
    let full = tracing::info_span!("full");
    for number in 0..40 {
        full.set_attribute(format!("number.{number}"), number);
        full.add_event(format!("event {number}"), Vec::new());
    }
    full.set_status(Status::Ok);
    drop(full);
    assert!(telemetry.shutdown().is_lossless());
}

/// The span with all that [`spans`] gave it, whatever was sent of it.
fn as_it_was_made(mut span: SpanData, root: SpanId) -> SpanData {
    let ids = |state| {
        let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
        SpanContext::new(trace, id, TraceFlags::SAMPLED, false, state)
    };
    let state: TraceState = "vendor=1,other=two".parse().unwrap();
    let of_root = span.name == "GET /orders/{id}";
    let below = matches!(span.name.as_ref(), "look up" | "plain");
    span.span_context = ids(if of_root || below {
        state.clone()
    } else {
        TraceState::NONE
    });
    span.parent_span_is_remote = of_root;
    span.parent_span_id = match (of_root, below) {
        (true, _) => SpanId::from_bytes([8; 8]),
        (_, true) => root,
        _ => SpanId::INVALID,
    };
    let mut made: Vec<KeyValue> = Vec::new();
    match span.name.as_ref() {
        "GET /orders/{id}" => {
            let texts = vec![StringValue::from("a"), "b".into()];
            made = vec![
                KeyValue::new("text", "Käse"),
                KeyValue::new("number", -7),
                KeyValue::new("share", 0.25),
                KeyValue::new("flag", true),
                KeyValue::new("empty", ""),
                KeyValue::new("texts", Value::Array(texts.into())),
                KeyValue::new("numbers", Value::Array(vec![1_i64, i64::MIN].into())),
                KeyValue::new("shares", Value::Array(vec![0.5, f64::MAX].into())),
                KeyValue::new("flags", Value::Array(vec![true, false].into())),
            ];
            span.span_kind = SpanKind::Server;
            span.status = Status::Unset;
            let at = span.events.events[0].timestamp;
            let missed = vec![KeyValue::new("cache.key", "orders/7")];
            span.events.events = vec![Event::new("cache.missed", at, missed, 0)];
            let to = SpanContext::new(
                TraceId::from_bytes([7; 16]),
                SpanId::from_bytes([8; 8]),
                TraceFlags::SAMPLED,
                true,
                state,
            );
            let why = vec![KeyValue::new("why", "a retry")];
            span.links.links = vec![Link::new(to, why, 0)];
        }
        "look up" => {
            span.span_kind = SpanKind::Client;
            span.status = Status::error("no such order");
        }
        "plain" => {
            span.span_kind = SpanKind::Internal;
            span.status = Status::Unset;
        }
        "full" => {
            span.span_kind = SpanKind::Internal;
            span.status = Status::Ok;
            span.events.dropped_count = 37;
            for (number, event) in span.events.events.iter_mut().enumerate() {
                event.name = format!("event {number}").into();
            }
        }
        other => panic!("no span is named {other}"),
    }
    for one in made {
        let at = span.attributes.iter().position(|sent| sent.key == one.key);
        let at = at.unwrap_or_else(|| panic!("{} is missing", one.key));
        span.attributes[at] = one;
    }
    span
}

#[test]
fn a_span_is_sent_as_the_stock_exporter_sends_it() {
    let test = "a_span_is_sent_as_the_stock_exporter_sends_it";
    let limits = [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "24"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "3"),
    ];
    for protocol in PROTOCOLS {
        let mut requests: Vec<ExportTraceServiceRequest> = sent(test, protocol, &limits, spans)
            .into_iter()
            .filter_map(|payload| match payload {
                Payload::Traces(request) => Some(request),
                _ => None,
            })
            .collect();
        assert_eq!(requests.len(), 1, "one batch");
        let mut ours = requests.remove(0);
        assert_eq!(ours.resource_spans.len(), 1, "one resource");
        let of_resource = &mut ours.resource_spans[0];

        let all = |name: &str| {
            let scopes = of_resource.scope_spans.iter();
            let mut all = scopes.flat_map(|of_scope| &of_scope.spans);
            all.find(|span| span.name == name).unwrap().clone()
        };
        // The comparison would not see what neither has.
        let root = all("GET /orders/{id}");
        assert_eq!(root.attribute_str("text"), Some("Käse"));
        assert_eq!(root.attribute_i64("number"), Some(-7));
        assert!(matches!(
            root.attribute("flags"),
            Some(any_value::Value::ArrayValue(_))
        ));
        assert_eq!(root.trace_state, "vendor=1,other=two");
        assert_eq!((root.links.len(), root.events.len()), (1, 1));
        assert_eq!(all("look up").status.unwrap().message, "no such order");
        let full = all("full");
        assert_eq!((full.attributes.len(), full.events.len()), (24, 3));
        assert!(full.dropped_attributes_count > 0 && full.dropped_events_count == 37);

        let batch = of_resource
            .scope_spans
            .iter()
            .flat_map(|of_scope| {
                let scope = of_scope.scope.clone().unwrap();
                let root = SpanId::from_bytes(root.span_id.as_slice().try_into().unwrap());
                let spans = of_scope.spans.iter();
                spans
                    .map(move |span| as_it_was_made(span_data(span, &scope), root))
                    .collect::<Vec<_>>()
            })
            .collect();
        let from = resource(of_resource.resource.as_ref().unwrap());
        let Payload::Traces(mut stock) = sent_by_stock(|endpoint| async move {
            let builder = SpanExporter::builder().with_tonic();
            let mut exporter = builder.with_endpoint(endpoint).build().unwrap();
            exporter.set_resource(&from);
            exporter.export(batch).await.unwrap();
        }) else {
            panic!("no traces")
        };
        sorted(ours.resource_spans[0].resource.as_mut());
        sorted(stock.resource_spans[0].resource.as_mut());
        assert_eq!(ours, stock, "{protocol}");
    }
}

// Records.

fn records() {
    let telemetry = throughline::init("equal").unwrap();
    let error = "twelve".parse::<u16>().unwrap_err();
    tracing::info_span!("work").in_scope(|| {
        tracing::info!(
            name: "order.placed",
            text = "Käse",
            number = -7,
            large = u64::MAX,
            share = 0.25,
            flag = true,
            empty = "",
            "placed"
        );
        tracing::error!(error = throughline::error(&error), "not placed");
    });
    tracing::warn!(target: "elsewhere", "outside of any span");
    tracing::info!(only = "fields");
    assert!(telemetry.shutdown().is_lossless());
}

fn any(sent: &common::AnyValue) -> AnyValue {
    match value(sent) {
        Value::String(text) => AnyValue::String(text),
        Value::I64(number) => AnyValue::Int(number),
        Value::F64(number) => AnyValue::Double(number),
        Value::Bool(flag) => AnyValue::Boolean(flag),
        other => panic!("no field is {other:?}"),
    }
}

/// What [`records`] gave to one of its records.
struct Made {
    body: &'static str,
    severity: Severity,
    name: Option<&'static str>,
    in_span: bool,
    fields: Vec<(&'static str, AnyValue)>,
}

fn made(sent: &LogRecord) -> Made {
    let body = sent.body.as_ref().and_then(|any| any.value.as_ref());
    let Some(any_value::Value::StringValue(body)) = body else {
        panic!("no text: {sent:?}");
    };
    let plain = |body, severity| Made {
        body,
        severity,
        name: None,
        in_span: false,
        fields: Vec::new(),
    };
    match body.as_str() {
        "placed" => Made {
            name: Some("order.placed"),
            in_span: true,
            fields: vec![
                ("text", "Käse".into()),
                ("number", AnyValue::Int(-7)),
                // OTLP has no number that large.
                ("large", u64::MAX.to_string().into()),
                ("share", AnyValue::Double(0.25)),
                ("flag", AnyValue::Boolean(true)),
                ("empty", "".into()),
            ],
            ..plain("placed", Severity::Info)
        },
        "not placed" => Made {
            in_span: true,
            fields: vec![
                ("exception.type", "core::num::error::ParseIntError".into()),
                ("exception.message", "invalid digit found in string".into()),
            ],
            ..plain("not placed", Severity::Error)
        },
        "outside of any span" => plain("outside of any span", Severity::Warn),
        "" => Made {
            fields: vec![("only", "fields".into())],
            ..plain("", Severity::Info)
        },
        other => panic!("no record says {other}"),
    }
}

/// A record's attributes in one order: those that were made, then the others.
fn made_first(record: &mut LogRecord) {
    let keys = made(record).fields;
    let place = |key: &str| keys.iter().position(|(made, _)| *made == key);
    record
        .attributes
        .sort_by_key(|attribute| place(&attribute.key).unwrap_or(usize::MAX));
}

#[test]
fn a_record_is_sent_as_the_stock_exporter_sends_it() {
    let test = "a_record_is_sent_as_the_stock_exporter_sends_it";
    for protocol in PROTOCOLS {
        let mut work = None;
        let mut requests: Vec<ExportLogsServiceRequest> = Vec::new();
        for payload in sent(test, protocol, &[], records) {
            match payload {
                Payload::Logs(request) => requests.push(request),
                Payload::Traces(mut request) => {
                    work = request.resource_spans[0].scope_spans[0].spans.pop();
                }
                Payload::Metrics(_) => {}
            }
        }
        let work = work.expect("the records' span");
        assert_eq!(requests.len(), 1, "one batch");
        let mut ours = requests.remove(0);
        assert_eq!(ours.resource_logs.len(), 1, "one resource");
        let of_resource = &mut ours.resource_logs[0];
        // The stock exporter groups by target in no order.
        of_resource
            .scope_logs
            .sort_by_key(|of_scope| of_scope.scope.clone().unwrap().name);
        let scopes = of_resource.scope_logs.iter_mut();
        let mut records = 0;
        for record in scopes.flat_map(|of_scope| &mut of_scope.log_records) {
            made_first(record);
            records += 1;
        }
        assert_eq!(records, 4);

        let from = of_resource.clone();
        let Payload::Logs(mut stock) = sent_by_stock(|endpoint| async move {
            let builder = LogExporter::builder().with_tonic();
            let exporter = builder.with_endpoint(endpoint).build().unwrap();
            let provider = SdkLoggerProvider::builder()
                .with_resource(resource(from.resource.as_ref().unwrap()))
                .with_batch_exporter(exporter)
                .build();
            for of_scope in &from.scope_logs {
                let logger = provider.logger_with_scope(scope(of_scope.scope.as_ref().unwrap()));
                for sent in &of_scope.log_records {
                    let made = made(sent);
                    let mut record = logger.create_log_record();
                    record.set_timestamp(time(sent.time_unix_nano));
                    record.set_observed_timestamp(time(sent.time_unix_nano));
                    record.set_severity_number(made.severity);
                    record.set_severity_text(made.severity.name());
                    if let Some(name) = made.name {
                        record.set_event_name(name);
                    }
                    record.set_body(made.body.into());
                    if let Some(span) = made.in_span.then_some(&work) {
                        let of = context(&span.trace_id, &span.span_id, 1, "");
                        let flags = Some(of.trace_flags());
                        record.set_trace_context(of.trace_id(), of.span_id(), flags);
                    }
                    let fields = made.fields.len();
                    for (key, value) in made.fields {
                        record.add_attribute(key, value);
                    }
                    // Where it was made.
                    for attribute in &sent.attributes[fields..] {
                        let value = any(attribute.value.as_ref().unwrap());
                        record.add_attribute(Key::from(attribute.key.clone()), value);
                    }
                    logger.emit(record);
                }
            }
            tokio::task::spawn_blocking(move || provider.shutdown().unwrap())
                .await
                .unwrap();
        }) else {
            panic!("no logs")
        };
        stock.resource_logs[0]
            .scope_logs
            .sort_by_key(|of_scope| of_scope.scope.clone().unwrap().name);
        sorted(ours.resource_logs[0].resource.as_mut());
        sorted(stock.resource_logs[0].resource.as_mut());
        assert_eq!(ours, stock, "{protocol}");
    }
}

// Metrics.

fn measurements() {
    let telemetry = throughline::init("equal").unwrap();
    metrics::describe_counter!("orders.placed", metrics::Unit::Bytes, "what was placed");
    metrics::counter!("orders.placed", "kind" => "book").increment(3);
    metrics::gauge!("queue.depth").set(2.5);
    metrics::describe_histogram!("work.duration", metrics::Unit::Seconds, "how long it took");
    metrics::histogram!("work.duration", "kind" => "book").record(0.02);
    metrics::histogram!("work.duration", "kind" => "book").record(70.0);
    assert!(telemetry.shutdown().is_lossless());
}

const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The metrics that this test makes, without their times, which nobody can repeat.
fn timeless(request: &ExportMetricsServiceRequest) -> Vec<Metric> {
    let scopes = request
        .resource_metrics
        .iter()
        .flat_map(|of| &of.scope_metrics);
    let names = ["orders.placed", "queue.depth", "work.duration"];
    let metrics = scopes.flat_map(|of| &of.metrics);
    let mut metrics: Vec<_> = metrics
        .filter(|metric| names.contains(&metric.name.as_str()))
        .cloned()
        .collect();
    for metric in &mut metrics {
        let times: Vec<(&mut u64, &mut u64)> = match metric.data.as_mut().unwrap() {
            Data::Sum(sum) => sum
                .data_points
                .iter_mut()
                .map(|point| (&mut point.start_time_unix_nano, &mut point.time_unix_nano))
                .collect(),
            Data::Gauge(gauge) => gauge
                .data_points
                .iter_mut()
                .map(|point| (&mut point.start_time_unix_nano, &mut point.time_unix_nano))
                .collect(),
            Data::Histogram(histogram) => histogram
                .data_points
                .iter_mut()
                .map(|point| (&mut point.start_time_unix_nano, &mut point.time_unix_nano))
                .collect(),
            other => panic!("no metric is {other:?}"),
        };
        for (start, end) in times {
            assert!(*end > 0 && *start <= *end, "{start} to {end}");
            (*start, *end) = (0, 0);
        }
    }
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    metrics
}

#[test]
fn a_metric_is_sent_as_the_stock_exporter_sends_it() {
    let test = "a_metric_is_sent_as_the_stock_exporter_sends_it";
    for protocol in PROTOCOLS {
        let requests: Vec<ExportMetricsServiceRequest> = sent(test, protocol, &[], measurements)
            .into_iter()
            .filter_map(|payload| match payload {
                Payload::Metrics(request) => Some(request),
                _ => None,
            })
            .collect();
        let mut ours = requests.last().unwrap().clone();
        let from = resource(ours.resource_metrics[0].resource.as_ref().unwrap());
        let Payload::Metrics(mut stock) = sent_by_stock(|endpoint| async move {
            let builder = MetricExporter::builder().with_tonic();
            let exporter = builder.with_endpoint(endpoint).build().unwrap();
            let provider = SdkMeterProvider::builder()
                .with_resource(from)
                .with_periodic_exporter(exporter)
                .build();
            let meter = provider.meter("stock");
            let book = [KeyValue::new("kind", "book")];
            let _placed = meter
                .u64_observable_counter("orders.placed")
                .with_unit("By")
                .with_description("what was placed")
                .with_callback(|counter| counter.observe(3, &[KeyValue::new("kind", "book")]))
                .build();
            let depth = meter.f64_gauge("queue.depth").build();
            depth.record(2.5, &[]);
            let duration = meter
                .f64_histogram("work.duration")
                .with_unit("s")
                .with_description("how long it took")
                .with_boundaries(BOUNDS.to_vec())
                .build();
            duration.record(0.02, &book);
            duration.record(70.0, &book);
            tokio::task::spawn_blocking(move || provider.shutdown().unwrap())
                .await
                .unwrap();
        }) else {
            panic!("no metrics")
        };
        let metrics = timeless(&ours);
        assert_eq!(metrics.len(), 3);
        assert_eq!(metrics, timeless(&stock), "{protocol}");
        sorted(ours.resource_metrics[0].resource.as_mut());
        sorted(stock.resource_metrics[0].resource.as_mut());
        assert_eq!(
            ours.resource_metrics[0].resource,
            stock.resource_metrics[0].resource
        );
    }
}
