//! The reader beside prost, which reads what is stored when a page shows it: what the reader
//! takes, prost must be able to decode, and both must see the same in it.

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
        any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;

fn value() -> impl Strategy<Value = AnyValue> {
    let single = prop_oneof![
        Just(None),
        ".{0,12}".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|yes| Some(Value::BoolValue(yes))),
        any::<i64>().prop_map(|number| Some(Value::IntValue(number))),
        any::<f64>().prop_map(|number| Some(Value::DoubleValue(number))),
        vec(any::<u8>(), 0..9).prop_map(|bytes| Some(Value::BytesValue(bytes))),
    ]
    .prop_map(|value| AnyValue { value });
    single.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(("[a-z]{0,4}", inner), 0..4).prop_map(|pairs| Value::KvlistValue(KeyValueList {
                values: pairs.into_iter().map(pair).collect(),
            })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn pair((key, value): (String, AnyValue)) -> KeyValue {
    KeyValue {
        key,
        value: Some(value),
        ..KeyValue::default()
    }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(("[a-z.é]{0,8}", value()).prop_map(pair), 0..5)
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), length),
        Just(Vec::new()),
        Just(vec![0; length])
    ]
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8));
    let status = proptest::option::of((0..3_i32, ".{0,5}"));
    let event = (any::<u64>(), "exception|[a-z]{0,5}", attributes());
    let link = (id(16), id(8), attributes(), any::<u32>());
    (
        (ids, ".{0,20}", any::<i32>(), any::<u64>(), any::<u64>()),
        attributes(),
        vec(event, 0..3),
        vec(link, 0..3),
        (status, any::<u32>(), any::<u32>()),
    )
        .prop_map(
            |(
                ((trace_id, span_id, parent), name, kind, start, end),
                attributes,
                events,
                links,
                (status, flags, dropped),
            )| Span {
                trace_id,
                span_id,
                parent_span_id: parent,
                name,
                kind,
                start_time_unix_nano: start,
                end_time_unix_nano: end,
                attributes,
                dropped_attributes_count: dropped,
                dropped_events_count: dropped,
                dropped_links_count: dropped,
                events: events
                    .into_iter()
                    .map(|(time_unix_nano, name, attributes)| Event {
                        time_unix_nano,
                        name,
                        attributes,
                        dropped_attributes_count: dropped,
                    })
                    .collect(),
                links: links
                    .into_iter()
                    .map(|(trace_id, span_id, attributes, flags)| Link {
                        trace_id,
                        span_id,
                        attributes,
                        flags,
                        dropped_attributes_count: dropped,
                        ..Link::default()
                    })
                    .collect(),
                status: status.map(|(code, message)| Status { code, message }),
                flags,
                ..Span::default()
            },
        )
}

fn record() -> impl Strategy<Value = LogRecord> {
    (
        (any::<u64>(), any::<u64>(), 1..25_i32, ".{0,6}"),
        proptest::option::of(value()),
        attributes(),
        (id(16), id(8), "[a-z]{0,8}", any::<u32>(), any::<u32>()),
    )
        .prop_map(
            |(
                (time, observed, severity, text),
                body,
                attributes,
                (trace_id, span_id, event_name, flags, dropped),
            )| LogRecord {
                time_unix_nano: time,
                observed_time_unix_nano: observed,
                severity_number: severity,
                severity_text: text,
                body,
                attributes,
                dropped_attributes_count: dropped,
                flags,
                trace_id,
                span_id,
                event_name,
            },
        )
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    proptest::option::of((attributes(), any::<u32>(), ".{0,5}").prop_map(
        |(attributes, dropped_attributes_count, text)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs: vec![EntityRef {
                r#type: text.clone(),
                id_keys: vec![text],
                ..EntityRef::default()
            }],
        },
    ))
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    proptest::option::of((".{0,5}", attributes(), any::<u32>()).prop_map(
        |(name, attributes, dropped_attributes_count)| InstrumentationScope {
            version: name.clone(),
            name,
            attributes,
            dropped_attributes_count,
        },
    ))
}

fn spans() -> impl Strategy<Value = ExportTraceServiceRequest> {
    vec((resource(), vec((scope(), vec(span(), 0..3)), 0..3)), 0..3).prop_map(|resources| {
        let resource_spans = resources
            .into_iter()
            .map(|(resource, scopes)| ResourceSpans {
                resource,
                scope_spans: scopes
                    .into_iter()
                    .map(|(scope, spans)| ScopeSpans {
                        scope,
                        spans,
                        ..ScopeSpans::default()
                    })
                    .collect(),
                ..ResourceSpans::default()
            });
        ExportTraceServiceRequest {
            resource_spans: resource_spans.collect(),
        }
    })
}

fn records() -> impl Strategy<Value = ExportLogsServiceRequest> {
    vec((resource(), scope(), vec(record(), 0..4)), 0..3).prop_map(|resources| {
        let resource_logs =
            resources
                .into_iter()
                .map(|(resource, scope, log_records)| ResourceLogs {
                    resource,
                    scope_logs: vec![ScopeLogs {
                        scope,
                        log_records,
                        ..ScopeLogs::default()
                    }],
                    ..ResourceLogs::default()
                });
        ExportLogsServiceRequest {
            resource_logs: resource_logs.collect(),
        }
    })
}

/// Bytes of a valid message with some of them changed, left out or doubled.
fn damaged(valid: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (
        valid,
        vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    )
        .prop_map(|(mut bytes, changes)| {
            for (at, byte, change) in changes {
                if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
                match change {
                    0 => bytes[at] = byte,
                    // A wire type or a neighbouring field.
                    1 => bytes[at] ^= 1 << (byte % 8),
                    2 => {
                        bytes.remove(at);
                    }
                    _ => bytes.insert(at, byte),
                }
            }
            bytes
        })
}

/// A protobuf field of a number and wire type that may be anybody's.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let field = (
        1..18_u8,
        prop_oneof![Just(0_u8), Just(1), Just(2), Just(5)],
        any::<u64>(),
    );
    vec((field, vec(any::<u8>(), 0..12)), 0..6).prop_map(|fields| {
        let mut message = Vec::new();
        for ((number, wire_type, value), bytes) in fields {
            prost::encoding::encode_varint(
                u64::from(number) << 3 | u64::from(wire_type),
                &mut message,
            );
            match wire_type {
                0 => prost::encoding::encode_varint(value, &mut message),
                1 => message.extend_from_slice(&value.to_le_bytes()),
                2 => {
                    message.push(bytes.len() as u8);
                    message.extend_from_slice(&bytes);
                }
                _ => message.extend_from_slice(&value.to_le_bytes()[..4]),
            }
        }
        message
    })
}

fn texts(attributes: &[KeyValue]) -> Vec<(&str, String)> {
    attributes
        .iter()
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            let text = match value {
                None | Some(Value::StringValueStrindex(_)) => "empty".into(),
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::BoolValue(yes)) => yes.to_string(),
                Some(Value::IntValue(number)) => number.to_string(),
                Some(Value::DoubleValue(number)) => number.to_bits().to_string(),
                Some(Value::BytesValue(bytes)) => format!("{bytes:?}"),
                Some(_) => "nested".into(),
            };
            (pair.key.as_str(), text)
        })
        .collect()
}

fn text_of(value: ValueView<'_>) -> String {
    match value {
        ValueView::Empty => "empty".into(),
        ValueView::Text(text) => text.into(),
        ValueView::Bool(yes) => yes.to_string(),
        ValueView::Int(number) => number.to_string(),
        ValueView::Double(number) => number.to_bits().to_string(),
        ValueView::Bytes(bytes) => format!("{bytes:?}"),
        ValueView::Nested(_) => "nested".into(),
    }
}

fn array<const N: usize>(id: &[u8]) -> Option<[u8; N]> {
    id.try_into().ok().filter(|id| *id != [0; N])
}

/// Goes through a request as the store does; what it takes must be decodable piece by piece.
fn take<M: Message + Default>(
    request: &[u8],
    mut read: impl FnMut(&[u8]) -> Result<(), Malformed>,
) -> Result<Vec<M>, Malformed> {
    let mut taken = Vec::new();
    let mut pieces = Vec::new();
    groups(request, |group| {
        pieces.push((group.resource.to_vec(), group.scope.to_vec()));
        group.items(|item| {
            read(item)?;
            taken.push(item.to_vec());
            Ok::<_, Malformed>(())
        })
    })?;
    for (resource, scope) in pieces {
        Resource::decode(&*resource).expect("a resource that was taken");
        InstrumentationScope::decode(&*scope).expect("a scope that was taken");
    }
    Ok(taken
        .iter()
        .map(|item| M::decode(&**item).expect("an item that was taken"))
        .collect())
}

fn take_spans(request: &[u8]) -> Result<Vec<Span>, Malformed> {
    take(request, |item| SpanView::read(item, |_| {}).map(drop))
}

fn take_records(request: &[u8]) -> Result<Vec<LogRecord>, Malformed> {
    take(request, |item| RecordView::read(item, |_| {}).map(drop))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_span_is_read_as_prost_reads_it(span in span()) {
        let bytes = span.encode_to_vec();
        let mut attributes = Vec::new();
        let view = SpanView::read(&bytes, |attribute| {
            attributes.push((attribute.key, text_of(attribute.value)));
        });
        let view = view.expect("a valid span");
        prop_assert_eq!(view.trace_id, array(&span.trace_id).map(u128::from_be_bytes));
        prop_assert_eq!(view.span_id, array(&span.span_id).map(u64::from_be_bytes));
        prop_assert_eq!(view.parent, array(&span.parent_span_id).map(u64::from_be_bytes));
        prop_assert_eq!(view.name, &span.name);
        prop_assert_eq!(view.kind, span.kind);
        prop_assert_eq!(view.start, span.start_time_unix_nano);
        prop_assert_eq!(view.end, span.end_time_unix_nano);
        prop_assert_eq!(view.status, span.status.as_ref().map_or(0, |status| status.code));
        prop_assert_eq!(view.exception, span.events.iter().any(|event| event.name == "exception"));
        prop_assert_eq!(attributes, texts(&span.attributes));
    }

    #[test]
    fn a_record_is_read_as_prost_reads_it(record in record()) {
        let bytes = record.encode_to_vec();
        let mut attributes = Vec::new();
        let view = RecordView::read(&bytes, |attribute| {
            attributes.push((attribute.key, text_of(attribute.value)));
        });
        let view = view.expect("a valid record");
        let time = match record.time_unix_nano {
            0 => record.observed_time_unix_nano,
            time => time,
        };
        prop_assert_eq!(view.time, time);
        prop_assert_eq!(view.severity, record.severity_number);
        let body = [pair((String::new(), record.body.clone().unwrap_or_default()))];
        prop_assert_eq!(text_of(view.body), texts(&body)[0].1.clone());
        prop_assert_eq!(view.trace_id, array(&record.trace_id).map(u128::from_be_bytes));
        prop_assert_eq!(view.span_id, array(&record.span_id).map(u64::from_be_bytes));
        prop_assert_eq!(view.event_name, &record.event_name);
        prop_assert_eq!(attributes, texts(&record.attributes));
    }

    #[test]
    fn a_valid_request_is_taken_item_by_item(spans in spans(), records in records()) {
        let all = spans.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans);
        let taken = take_spans(&spans.encode_to_vec()).expect("a valid request");
        prop_assert_eq!(taken.iter().collect::<Vec<_>>(), all.collect::<Vec<_>>());
        let all = records.resource_logs.iter().flat_map(|of| &of.scope_logs).flat_map(|of| &of.log_records);
        let taken = take_records(&records.encode_to_vec()).expect("a valid request");
        prop_assert_eq!(taken.iter().collect::<Vec<_>>(), all.collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_taken_of_a_damaged_request_can_be_decoded(
        spans in damaged(spans().prop_map(|spans| spans.encode_to_vec())),
        records in damaged(records().prop_map(|records| records.encode_to_vec())),
    ) {
        take_spans(&spans).ok();
        take_records(&records).ok();
    }

    #[test]
    fn what_is_taken_of_any_fields_can_be_decoded(message in fields(), wrong in any::<u8>()) {
        if SpanView::read(&message, |_| {}).is_ok() {
            prop_assert!(Span::decode(&*message).is_ok());
        }
        if RecordView::read(&message, |_| {}).is_ok() {
            prop_assert!(LogRecord::decode(&*message).is_ok());
        }
        // As an attribute, an event, a link and a status of a span; a body of a record.
        for field in [9_u8, 11, 13, 15, 5, 6] {
            let mut outer = vec![field << 3 | 2, message.len() as u8];
            outer.extend_from_slice(&message);
            outer.extend((wrong % 4 == 0).then_some(wrong));
            if SpanView::read(&outer, |_| {}).is_ok() {
                prop_assert!(Span::decode(&*outer).is_ok());
            }
            if RecordView::read(&outer, |_| {}).is_ok() {
                prop_assert!(LogRecord::decode(&*outer).is_ok());
            }
            // As a resource, and as a scope.
            let mut request = vec![0x0a, outer.len() as u8, 0x0a, message.len() as u8];
            request.extend_from_slice(&message);
            request[1] = message.len() as u8 + 2;
            take_spans(&request).ok();
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        take_spans(&bytes).ok();
        take_records(&bytes).ok();
        objects(&bytes).ok();
        leaves(&bytes, &mut |_| true);
    }
}

#[test]
fn lists_are_taken_as_deep_as_prost_can_read_them_in_a_whole_request() {
    let lists = |depth: usize| {
        (0..depth).fold(AnyValue::default(), |inner, _| AnyValue {
            value: Some(Value::ArrayValue(ArrayValue {
                values: vec![inner],
            })),
        })
    };
    let request = |depth| {
        let span = Span {
            events: vec![Event {
                attributes: vec![pair(("deep".into(), lists(depth)))],
                ..Event::default()
            }],
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans {
            spans: vec![span],
            ..ScopeSpans::default()
        }];
        let of_resource = ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![of_resource],
        }
        .encode_to_vec()
    };
    for depth in 0..100 {
        let bytes = request(depth);
        let taken = take_spans(&bytes);
        assert_eq!(taken.is_ok(), depth <= DEPTH / 2, "{depth}");
        if taken.is_ok() {
            ExportTraceServiceRequest::decode(&*bytes).expect("what was taken");
        }
    }
}

#[test]
fn a_number_of_too_many_bits_is_refused() {
    for bad in [
        // A field's number beyond 2^29, and a value beyond 2^64.
        vec![0x80, 0x80, 0x80, 0x80, 0x10, 0x00],
        [&[0x30][..], &[0xff; 9], &[0x02]].concat(),
    ] {
        assert!(Span::decode(&*bad).is_err());
        assert!(matches!(
            SpanView::read(&bad, |_| {}),
            Err(Malformed::Varint)
        ));
    }
}
