//! What is written, against what `opentelemetry-proto` makes of the same span.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;

use super::{Envelope, Items, LogWriter, Scalar, encode_span, halves};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z é\n]{1,8}", "x{120,300}"]
}

fn value() -> impl Strategy<Value = Value> {
    let string = || text().prop_map(StringValue::from);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<f64>()
            .prop_filter("equal to itself", |it| !it.is_nan())
            .prop_map(Value::F64),
        string().prop_map(Value::String),
        vec(any::<bool>(), 0..4).prop_map(|it| Value::Array(Array::Bool(it))),
        vec(any::<i64>(), 0..4).prop_map(|it| Value::Array(Array::I64(it))),
        vec(-1e9..1e9f64, 0..4).prop_map(|it| Value::Array(Array::F64(it))),
        vec(string(), 0..4).prop_map(|it| Value::Array(Array::String(it))),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((text(), value()), 0..5).prop_map(|all| {
        all.into_iter()
            .map(|(key, value)| KeyValue::new(key, value))
            .collect()
    })
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0..4_000_000_000_000_000_000u64)
        .prop_map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
}

fn ids() -> impl Strategy<Value = SpanContext> {
    let state = prop_oneof![
        Just(TraceState::NONE),
        Just(TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap())
    ];
    let ids = (
        any::<u128>(),
        any::<u64>(),
        any::<u8>(),
        any::<bool>(),
        state,
    );
    ids.prop_map(|(trace, span, flags, remote, state)| {
        let flags = TraceFlags::new(flags);
        SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            flags,
            remote,
            state,
        )
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let parts = (
        "[ab]",
        option::of("[0-9]"),
        option::of("https://[ab]"),
        attributes(),
    );
    parts.prop_map(|(name, version, url, attributes)| {
        let mut scope = InstrumentationScope::builder(name).with_attributes(attributes);
        if let Some(version) = version {
            scope = scope.with_version(version);
        }
        if let Some(url) = url {
            scope = scope.with_schema_url(url);
        }
        scope.build()
    })
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Unset),
        Just(Status::Ok),
        text().prop_map(Status::error)
    ]
}

fn events() -> impl Strategy<Value = SpanEvents> {
    let event = (text(), time(), attributes(), any::<u32>())
        .prop_map(|(name, at, attributes, dropped)| Event::new(name, at, attributes, dropped));
    (vec(event, 0..3), any::<u32>()).prop_map(|(all, dropped)| {
        let mut events = SpanEvents::default();
        (events.events, events.dropped_count) = (all, dropped);
        events
    })
}

fn links() -> impl Strategy<Value = SpanLinks> {
    let link = (ids(), attributes(), any::<u32>())
        .prop_map(|(ids, attributes, dropped)| Link::new(ids, attributes, dropped));
    (vec(link, 0..3), any::<u32>()).prop_map(|(all, dropped)| {
        let mut links = SpanLinks::default();
        (links.links, links.dropped_count) = (all, dropped);
        links
    })
}

fn kind() -> impl Strategy<Value = SpanKind> {
    proptest::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ])
}

fn span() -> impl Strategy<Value = SpanData> {
    let identity = (ids(), any::<u64>(), any::<bool>(), text(), kind());
    let content = (
        time(),
        time(),
        attributes(),
        any::<u32>(),
        events(),
        links(),
    );
    (identity, content, status(), scope()).prop_map(|(identity, content, status, scope)| {
        let (span_context, parent, parent_span_is_remote, name, span_kind) = identity;
        let (start_time, end_time, attributes, dropped_attributes_count, events, links) = content;
        SpanData {
            span_context,
            parent_span_id: SpanId::from(parent % 3),
            parent_span_is_remote,
            span_kind,
            name: Cow::Owned(name),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count,
            events,
            links,
            status,
            instrumentation_scope: scope,
        }
    })
}

fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), option::of("https://[ab]")).prop_map(|(attributes, url)| match url {
        Some(url) => Resource::builder_empty()
            .with_schema_url(attributes, url)
            .build(),
        None => Resource::builder_empty()
            .with_attributes(attributes)
            .build(),
    })
}

fn request(resource: &Resource, spans: &[SpanData]) -> Vec<u8> {
    let mut items = Items::default();
    for span in spans {
        let mut encoded = Vec::new();
        encode_span(span, &mut encoded);
        items.add_span(&span.instrumentation_scope, &encoded);
    }
    let mut all = Vec::new();
    items.requests(
        &Envelope::new(resource),
        usize::MAX,
        usize::MAX,
        |body, count| {
            assert_eq!(count, spans.len());
            all.push(body);
        },
    );
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn names(request: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|it| it.scope_spans);
    scopes.flat_map(|it| it.spans).map(|it| it.name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn spans_are_written_as_the_generated_code_would(
        resource in resource(),
        spans in vec(span(), 1..5),
    ) {
        let written = ExportTraceServiceRequest::decode(request(&resource, &spans).as_slice()).unwrap();
        let expected = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(spans, &(&resource).into()),
        };
        prop_assert_eq!(written, expected);
    }

    #[test]
    fn the_halves_of_a_request_are_its_items_in_order(
        resource in resource(),
        spans in vec(span(), 1..9),
    ) {
        let whole = request(&resource, &spans);
        let Some([(first, ahead), (second, behind)]) = halves(&whole, spans.len()) else {
            prop_assert_eq!(spans.len(), 1);
            return Ok(());
        };
        prop_assert_eq!(ahead + behind, spans.len());
        prop_assert_eq!((names(&first).len(), names(&second).len()), (ahead, behind));
        prop_assert_eq!([names(&first), names(&second)].concat(), names(&whole));
        let decoded = ExportTraceServiceRequest::decode(first.as_slice()).unwrap();
        let expected = ExportTraceServiceRequest::decode(whole.as_slice()).unwrap();
        prop_assert_eq!(&decoded.resource_spans[0].resource, &expected.resource_spans[0].resource);
    }
}

#[test]
fn what_is_too_much_for_one_request_makes_several() {
    let mut items = Items::default();
    for name in ["a", "b", "a", "c", "c"] {
        items.add(name, &[0; 10]);
    }
    let envelope = Envelope::new(&Resource::builder_empty().build());
    let counts = |max_items, max_bytes| {
        let mut counts = Vec::new();
        items.requests(&envelope, max_items, max_bytes, |_, count| {
            counts.push(count);
        });
        counts
    };
    assert_eq!(counts(2, 1000), [2, 2, 1]);
    assert_eq!(counts(10, 30), [3, 2]);
    assert_eq!(counts(10, 5), [1; 5], "a large one goes alone");
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut record = Vec::new();
    let mut log = LogWriter(&mut record);
    log.time(SystemTime::UNIX_EPOCH + Duration::from_nanos(7));
    log.severity(17, "ERROR");
    log.body("");
    log.attribute("order.id", Scalar::Int(-1));
    log.attribute("share", Scalar::Double(0.0));
    log.attribute("paid", Scalar::Bool(false));
    log.dropped_attributes(2);
    log.ids(&SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    ));
    log.event_name("checkout.failed");
    let mut items = Items::default();
    items.add("shop::cart", &record);
    let envelope = Envelope::new(&Resource::builder_empty().build());
    let mut body = Vec::new();
    items.requests(&envelope, 1, 1, |request, _| body = request);
    let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
    let scope = &request.resource_logs[0].scope_logs[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "shop::cart");
    let record = &scope.log_records[0];
    assert_eq!(
        (record.time_unix_nano, record.observed_time_unix_nano),
        (7, 7)
    );
    assert_eq!(
        (record.severity_number, record.severity_text.as_str()),
        (17, "ERROR")
    );
    let body = record.body.as_ref().unwrap().value.as_ref().unwrap();
    assert_eq!(*body, any_value::Value::StringValue(String::new()));
    let values: Vec<_> = record
        .attributes
        .iter()
        .map(|it| (it.key.as_str(), it.value.clone().unwrap().value.unwrap()))
        .collect();
    assert_eq!(
        values,
        [
            ("order.id", any_value::Value::IntValue(-1)),
            ("share", any_value::Value::DoubleValue(0.0)),
            ("paid", any_value::Value::BoolValue(false)),
        ]
    );
    assert_eq!(record.dropped_attributes_count, 2);
    assert_eq!(
        (record.trace_id[15], record.span_id[7], record.flags),
        (1, 2, 1)
    );
    assert_eq!(record.event_name, "checkout.failed");
}
