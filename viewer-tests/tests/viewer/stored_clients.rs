//! Whether all that a stock client sends to `throughline dev` is stored, field for field.

use serde_json::{Value as Json, json};
use throughline_receiver::proto::trace::v1::{Span, span::SpanKind, status::StatusCode};
use throughline_viewer_tests::{
    Dev,
    clients::{self, Protocol},
    stored::{Stored, Value, any, hexadecimal, object},
    throughline,
};

async fn the_known_set_is_stored(protocol: Protocol) {
    let dev = Dev::start(&[]).await.unwrap();
    let endpoint = match protocol {
        Protocol::Grpc => &dev.addresses().otlp_grpc,
        Protocol::HttpProtobuf | Protocol::HttpJson => &dev.addresses().otlp_http,
    };
    let sent = clients::opentelemetry(protocol, endpoint, "shop")
        .await
        .unwrap();
    let database = dev.database().unwrap();
    let [web, payments] = sent.services.each_ref();

    let mut spans = database.spans(web).unwrap();
    spans.extend(database.spans(payments).unwrap());
    assert_eq!(spans.len(), 3);
    for span in &spans {
        assert_eq!(hexadecimal(&span.trace_id), sent.trace_id);
        assert_eq!(hexadecimal(&span.span_id), sent.spans[&span.name]);
        assert!(span.start_time_unix_nano > 0);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert_eq!(
            (span.scope.name.as_str(), span.scope.version.as_str()),
            ("specimen", "0.1.0")
        );
        let resource = object(&span.resource.attributes);
        assert_eq!(resource["service.name"], span.service.as_str());
        assert_eq!(resource["service.version"], "1.2.3");
        assert_eq!(resource["telemetry.sdk.language"], "python");
    }
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (asked, asks, charge) = (
        of("GET /orders/{id}"),
        of("charge card"),
        of("POST /charges"),
    );
    assert!(asked.parent_span_id.is_empty());
    assert_eq!(asks.parent_span_id, asked.span_id);
    assert_eq!(charge.parent_span_id, asks.span_id);
    assert_eq!(
        [asked, asks, charge].map(|span| span.kind()),
        [SpanKind::Server, SpanKind::Client, SpanKind::Server]
    );
    the_request_has_an_attribute_of_each_type(asked);
    the_exception_is_an_event(charge);
    assert_eq!(asks.events, []);

    let records = database.records(web).unwrap();
    assert_eq!(records.len(), 1);
    let again = &records[0];
    assert_eq!(
        any(again.body.as_ref()),
        "the card of order 42 is charged again"
    );
    assert_eq!(
        (again.severity_number, again.severity_text.as_str()),
        (13, "WARN")
    );
    assert_eq!(hexadecimal(&again.trace_id), sent.trace_id);
    assert_eq!(again.span_id, asked.span_id);
    assert!(again.time_unix_nano > 0 && again.observed_time_unix_nano > 0);
    assert_eq!(object(&again.attributes)["order.id"], 42);

    let records = database.records(payments).unwrap();
    assert_eq!(records.len(), 1);
    let failed = &records[0];
    assert_eq!(any(failed.body.as_ref()), "charge failed");
    assert_eq!(failed.span_id, charge.span_id);
    let attributes = object(&failed.attributes);
    assert_eq!(attributes["exception.type"], "ValueError");
    assert_eq!(attributes["exception.message"], "card declined");
    let stacktrace = attributes["exception.stacktrace"].as_str().unwrap();
    assert!(stacktrace.contains("in request"), "{stacktrace}");

    the_metrics_have_their_values(&database.series(web).unwrap());
    the_terminal_tells_the_same(&dev, &sent.trace_id, &spans).await;
    assert!(dev.interrupt().await.unwrap().success());
}

/// `throughline trace` as a script reads it, beside the viewer that runs.
async fn the_terminal_tells_the_same(dev: &Dev, trace: &str, spans: &[Stored<Span>]) {
    let mut command = throughline(&["trace", trace, "--json"]).await.unwrap();
    let output = command
        .arg("--data-dir")
        .arg(dev.data())
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let told: Vec<Json> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for span in spans {
        let id = hexadecimal(&span.span_id);
        let is_it = |line: &&Json| line["type"] == "span" && line["span_id"] == id;
        let line = told.iter().find(is_it).unwrap();
        assert_eq!(line["trace_id"], trace);
        assert_eq!(line["name"], span.name);
        assert_eq!(line["service"], span.service);
        assert_eq!(line["attributes"], object(&span.attributes));
        assert_eq!(line["resource"], object(&span.resource.attributes));
        assert_eq!(
            line["status"]["message"],
            span.status.as_ref().map_or("", |status| &status.message)
        );
        for (event, line) in span.events.iter().zip(line["events"].as_array().unwrap()) {
            assert_eq!(line["name"], event.name);
            assert_eq!(line["attributes"], object(&event.attributes));
        }
        assert_eq!(line["links"].as_array().unwrap().len(), span.links.len());
    }
    let records = told.iter().filter(|line| line["type"] == "record");
    let bodies: Vec<_> = records.map(|record| &record["body"]).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(bodies.iter().any(|body| **body == "charge failed"));
}

fn the_request_has_an_attribute_of_each_type(span: &Stored<Span>) {
    assert_eq!(
        object(&span.attributes),
        json!({
            "http.request.method": "GET",
            "http.route": "/orders/{id}",
            "http.response.status_code": 502,
            "a.bool": true,
            "a.int": -42,
            "a.double": 2.5,
            "a.string": "größer <b>&amp;</b>",
            "a.strings": ["red", "green"],
            "a.ints": [1, 2, 3],
            "a.doubles": [0.5, 1.5],
            "a.bools": [true, false],
        })
    );
    let status = span.status.as_ref().unwrap();
    assert_eq!(
        (status.code(), status.message.as_str()),
        (StatusCode::Error, "payments answered 402")
    );
    assert_eq!(span.events.len(), 1);
    assert_eq!(span.events[0].name, "cache.miss");
    assert_eq!(
        object(&span.events[0].attributes),
        json!({ "cache.key": "order:42" })
    );
    assert_eq!(span.links.len(), 1);
    let link = &span.links[0];
    assert_eq!(
        hexadecimal(&link.trace_id),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(hexadecimal(&link.span_id), "b7ad6b7169203331");
    assert_eq!(object(&link.attributes), json!({ "link.reason": "retry" }));
}

fn the_exception_is_an_event(span: &Stored<Span>) {
    assert_eq!(span.events.len(), 1);
    let exception = &span.events[0];
    assert_eq!(exception.name, "exception");
    let attributes = object(&exception.attributes);
    assert_eq!(attributes["exception.type"], "ValueError");
    assert_eq!(attributes["exception.message"], "card declined");
    let stacktrace = attributes["exception.stacktrace"].as_str().unwrap();
    assert!(
        stacktrace.ends_with("ValueError: card declined\n"),
        "{stacktrace}"
    );
}

fn the_metrics_have_their_values(series: &[throughline_viewer_tests::stored::Series]) {
    let of = |name: &str| {
        let mut named = series.iter().filter(|series| series.name == name);
        let found = named
            .next()
            .unwrap_or_else(|| panic!("no {name} in {series:?}"));
        assert!(named.next().is_none(), "more than one {name}");
        assert!(found.time > 0);
        found
    };
    for (name, unit, monotonic, attributes, value) in [
        (
            "orders.created",
            "{order}",
            true,
            json!({ "channel": "web" }),
            6.0,
        ),
        ("queue.depth", "{job}", false, json!({}), 2.0),
        ("pool.usage", "1", false, json!({ "pool": "main" }), 0.75),
    ] {
        let found = of(name);
        let shape: (&str, bool, Json) = (&found.unit, found.monotonic, object(&found.attributes));
        assert_eq!(shape, (unit, monotonic, attributes), "{name}");
        assert_eq!(found.value, Value::Number(value), "{name}");
    }
    assert_eq!(of("orders.created").description, "Orders that were made");
    let Value::Histogram(value) = &of("order.value").value else {
        panic!("{:?}", of("order.value"));
    };
    assert_eq!(
        (value.count, value.sum, value.min, value.max),
        (4, Some(4321.0), Some(1.0), Some(4000.0))
    );
    assert_eq!(value.bucket_counts.iter().sum::<u64>(), 4);
    assert_eq!(value.bucket_counts.len(), value.explicit_bounds.len() + 1);
    let Value::Exponential(latency) = &of("order.latency").value else {
        panic!("{:?}", of("order.latency"));
    };
    assert_eq!((latency.count, latency.sum), (4, Some(4.321)));
    let positive = latency.positive.as_ref().unwrap();
    assert_eq!(positive.bucket_counts.iter().sum::<u64>(), 4);
}

#[tokio::test]
async fn all_that_the_python_sdk_sends_by_grpc_is_stored() {
    the_known_set_is_stored(Protocol::Grpc).await;
}

#[tokio::test]
async fn all_that_the_python_sdk_sends_by_http_in_protobuf_is_stored() {
    the_known_set_is_stored(Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn all_that_the_python_sdk_sends_by_http_in_json_is_stored() {
    the_known_set_is_stored(Protocol::HttpJson).await;
}
