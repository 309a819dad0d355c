use opentelemetry::TraceId;
use proptest::prelude::*;
use prost::Message;
use throughline_receiver::proto::collector::logs::v1::ExportLogsServiceRequest;
use throughline_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use throughline_receiver::proto::common::v1::{AnyValue, KeyValue, any_value::Value};
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::resource::v1::Resource;
use throughline_receiver::proto::trace::v1::{Span, Status as SpanStatus, span};

use super::*;
use crate::sentry::{Event, Limits, parse_envelope};

/// What the SDK sent of three failures in one run, on both sides.
const EVENTS: [&[u8]; 3] = [
    include_bytes!("../sentry/fixtures/throughline_error.envelope"),
    include_bytes!("../sentry/fixtures/throughline_panic.envelope"),
    include_bytes!("../sentry/fixtures/throughline_message.envelope"),
];
const LOGS: &[u8] = include_bytes!("../sentry/fixtures/throughline_logs.pb");
const SPANS: &[u8] = include_bytes!("../sentry/fixtures/throughline_spans.pb");

fn of_event(body: &[u8]) -> Occurrence {
    let envelope = parse_envelope(body, &Limits::default()).unwrap();
    Occurrence::from_event(&envelope.events[0], 0)
}

fn of_json(event: serde_json::Value) -> Occurrence {
    let event = Event::from_json(event.to_string().as_bytes(), &Limits::default()).unwrap();
    Occurrence::from_event(&event, 7)
}

fn of_logs() -> Vec<Occurrence> {
    let request = ExportLogsServiceRequest::decode(LOGS).unwrap();
    let mut occurrences = Vec::new();
    for logs in request.resource_logs {
        let resource = logs.resource.unwrap();
        for scope in logs.scope_logs {
            let records = scope.log_records.iter();
            occurrences.extend(records.filter_map(|record| {
                Occurrence::from_record(record, scope.scope.as_ref(), &resource)
            }));
        }
    }
    occurrences
}

fn of_spans() -> Vec<Occurrence> {
    let request = ExportTraceServiceRequest::decode(SPANS).unwrap();
    let mut occurrences = Vec::new();
    for spans in request.resource_spans {
        let resource = spans.resource.unwrap();
        for span in spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            occurrences.extend(Occurrence::from_span(span, &resource));
        }
    }
    occurrences
}

fn attribute(key: &str, text: &str) -> KeyValue {
    let value = Some(Value::StringValue(text.to_owned()));
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
        ..KeyValue::default()
    }
}

fn thrown(kind: &str, message: &str) -> Vec<KeyValue> {
    vec![
        attribute("exception.type", kind),
        attribute("exception.message", message),
    ]
}

/// As the store does it: what is there, and who told of it.
fn stored(occurrences: impl IntoIterator<Item = Occurrence>) -> Vec<(Occurrence, Sources)> {
    let mut stored: Vec<(Occurrence, Sources)> = Vec::new();
    for new in occurrences {
        let existing: Vec<_> = stored
            .iter()
            .map(|(one, sources)| Failure {
                sources: *sources,
                ..one.failure()
            })
            .collect();
        let found = closest(&existing, &new.failure());
        match found {
            Some((place, Merge::Keep(sources))) => stored[place].1 = sources,
            Some((place, Merge::Replace(sources))) => stored[place] = (new, sources),
            Some((_, Merge::Separate)) | None => {
                let sources = new.source.into();
                stored.push((new, sources));
            }
        }
    }
    stored
}

#[test]
fn what_our_sdk_tells_thrice_is_one_failure_in_whatever_order_it_comes() {
    let events: Vec<_> = EVENTS.into_iter().map(of_event).collect();
    let (logs, spans) = (of_logs(), of_spans());
    assert_eq!((events.len(), logs.len(), spans.len()), (3, 3, 3));
    let all = || [events.clone(), logs.clone(), spans.clone()];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let arrived = order.into_iter().flat_map(|which| all()[which].clone());
        let stored = stored(arrived);
        assert_eq!(stored.len(), 3, "{order:?}");
        for (kept, sources) in stored {
            assert_eq!(kept.source, Source::Sentry, "{order:?}");
            assert_eq!(sources, Sources(7), "{order:?}");
        }
    }
}

#[test]
fn an_error_of_our_sdk_is_one_issue_with_and_without_sentry() {
    let event = of_event(EVENTS[0]);
    let logs = of_logs();
    let record = logs
        .iter()
        .find(|one| one.exception_type == event.exception_type);
    let record = record.unwrap();
    assert_eq!(record.fingerprint, event.fingerprint);
    assert_eq!(record.title, "shop::Declined");
    assert_eq!(record.subtitle, "card of order 42 declined");
    assert_eq!(record.log_message.as_deref(), Some("payment failed"));
    assert_eq!(record.release.as_deref(), Some("shop@1.4.2"));
    assert_eq!(record.release, event.release);
    assert_eq!(record.service, event.service);
    assert_eq!(record.environment, event.environment);
}

#[test]
fn a_panics_record_names_the_function_that_panicked() {
    let panic = of_logs()
        .into_iter()
        .find(|one| one.exception_type.as_deref() == Some("panic"));
    let panic = panic.unwrap();
    assert_eq!(panic.culprit.as_deref(), Some("shop::refund"));
    assert_eq!(panic.handled, Some(false));
    let event = of_event(EVENTS[1]);
    assert_eq!(event.culprit.as_deref(), Some("shop::refund"));
}

#[test]
fn two_failures_of_one_request_stay_two() {
    let trace_id = Some(TraceId::from_bytes([1; 16]));
    let failure = |source, kind: &str, message: &str, time| Occurrence {
        source,
        time,
        trace_id,
        exception_type: Some(kind.to_owned()),
        message: message.to_owned(),
        event_id: None,
        ..of_event(EVENTS[0])
    };
    let stored = stored([
        failure(Source::LogRecord, "Declined", "order 1", 1),
        failure(Source::LogRecord, "Declined", "order 2", 2),
        Occurrence {
            event_id: Some("a".into()),
            ..failure(Source::Sentry, "Declined", "order 1", 1)
        },
        Occurrence {
            event_id: Some("b".into()),
            ..failure(Source::Sentry, "Declined", "order 2", 2)
        },
        Occurrence {
            event_id: Some("c".into()),
            ..failure(Source::Sentry, "Timeout", "order 3", 1)
        },
    ]);
    let messages: Vec<_> = stored
        .iter()
        .map(|(one, told)| (&*one.message, told.0))
        .collect();
    assert_eq!(messages, [("order 1", 6), ("order 2", 6), ("order 3", 4)]);
}

#[test]
fn what_is_sent_twice_is_kept_once() {
    let twice = || {
        of_logs()
            .into_iter()
            .chain(EVENTS.map(of_event))
            .chain(EVENTS.map(of_event))
    };
    assert_eq!(stored(twice()).len(), 3);
    assert_eq!(stored(of_logs().into_iter().chain(of_logs())).len(), 3);
}

#[test]
fn an_exception_that_passes_through_spans_is_one_failure() {
    let span = |id: u8| Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        status: Some(SpanStatus {
            code: 2,
            message: "ValueError: no".into(),
        }),
        events: vec![span::Event {
            name: "exception".into(),
            time_unix_nano: u64::from(id),
            attributes: thrown("ValueError", "no"),
            ..span::Event::default()
        }],
        ..Span::default()
    };
    let spans = [span(1), span(2), span(3)];
    let told = spans
        .iter()
        .flat_map(|span| Occurrence::from_span(span, &Resource::default()));
    assert_eq!(stored(told).len(), 1);
}

#[test]
fn a_500_is_no_error_of_every_span_around_it() {
    let failed = |kind: span::SpanKind, parent: &[u8], message: &str| {
        let span = Span {
            kind: kind as i32,
            parent_span_id: parent.to_vec(),
            status: Some(SpanStatus {
                code: 2,
                message: message.to_owned(),
            }),
            ..Span::default()
        };
        Occurrence::from_span(&span, &Resource::default()).len()
    };
    assert_eq!(failed(span::SpanKind::Server, b"parent", ""), 0);
    assert_eq!(failed(span::SpanKind::Client, b"parent", "refused"), 0);
    assert_eq!(failed(span::SpanKind::Internal, b"parent", "no stock"), 0);
    assert_eq!(failed(span::SpanKind::Server, b"parent", "no stock"), 1);
    assert_eq!(failed(span::SpanKind::Internal, b"", "no stock"), 1);
    let well = Span {
        status: Some(SpanStatus {
            code: 1,
            message: "no stock".into(),
        }),
        ..Span::default()
    };
    assert_eq!(Occurrence::from_span(&well, &Resource::default()), []);
}

#[test]
fn a_warning_is_no_error() {
    let record = |severity_number| LogRecord {
        severity_number,
        ..LogRecord::default()
    };
    let of = |number| Occurrence::from_record(&record(number), None, &Resource::default());
    assert_eq!(of(16), None);
    assert_eq!(of(17).unwrap().level, Level::Error);
    assert_eq!(of(21).unwrap().level, Level::Fatal);
    assert_eq!(of(17).unwrap().title, "an error without a message");
}

#[test]
fn what_the_program_says_groups_over_services_and_types() {
    let said = |parts: serde_json::Value, kind: &str, service: &str| {
        of_json(serde_json::json!({
            "fingerprint": parts, "exception": [{"type": kind, "value": "v"}],
            "tags": {"service.name": service},
        }))
        .fingerprint
    };
    let (own, default) = (
        serde_json::json!(["pay"]),
        serde_json::json!(["{{ default }}"]),
    );
    assert_eq!(said(own.clone(), "A", "x"), said(own.clone(), "B", "y"));
    assert_ne!(
        said(own.clone(), "A", "x"),
        said(serde_json::json!(["p", "ay"]), "A", "x")
    );
    assert_eq!(
        said(default.clone(), "A", "x"),
        said(serde_json::json!(null), "A", "x")
    );
    assert_ne!(said(default.clone(), "A", "x"), said(default, "A", "y"));
    let (one, two) = (serde_json::json!(["asaidb"]), serde_json::json!(["a", "b"]));
    assert_ne!(said(one, "A", "x"), said(two, "A", "x"));
    let both = serde_json::json!(["pay", "{{default}}"]);
    assert_ne!(said(both.clone(), "A", "x"), said(both.clone(), "B", "x"));
    assert_ne!(said(both, "A", "x"), said(own, "A", "x"));
}

#[test]
fn a_stack_groups_by_functions_of_the_service() {
    let failed = |frames: serde_json::Value| {
        of_json(serde_json::json!({"exception": [{"type": "E", "value": "v", "stacktrace": {"frames": frames}}]}))
            .fingerprint
    };
    let frame = |function: &str, line: u32, in_app: bool| serde_json::json!({"module": "cart", "function": function, "lineno": line, "in_app": in_app});
    let one = failed(serde_json::json!([
        frame("pay", 1, true),
        frame("lib", 2, false)
    ]));
    assert_eq!(
        one,
        failed(serde_json::json!([
            frame("pay", 9, true),
            frame("other", 2, false)
        ]))
    );
    assert_ne!(one, failed(serde_json::json!([frame("refund", 1, true)])));
    let hashed = |hash: &str| {
        failed(serde_json::json!([frame(
            &format!("pay::h{hash}"),
            1,
            true
        )]))
    };
    assert_eq!(hashed("0123456789abcdef"), hashed("fedcba9876543210"));
}

#[test]
fn a_synthetic_type_neither_names_nor_groups() {
    let of = |kind: &str| {
        of_json(
            serde_json::json!({"exception": [{"type": kind, "value": "crash",
            "mechanism": {"type": "signal", "synthetic": true}}]}),
        )
    };
    assert_eq!(of("A").fingerprint, of("B").fingerprint);
    assert_eq!(of("A").title, "crash");
}

#[test]
fn the_store_can_read_a_fingerprint_back() {
    let fingerprint = of_event(EVENTS[0]).fingerprint;
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    assert_eq!(Fingerprint(1).to_string(), "0000000000000001");
}

#[test]
fn a_resolved_issue_that_happens_again_has_regressed() {
    let resolved = |release: Option<&str>| Status::Resolved {
        at: 10,
        in_release: release.map(str::to_owned),
    };
    let after = |status: &Status, time, release| match status.after(time, release) {
        Status::Regressed => true,
        other => {
            assert_eq!(other, *status);
            false
        }
    };
    assert!(after(&resolved(None), 11, None));
    assert!(!after(&resolved(None), 10, None));
    assert!(!after(&Status::Unresolved, 11, None));
    let fixed = resolved(Some("shop@1.10.0"));
    assert!(!after(&fixed, 11, Some("shop@1.9.3")));
    assert!(!after(&fixed, 11, Some("shop@1.10.0-rc.1")));
    assert!(!after(&fixed, 9, Some("shop@1.10.0")));
    assert!(after(&fixed, 11, Some("shop@1.10.0")));
    assert!(after(&fixed, 11, Some("shop@2.0")));
    assert!(after(&fixed, 11, None));
    assert!(after(
        &resolved(Some("shop@4f2a91c")),
        11,
        Some("shop@77aa012")
    ));
}

proptest! {
    #[test]
    fn numbers_in_a_message_do_not_make_another_issue(
        words in prop::collection::vec("[a-z]{1,8}", 1..6),
        one in prop::collection::vec(0_u32..999_999, 6),
        other in prop::collection::vec(0_u32..999_999, 6),
        kind in "[A-Z][a-z]{1,8}",
    ) {
        let failed = |numbers: &[u32], kind: &str| {
            let text: Vec<String> = words.iter().zip(numbers).map(|(word, number)| format!("{word} {number}")).collect();
            of_json(serde_json::json!({"exception": [{"type": kind, "value": text.join(" ")}]})).fingerprint
        };
        prop_assert_eq!(failed(&one, &kind), failed(&other, &kind));
        prop_assert_ne!(failed(&one, &kind), failed(&one, &format!("{kind}s")));
    }

    #[test]
    fn lines_that_moved_do_not_make_another_issue(
        functions in prop::collection::vec("[a-z_]{1,8}", 1..8),
        moved in 0_u32..500,
    ) {
        let failed = |by: u32| {
            let frames: Vec<_> = functions.iter().enumerate().map(|(line, function)| {
                serde_json::json!({"module": "m", "function": function, "lineno": line as u32 + by, "in_app": true})
            }).collect();
            of_json(serde_json::json!({"exception": [{"type": "E", "value": by, "stacktrace": {"frames": frames}}]})).fingerprint
        };
        prop_assert_eq!(failed(1), failed(1 + moved));
    }
}
