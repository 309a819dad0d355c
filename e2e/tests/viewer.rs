//! What `throughline dev` has stored is what Jaeger, Loki and Prometheus have of the same.
//!
//! Everything is sent to `dev` alone, which passes it on to the collector.

use anyhow::Result;
use serde_json::{Value, json};
use throughline_e2e::{
    failure::Outcome,
    run::Run,
    specimen::{RECORDS, Specimen},
    stack::{Servers, servers},
    viewer::{self, metrics, records, traces},
};
use throughline_viewer_tests::{
    Dev,
    clients::{self, Protocol},
    otlp::{self, Signal, attributes, nanoseconds},
};
use uuid::Uuid;

const SPAN: &str = "00f067aa0ba902b7";

/// How much of a service is in all servers alike.
#[derive(Debug, PartialEq, Eq)]
struct Amounts {
    spans: usize,
    records: usize,
    series: usize,
}

async fn equal_amounts(servers: &Servers, dev: &Dev, run: &Run) -> Result<Amounts> {
    let database = dev.database()?;
    Ok(Amounts {
        spans: traces::are_equal(&servers.jaeger, &database, run).await?,
        records: records::are_equal(&servers.loki, &database, run).await?,
        series: metrics::are_equal(&servers.prometheus, &database, run).await?,
    })
}

#[tokio::test]
async fn what_a_service_with_the_sdk_sends_is_the_same_in_the_viewer_and_in_the_stack() -> Outcome {
    let servers = servers().await?;
    let dev = viewer::forwarding(&servers).await?;
    let run = Run::new("viewer-sdk");
    let endpoint = dev.addresses().otlp_grpc.as_str();
    let specimen =
        Specimen::start(&run, &servers, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).await?;
    specimen.stop().await?;
    let amounts = equal_amounts(&servers, &dev, &run).await?;
    assert!(
        amounts.records == RECORDS && amounts.spans >= 8 && amounts.series >= 40,
        "{amounts:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_stock_client_sends_is_the_same_in_the_viewer_and_in_the_stack() -> Outcome {
    let servers = servers().await?;
    let dev = viewer::forwarding(&servers).await?;
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let endpoint = match protocol {
            Protocol::Grpc => &dev.addresses().otlp_grpc,
            Protocol::HttpProtobuf | Protocol::HttpJson => &dev.addresses().otlp_http,
        };
        let run = Run::new("viewer-python");
        let sent = clients::opentelemetry(protocol, endpoint, &run.service).await?;
        let [web, payments] = sent.services.map(|service| run.of(&service));
        let amounts = equal_amounts(&servers, &dev, &web).await?;
        let expected = Amounts {
            spans: 2,
            records: 1,
            // A counter, an up-down counter, a gauge, a native histogram, and a classic one of
            // fifteen bounds.
            series: 4 + 18,
        };
        assert!(amounts == expected, "{protocol:?}: {amounts:?}");
        let amounts = equal_amounts(&servers, &dev, &payments).await?;
        let expected = Amounts {
            spans: 1,
            records: 1,
            series: 0,
        };
        assert!(amounts == expected, "{protocol:?}: {amounts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_with_every_field_is_the_same_in_the_viewer_and_in_the_stack() -> Outcome {
    let servers = servers().await?;
    let dev = viewer::forwarding(&servers).await?;
    let run = Run::new("viewer-fields");
    let endpoint = &dev.addresses().otlp_http;
    let trace = Uuid::new_v4().simple().to_string();
    for (signal, resources, scopes, items) in [
        (Signal::Traces, "resourceSpans", "scopeSpans", span(&trace)),
        (
            Signal::Logs,
            "resourceLogs",
            "scopeLogs",
            log_records(&trace),
        ),
        (
            Signal::Metrics,
            "resourceMetrics",
            "scopeMetrics",
            metrics(&trace),
        ),
    ] {
        let mut of_scope = items;
        of_scope["scope"] = json!({
            "name": "by-hand",
            "version": "0.1.0",
            "attributes": attributes(&json!({ "scope.note": "kept" })),
            "droppedAttributesCount": 2,
        });
        of_scope["schemaUrl"] = json!("https://opentelemetry.io/schemas/1.29.0");
        let resource = json!({
            "attributes": attributes(&json!({
                "service.name": run.service,
                "service.version": "9.9",
                "deployment.environment.name": run.environment,
            })),
            "droppedAttributesCount": 1,
        });
        let request = json!({ resources: [{
            "resource": resource,
            "schemaUrl": "https://opentelemetry.io/schemas/1.30.0",
            scopes: [of_scope],
        }] });
        otlp::post(endpoint, signal, &request).await?;
    }
    let amounts = equal_amounts(&servers, &dev, &run).await?;
    let expected = Amounts {
        spans: 1,
        records: 3,
        // Two gauges, two sums, a histogram of three buckets, a native one, and a summary of
        // two quantiles.
        series: 2 + 2 + 5 + 1 + 4,
    };
    assert!(amounts == expected, "{amounts:?}");
    Ok(())
}

/// A value of each type; the integer is one that no double can hold.
fn every_type() -> Value {
    let mut all = attributes(&json!({
        "type.text": "größer <b>&amp;</b>\n\"quoted\"",
        "type.bool": true,
        "type.integer": 9_007_199_254_740_993_i64,
        "type.double": 2.5,
        "type.array": ["a", 1, 0.5, false],
        "type.map": { "inner": 7 },
        "type.nothing": null,
    }));
    if let Some(all) = all.as_array_mut() {
        all.push(json!({ "key": "type.bytes", "value": { "bytesValue": "AAEC/w==" } }));
    }
    all
}

fn span(trace: &str) -> Value {
    let end = otlp::now();
    let ago = |nanoseconds| end - std::time::Duration::from_nanos(nanoseconds);
    json!({ "spans": [{
        "traceId": trace,
        "spanId": SPAN,
        "parentSpanId": "00f067aa0ba902b1",
        "traceState": "vendor=value",
        "flags": 769,
        "name": "every field",
        "kind": 4,
        "startTimeUnixNano": nanoseconds(ago(123_456_789)),
        "endTimeUnixNano": nanoseconds(ago(23_456_788)),
        "attributes": every_type(),
        "droppedAttributesCount": 3,
        "events": [{
            "timeUnixNano": nanoseconds(ago(100_000_001)),
            "name": "an event",
            "attributes": attributes(&json!({ "event.number": 5 })),
            "droppedAttributesCount": 4,
        }],
        "droppedEventsCount": 5,
        "links": [{
            "traceId": "0af7651916cd43dd8448eb211c80319c",
            "spanId": "b7ad6b7169203331",
            "traceState": "other=value",
            "attributes": attributes(&json!({ "link.reason": "retry" })),
            "droppedAttributesCount": 6,
            "flags": 257,
        }],
        "droppedLinksCount": 7,
        "status": { "code": 2, "message": "it failed" },
    }] })
}

fn log_records(trace: &str) -> Value {
    let now = otlp::now();
    let ago = |nanoseconds| otlp::nanoseconds(now - std::time::Duration::from_nanos(nanoseconds));
    let whole = json!({
        "timeUnixNano": ago(5),
        "observedTimeUnixNano": ago(3),
        "severityNumber": 14,
        "severityText": "WARN2",
        "body": { "stringValue": "line one\nline two" },
        "attributes": every_type(),
        "droppedAttributesCount": 1,
        "flags": 1,
        "traceId": trace,
        "spanId": SPAN,
        "eventName": "it.happened",
    });
    // Without a time of its own, and with a body that is no text.
    let bare = json!({
        "observedTimeUnixNano": ago(2),
        "severityNumber": 9,
        "body": otlp::any(&json!({ "a": 1, "b": ["x"] })),
    });
    let error = json!({
        "timeUnixNano": ago(1),
        "severityNumber": 17,
        "severityText": "ERROR",
        "body": { "stringValue": "it broke" },
        "attributes": attributes(&json!({
            "exception.type": "Broken",
            "exception.stacktrace": "at one\nat two",
        })),
    });
    json!({ "logRecords": [whole, bare, error] })
}

fn metrics(trace: &str) -> Value {
    let now = nanoseconds(otlp::now());
    let point = |fields: Value| {
        let mut point = json!({
            "attributes": attributes(&json!({ "route": "/orders/{id}", "ok": true })),
            "startTimeUnixNano": nanoseconds(otlp::now() - std::time::Duration::from_secs(1)),
            "timeUnixNano": now,
        });
        if let (Some(point), Value::Object(fields)) = (point.as_object_mut(), fields) {
            point.extend(fields);
        }
        point
    };
    let exemplar = json!({
        "timeUnixNano": now,
        "asDouble": 1.5,
        "traceId": trace,
        "spanId": SPAN,
        "filteredAttributes": attributes(&json!({ "left.out": "here" })),
    });
    json!({ "metrics": [
        {
            "name": "hand.size", "unit": "By", "description": "How large",
            "gauge": { "dataPoints": [point(json!({ "asDouble": 1.25 }))] },
        },
        {
            "name": "hand.level", "unit": "{step}",
            "gauge": { "dataPoints": [point(json!({ "asInt": "-7" }))] },
        },
        {
            "name": "hand.busy", "unit": "s",
            "sum": {
                "aggregationTemporality": 2, "isMonotonic": true,
                "dataPoints": [point(json!({ "asDouble": 12.5, "exemplars": [exemplar] }))],
            },
        },
        {
            "name": "hand.open",
            "sum": { "aggregationTemporality": 2, "dataPoints": [point(json!({ "asInt": "4" }))] },
        },
        {
            "name": "hand.wait", "unit": "ms",
            "histogram": { "aggregationTemporality": 2, "dataPoints": [point(json!({
                "count": "6", "sum": 21.5, "min": 0.5, "max": 11.0,
                "bucketCounts": ["1", "2", "3"], "explicitBounds": [1, 10],
            }))] },
        },
        {
            "name": "hand.spread", "unit": "s",
            "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [point(json!({
                "count": "5", "sum": 9.0, "scale": 1, "zeroCount": "1",
                "positive": { "offset": 1, "bucketCounts": ["1", "2"] },
                "negative": { "offset": 0, "bucketCounts": ["1"] },
            }))] },
        },
        {
            "name": "hand.summary", "unit": "s",
            "summary": { "dataPoints": [point(json!({
                "count": "8", "sum": 4.0,
                "quantileValues": [
                    { "quantile": 0.5, "value": 0.25 },
                    { "quantile": 0.99, "value": 2.0 },
                ],
            }))] },
        },
    ] })
}
