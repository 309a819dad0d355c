//! OTLP's JSON arrives as the protobuf that means the same.

#![allow(clippy::unwrap_used)]

mod support;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
        any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point, summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use reqwest::StatusCode;
use serde_json::{Value as Json, json};
use throughline_receiver::{Limits, Options, Payload, Receiver, Server, Transport};

use support::{JSON, gzip, status_of, taking};

/// What a decoding sink is given for the JSON of a signal.
async fn received(signal: &str, document: &Json) -> Payload {
    let (sender, payloads) = std::sync::mpsc::channel();
    let server = Server::start(
        throughline_receiver::Addresses::default(),
        move |request: throughline_receiver::ExportRequest| {
            assert_eq!(request.info.transport, Transport::HttpJson);
            sender.send(request.payload).unwrap();
            Ok(())
        },
    )
    .unwrap();
    let response = send(&server.http_endpoint(), signal, document.to_string()).await;
    let (status, answer) = (response.status(), response.text().await.unwrap());
    assert_eq!((status, &*answer), (StatusCode::OK, "{}"));
    payloads.recv().unwrap()
}

async fn send(endpoint: &str, signal: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    reqwest::Client::new()
        .post(format!("{endpoint}/v1/{signal}"))
        .header("content-type", "application/json; charset=utf-8")
        .body(body)
        .send()
        .await
        .unwrap()
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![attribute("service.name", text("till"))],
        dropped_attributes_count: 1,
        entity_refs: vec![EntityRef {
            r#type: "service".into(),
            id_keys: vec!["service.name".into(), String::new()],
            ..EntityRef::default()
        }],
    })
}

fn resource_json() -> Json {
    json!({
        "attributes": [{ "key": "service.name", "value": { "stringValue": "till" } }],
        "droppedAttributesCount": 1,
        "entityRefs": [{ "type": "service", "idKeys": ["service.name", ""] }],
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "till.http".into(),
        version: "1.0".into(),
        attributes: vec![attribute("short", Value::BoolValue(true))],
        dropped_attributes_count: 2,
    })
}

fn scope_json() -> Json {
    json!({
        "name": "till.http",
        "version": "1.0",
        "attributes": [{ "key": "short", "value": { "boolValue": true } }],
        "droppedAttributesCount": 2,
    })
}

#[tokio::test]
async fn spans_equal_their_protobuf_twin() {
    let json = json!({ "resourceSpans": [{
        "resource": resource_json(),
        "schemaUrl": "https://schema.example/resource",
        "scopeSpans": [{
            "scope": scope_json(),
            "schemaUrl": "https://schema.example/scope",
            "spans": [{
                // Upper case and lower, as the specification has it.
                "traceId": "5B8EFFF798038103d269b633813fc60c",
                "spanId": "EEE19B7EC3C1B174",
                "parentSpanId": "",
                "traceState": "a=b",
                "flags": 257,
                "name": "GET /orders/{id} \u{1F600}",
                "kind": 2,
                "startTimeUnixNano": "1544712660000000001",
                "endTimeUnixNano": 1544712661000000001u64,
                "attributes": [{ "key": "order.id", "value": { "intValue": "7" } }],
                "droppedAttributesCount": 3,
                "events": [{
                    "timeUnixNano": "5",
                    "name": "retry",
                    "attributes": [],
                    "droppedAttributesCount": 0,
                }],
                "droppedEventsCount": 4,
                "links": [{
                    "traceId": "5b8efff798038103d269b633813fc60c",
                    "spanId": "eee19b7ec3c1b174",
                    "traceState": "c=d",
                    "attributes": [{ "key": "why", "value": { "stringValue": "batch" } }],
                    "droppedAttributesCount": 5,
                    "flags": 1,
                }],
                "droppedLinksCount": 6,
                "status": { "code": 2, "message": "no such order" },
            }],
        }],
    }] });
    let trace_id: Vec<u8> = 0x5b8efff798038103d269b633813fc60c_u128.to_be_bytes().into();
    let span_id: Vec<u8> = 0xeee19b7ec3c1b174_u64.to_be_bytes().into();
    let span = Span {
        trace_id: trace_id.clone(),
        span_id: span_id.clone(),
        trace_state: "a=b".into(),
        flags: 257,
        name: "GET /orders/{id} \u{1F600}".into(),
        kind: 2,
        start_time_unix_nano: 1_544_712_660_000_000_001,
        end_time_unix_nano: 1_544_712_661_000_000_001,
        attributes: vec![attribute("order.id", Value::IntValue(7))],
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: 5,
            name: "retry".into(),
            ..Event::default()
        }],
        dropped_events_count: 4,
        links: vec![Link {
            trace_id,
            span_id,
            trace_state: "c=d".into(),
            attributes: vec![attribute("why", text("batch"))],
            dropped_attributes_count: 5,
            flags: 1,
        }],
        dropped_links_count: 6,
        status: Some(Status {
            code: 2,
            message: "no such order".into(),
        }),
        ..Span::default()
    };
    let twin = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            schema_url: "https://schema.example/resource".into(),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                schema_url: "https://schema.example/scope".into(),
                spans: vec![span],
            }],
        }],
    };
    assert_eq!(received("traces", &json).await, Payload::Traces(twin));
}

fn logs_of(record: LogRecord) -> Payload {
    Payload::Logs(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

fn logs_json(record: Json) -> Json {
    json!({ "resourceLogs": [{
        "resource": resource_json(),
        "scopeLogs": [{ "scope": scope_json(), "logRecords": [record] }],
    }] })
}

#[tokio::test]
async fn log_records_and_every_kind_of_value_equal_their_protobuf_twin() {
    let json = logs_json(json!({
        "timeUnixNano": "1544712660300000000",
        "observedTimeUnixNano": 1544712660300000000u64,
        "severityNumber": 9,
        "severityText": "INFO",
        "eventName": "order.placed",
        "body": { "kvlistValue": { "values": [
            { "key": "list", "value": { "arrayValue": { "values": [
                { "stringValue": "" },
                {},
                null,
                { "intValue": "-9223372036854775808" },
                { "doubleValue": 637.704 },
                { "doubleValue": "-Infinity" },
                { "doubleValue": 0 },
                { "boolValue": false },
                { "bytesValue": "AAH+/w==" },
                { "bytesValue": "AAH-_w" },
            ] } } },
        ] } },
        "attributes": [{ "key": "empty", "value": { "arrayValue": {} } }],
        "flags": 1,
        "traceId": "000102030405060708090a0b0c0d0e0f",
        "spanId": "0001020304050607",
    }));
    let bytes = Value::BytesValue(vec![0, 1, 0xfe, 0xff]);
    let list = [
        Some(text("")),
        None,
        None,
        Some(Value::IntValue(i64::MIN)),
        Some(Value::DoubleValue(637.704)),
        Some(Value::DoubleValue(f64::NEG_INFINITY)),
        Some(Value::DoubleValue(0.0)),
        Some(Value::BoolValue(false)),
        Some(bytes.clone()),
        Some(bytes),
    ];
    let list = ArrayValue {
        values: list.map(|value| AnyValue { value }).into(),
    };
    let twin = logs_of(LogRecord {
        time_unix_nano: 1_544_712_660_300_000_000,
        observed_time_unix_nano: 1_544_712_660_300_000_000,
        severity_number: 9,
        severity_text: "INFO".into(),
        event_name: "order.placed".into(),
        body: Some(any(Value::KvlistValue(KeyValueList {
            values: vec![attribute("list", Value::ArrayValue(list))],
        }))),
        attributes: vec![attribute("empty", Value::ArrayValue(ArrayValue::default()))],
        flags: 1,
        trace_id: (0..16).collect(),
        span_id: (0..8).collect(),
        ..LogRecord::default()
    });
    assert_eq!(received("logs", &json).await, twin);
}

#[tokio::test]
async fn every_kind_of_metric_equals_its_protobuf_twin() {
    let json = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        {
            "name": "orders",
            "unit": "1",
            "description": "Orders placed",
            "metadata": [{ "key": "m", "value": { "stringValue": "n" } }],
            "sum": {
                "aggregationTemporality": 2,
                "isMonotonic": true,
                "dataPoints": [{
                    "startTimeUnixNano": "1",
                    "timeUnixNano": "2",
                    "asInt": "0",
                    "flags": 1,
                    "exemplars": [{
                        "timeUnixNano": "3",
                        "asInt": -4,
                        "spanId": "0001020304050607",
                        "traceId": "000102030405060708090a0b0c0d0e0f",
                        "filteredAttributes": [{ "key": "k", "value": { "intValue": 5 } }],
                    }],
                }],
            },
        },
        { "name": "load", "gauge": { "dataPoints": [{ "asDouble": 10 }] } },
        { "name": "duration", "histogram": {
            "aggregationTemporality": 1,
            "dataPoints": [{
                "count": 3,
                "sum": 0,
                "min": null,
                "max": 1.5,
                "bucketCounts": ["1", 2, 0],
                "explicitBounds": [0.5, 1],
            }],
        } },
        { "name": "size", "exponentialHistogram": {
            "aggregationTemporality": 2,
            "dataPoints": [{
                "count": "6",
                "scale": -3,
                "zeroCount": "1",
                "zeroThreshold": 0.25,
                "positive": { "offset": -2, "bucketCounts": ["300", 2] },
                "negative": {},
            }],
        } },
        { "name": "old", "summary": { "dataPoints": [{
            "count": "2",
            "sum": 3.5,
            "quantileValues": [{ "quantile": 0.5, "value": "NaN" }, { "quantile": 1, "value": 2 }],
        }] } },
    ] }] }] });
    let Payload::Metrics(ExportMetricsServiceRequest { resource_metrics }) =
        received("metrics", &json).await
    else {
        panic!("no metrics")
    };
    let [ResourceMetrics { scope_metrics, .. }] = &resource_metrics[..] else {
        panic!("{resource_metrics:?}")
    };
    let [ScopeMetrics { metrics, .. }] = &scope_metrics[..] else {
        panic!("{scope_metrics:?}")
    };
    let mut metrics = metrics.clone();
    // NaN equals nothing.
    let Some(Data::Summary(summary)) = &mut metrics[4].data else {
        panic!("{metrics:?}")
    };
    let quantile = &mut summary.data_points[0].quantile_values[0];
    assert!(std::mem::take(&mut quantile.value).is_nan());

    let named = |name: &str, data| Metric {
        name: name.into(),
        data: Some(data),
        ..Metric::default()
    };
    let sum = Data::Sum(Sum {
        aggregation_temporality: 2,
        is_monotonic: true,
        data_points: vec![NumberDataPoint {
            start_time_unix_nano: 1,
            time_unix_nano: 2,
            value: Some(number_data_point::Value::AsInt(0)),
            flags: 1,
            exemplars: vec![Exemplar {
                time_unix_nano: 3,
                value: Some(exemplar::Value::AsInt(-4)),
                span_id: (0..8).collect(),
                trace_id: (0..16).collect(),
                filtered_attributes: vec![attribute("k", Value::IntValue(5))],
            }],
            ..NumberDataPoint::default()
        }],
    });
    let gauge = Data::Gauge(Gauge {
        data_points: vec![NumberDataPoint {
            value: Some(number_data_point::Value::AsDouble(10.0)),
            ..NumberDataPoint::default()
        }],
    });
    let histogram = Data::Histogram(Histogram {
        aggregation_temporality: 1,
        data_points: vec![HistogramDataPoint {
            count: 3,
            sum: Some(0.0),
            min: None,
            max: Some(1.5),
            bucket_counts: vec![1, 2, 0],
            explicit_bounds: vec![0.5, 1.0],
            ..HistogramDataPoint::default()
        }],
    });
    let exponential = Data::ExponentialHistogram(ExponentialHistogram {
        aggregation_temporality: 2,
        data_points: vec![ExponentialHistogramDataPoint {
            count: 6,
            scale: -3,
            zero_count: 1,
            zero_threshold: 0.25,
            positive: Some(Buckets {
                offset: -2,
                bucket_counts: vec![300, 2],
            }),
            negative: Some(Buckets::default()),
            ..ExponentialHistogramDataPoint::default()
        }],
    });
    let value_at = |quantile, value| ValueAtQuantile { quantile, value };
    let summary = Data::Summary(Summary {
        data_points: vec![SummaryDataPoint {
            count: 2,
            sum: 3.5,
            quantile_values: vec![value_at(0.5, 0.0), value_at(1.0, 2.0)],
            ..SummaryDataPoint::default()
        }],
    });
    let twin = [
        Metric {
            unit: "1".into(),
            description: "Orders placed".into(),
            metadata: vec![attribute("m", text("n"))],
            ..named("orders", sum)
        },
        named("load", gauge),
        named("duration", histogram),
        named("size", exponential),
        named("old", summary),
    ];
    assert_eq!(metrics, twin);
}

#[tokio::test]
async fn what_exporters_write_in_their_own_way_is_understood() {
    let json = logs_json(json!({
        "severityNumber": "SEVERITY_NUMBER_WARN",
        "timeUnixNano": 1.5e18,
        "droppedAttributesCount": null,
        "body": null,
        "attributes": [{
            "key": "n",
            "value": { "newKind": { "deep": [1, { "er": null }] }, "intValue": 5.0, "later": [] },
            "newField": "ignored",
        }],
        "newField": { "ignored": [1, "two", { "three": 3 }] },
        "time_unix_nano": "no field of this name",
    }));
    let twin = logs_of(LogRecord {
        severity_number: 13,
        time_unix_nano: 1_500_000_000_000_000_000,
        attributes: vec![attribute("n", Value::IntValue(5))],
        ..LogRecord::default()
    });
    assert_eq!(received("logs", &json).await, twin);
}

#[tokio::test]
async fn long_messages_are_framed_as_well_as_short_ones() {
    for length in [0, 1, 100, 120, 127, 128, 5_000, 16_384, 3_000_000] {
        let message = "ä".repeat(length);
        let json = logs_json(json!({ "body": { "stringValue": message } }));
        let twin = logs_of(LogRecord {
            body: Some(any(text(&message))),
            ..LogRecord::default()
        });
        assert!(received("logs", &json).await == twin, "{length}");
    }
}

#[tokio::test]
async fn what_is_no_otlp_is_a_bad_request_that_names_the_field() {
    let receiver = Receiver::start().unwrap();
    let record = |field: &str| {
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{field}}}]}}]}}]}}"#)
    };
    for (body, part) in [
        (String::new(), "EOF"),
        ("[]".into(), "expected an object"),
        (
            r#"{"resourceLogs":{}}"#.into(),
            "array in \\\"resourceLogs\\\"",
        ),
        ("{} {}".into(), "trailing"),
        (
            record(r#""traceId":"zz""#),
            "hexadecimal digits in \\\"traceId\\\"",
        ),
        (
            record(r#""traceId":"abc""#),
            "hexadecimal digits in \\\"traceId\\\"",
        ),
        (
            record(r#""timeUnixNano":-1"#),
            "-1 is out of range in \\\"timeUnixNano\\\"",
        ),
        (
            record(r#""timeUnixNano":1.5"#),
            "integer in \\\"timeUnixNano\\\"",
        ),
        (
            record(r#""flags":4294967296"#),
            "out of range in \\\"flags\\\"",
        ),
        (record(r#""severityNumber":"LOUD""#), "name of the enum"),
        (
            record(r#""severityText":{}"#),
            "a string in \\\"severityText\\\"",
        ),
        (record(r#""body":{"boolValue":"yes"}"#), "true or false"),
        (record(r#""body":{"bytesValue":"%"}"#), "base64"),
        (
            record(&format!(
                r#""body":{}"#,
                r#"{"arrayValue":{"values":["#.repeat(5_000)
            )),
            "recursion limit",
        ),
    ] {
        let response = send(&receiver.http_endpoint(), "logs", body.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(response.headers()["content-type"], JSON);
        let answer = response.text().await.unwrap();
        assert!(answer.contains(part), "{body:.200}\n{answer}");
        assert!(answer.starts_with(r#"{"code":3,"#), "{answer}");
    }
    assert!(receiver.contents().requests.is_empty());
}

#[tokio::test]
async fn gzip_is_unpacked_before_json_is_read() {
    let receiver = Receiver::start().unwrap();
    let document = logs_json(json!({ "severityText": "packed" })).to_string();
    let response = reqwest::Client::new()
        .post(format!("{}/v1/logs", receiver.http_endpoint()))
        .header("content-type", JSON)
        .header("content-encoding", "gzip")
        .body(gzip(document.as_bytes()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(receiver.logs()[0].severity_text, "packed");
}

#[tokio::test]
async fn json_that_grows_beyond_the_limit_in_protobuf_is_refused() {
    let limits = Limits {
        request_bytes: 64 * 1024,
        ..Limits::default()
    };
    let server = taking(Options {
        limits,
        ..Options::default()
    });
    let bounds = "0,".repeat(10_000);
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{bounds}0]}}]}}}}]}}]}}]}}"#
    );
    let response = send(&server.http_endpoint(), "metrics", body).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_refusal_before_the_encoding_is_known_is_in_protobuf() {
    let receiver = Receiver::start().unwrap();
    let response = reqwest::Client::new()
        .post(format!("{}/v1/logs", receiver.http_endpoint()))
        .header("content-type", "text/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (_, message) = status_of(response).await;
    assert_eq!(
        message,
        "content-type is \"text/json\", expected application/x-protobuf or application/json"
    );
}
