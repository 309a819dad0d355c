//! The views as a browser asks for them, over a store of their own.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::{
        Exemplar, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, exemplar,
        metric::Data, number_data_point,
    },
    trace::v1::{Span, Status, span},
};
use throughline_receiver::Receiver;
use tower::ServiceExt;

use super::super::*;
use crate::{
    store::{Outbox, now},
    wire::fixture::{self, attribute, text},
};

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// The pages of a store that is gone with it.
struct Pages {
    _folder: tempfile::TempDir,
    app: App,
}

impl Pages {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telemetry.db");
        let bounds = Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        };
        let store = Store::open(&path, bounds, Outbox::default()).unwrap();
        let app = App {
            readers: Readers::new(store.path()),
            store: Arc::new(store),
            counts: Counts::default(),
            running: Running {
                pid: 1,
                page: "http://127.0.0.1:8969".into(),
                otlp_grpc: "http://127.0.0.1:54317".into(),
                otlp_http: "http://127.0.0.1:54318".into(),
                sentry_dsn: "http://throughline@127.0.0.1:58969/1".into(),
                database: path,
            },
            bounds,
            forward: None,
            outbox_dropped: Arc::default(),
        };
        Self {
            _folder: folder,
            app,
        }
    }

    async fn spans(&self, service: &str, spans: Vec<Span>) {
        let body = fixture::traces(service, spans);
        let taken = self.app.store.spans(&body).await;
        assert_eq!(taken.unwrap().refused, 0);
    }

    async fn records(&self, service: &str, log_records: Vec<LogRecord>) {
        let body = fixture::logs(service, log_records);
        let taken = self.app.store.records(&body).await;
        assert_eq!(taken.unwrap().refused, 0);
    }

    async fn metrics(&self, service: &str, metrics: Vec<Metric>) {
        let body = fixture::metrics(service, metrics);
        let taken = self.app.store.points(&body).await;
        assert_eq!(taken.unwrap().refused, 0);
    }

    async fn get(&self, address: &str) -> Response {
        let request = Request::get(address).body(Body::empty()).unwrap();
        router(self.app.clone()).oneshot(request).await.unwrap()
    }

    /// The page of an address that has one.
    async fn page(&self, address: &str) -> String {
        let response = self.get(address).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        body(response).await
    }

    /// Waits until what was stored is counted for the overview, which is once a second.
    async fn counted(&self, requests: i64) {
        let counted = async {
            loop {
                let sum = self.app.readers.ask(|reader| {
                    let sum = "SELECT coalesce(sum(count), 0) FROM red WHERE width = 1";
                    Ok(reader.connection().query_row(sum, [], |row| row.get(0))?)
                });
                let sum: i64 = sum.await.unwrap();
                if sum >= requests {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), counted)
            .await
            .unwrap();
    }
}

async fn body(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

/// A span that ended just now.
fn span(trace: u8, id: u8, parent: u8, name: &str, milliseconds: u64) -> Span {
    let end = now().unsigned_abs();
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { vec![] } else { vec![parent; 8] },
        name: name.into(),
        kind: if parent == 0 { 2 } else { 1 },
        start_time_unix_nano: end - milliseconds * MILLISECOND,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

fn failed(mut span: Span) -> Span {
    span.status = Some(Status {
        code: 2,
        message: "it broke".into(),
    });
    span
}

fn inert(html: &str) {
    for bad in [
        "<script>alert",
        "<img",
        " style=",
        " onclick",
        "onerror=alert(1)>",
    ] {
        assert!(!html.contains(bad), "{bad}: {html}");
    }
}

fn id(trace: u8) -> String {
    format!("{trace:02x}").repeat(16)
}

#[tokio::test]
async fn an_empty_store_says_how_to_send_something_and_then_comes_alive() {
    let pages = Pages::new();
    let html = pages.page("/").await;
    for part in [
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:54317",
        "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
        "OTEL_SERVICE_NAME=",
        "http://127.0.0.1:54318",
        "http://throughline@127.0.0.1:58969/1",
        "throughline demo",
        "data-live=\"spans records errors points\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    pages.spans("shop", vec![span(1, 1, 0, "GET /", 5)]).await;
    assert!(pages.page("/").await.contains("<h1>Overview</h1>"));
}

#[tokio::test]
async fn the_overview_shows_rate_errors_and_duration_of_services_and_endpoints() {
    let pages = Pages::new();
    let mut spans: Vec<Span> = (1..=9).map(|id| span(id, id, 0, "GET /quick", 2)).collect();
    spans.extend((11..=14).map(|id| span(id, id, 0, "POST /slow", 900)));
    spans.push(failed(span(15, 15, 0, "POST /slow", 900)));
    pages.spans("shop", spans).await;
    pages.spans(HOSTILE, vec![span(20, 1, 0, HOSTILE, 1)]).await;
    let record = LogRecord {
        time_unix_nano: now().unsigned_abs(),
        severity_number: 9,
        event_name: "auth.login.failed".into(),
        attributes: vec![attribute("log.category", "security")],
        body: Some(text("no")),
        ..LogRecord::default()
    };
    pages.records("shop", vec![record]).await;
    pages.counted(15).await;
    let html = pages.page("/?since=5m").await;
    inert(&html);
    for part in [
        "15 in all",
        "6.67 %",
        "/traces?service=shop&#38;status=error&#38;since=5m",
        "/traces?service=shop&#38;route=GET+%2Fquick&#38;since=5m",
        "20 %",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let place = |part: &str, after: &str| {
        let from = html.find(after).unwrap();
        from + html[from..].find(part).unwrap()
    };
    let slowest = "Slowest endpoints";
    assert!(place("POST /slow", slowest) < place("GET /quick", slowest));
    let busiest = "Busiest endpoints";
    assert!(place("GET /quick", busiest) < place("POST /slow", busiest));
    let other = pages.page("/?service=nobody").await;
    let none = other.matches("No requests in the last 15 minutes");
    assert_eq!(none.count(), 1, "{other}");
}

#[tokio::test]
async fn traces_are_found_by_each_field() {
    let pages = Pages::new();
    let mut checkout = span(1, 1, 0, "POST /checkout", 700);
    checkout.attributes = vec![
        attribute("user.id", "ada"),
        attribute("request.id", "r-17"),
        attribute("order.id", "o 9"),
    ];
    pages
        .spans(
            "shop",
            vec![
                checkout,
                span(1, 2, 1, "SELECT orders", 5),
                failed(span(2, 3, 0, "GET /broken", 20)),
                span(3, 4, 0, HOSTILE, 3),
            ],
        )
        .await;
    pages
        .spans("bank", vec![span(4, 5, 0, "POST /pay", 30)])
        .await;
    let found = async |query: &str| {
        let html = pages.page(&format!("/traces?{query}")).await;
        inert(&html);
        (1..=4)
            .filter(|trace| html.contains(&format!("data-key=\"{}\"", id(*trace))))
            .collect::<Vec<u8>>()
    };
    assert_eq!(found("").await, [1, 2, 3, 4]);
    assert_eq!(found("service=bank").await, [4]);
    assert_eq!(found("route=POST+%2Fcheckout").await, [1]);
    assert_eq!(found("status=error").await, [2]);
    assert_eq!(found("status=ok&service=shop&max=10ms").await, [1, 3]);
    assert_eq!(found("min=500ms").await, [1]);
    assert_eq!(found("min=10ms&max=25ms").await, [2]);
    assert_eq!(found("user=ada").await, [1]);
    assert_eq!(found("request=r-17").await, [1]);
    assert_eq!(found("q=order.id%3D%22o+9%22").await, [1]);
    assert_eq!(found("q=broken").await, [2]);
    assert_eq!(found("q=nothing+like+it").await, [0_u8; 0]);

    let html = pages.page("/traces?min=soon").await;
    assert!(html.contains("&#34;soon&#34; is no duration"), "{html}");
    let html = pages.page("/traces").await;
    assert!(html.contains("class=\"dot error\""), "{html}");
    assert!(html.contains("action=\"/compare\""), "{html}");
    assert!(html.contains("data-live=\"spans\""), "{html}");
}

#[tokio::test]
async fn a_list_of_traces_goes_on_where_its_page_ends() {
    let pages = Pages::new();
    let many = (1..=70).map(|id| span(id, 1, 0, "GET /", 1)).collect();
    pages.spans("shop", many).await;
    let first = pages.page("/traces").await;
    assert_eq!(first.matches("<tr data-row").count(), 50);
    let start = first.find("rel=\"next\" href=\"").unwrap() + 17;
    let end = start + first[start..].find('"').unwrap();
    let next = first[start..end].replace("&#38;", "&");
    let second = pages.page(&next).await;
    assert_eq!(second.matches("<tr data-row").count(), 20, "{next}");
    assert!(second.contains("rel=\"prev\" href=\"/traces\""), "{second}");
    for trace in 1..=70 {
        let key = format!("data-key=\"{}\"", id(trace));
        assert_ne!(first.contains(&key), second.contains(&key), "{trace}");
    }
}

#[tokio::test]
async fn a_trace_shows_its_spans_records_and_what_it_shares_with_others() {
    let pages = Pages::new();
    let mut root = span(1, 1, 0, "POST /checkout", 100);
    root.attributes = vec![attribute("user.id", "ada"), attribute("hostile", HOSTILE)];
    root.links = vec![span::Link {
        trace_id: vec![9; 16],
        span_id: vec![8; 8],
        ..span::Link::default()
    }];
    let child = failed(span(1, 2, 1, "charge", 60));
    pages.spans("shop", vec![root]).await;
    pages.spans("bank", vec![child]).await;
    pages
        .spans("shop", vec![span(2, 1, 0, "POST /checkout", 40)])
        .await;
    let record = LogRecord {
        time_unix_nano: now().unsigned_abs(),
        severity_number: 13,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        body: Some(text(HOSTILE)),
        ..LogRecord::default()
    };
    pages.records("bank", vec![record]).await;

    let address = format!("/traces/{}", id(1));
    let html = pages
        .page(&format!("{address}?span={}", "01".repeat(8)))
        .await;
    inert(&html);
    for part in [
        "<h1>POST /checkout</h1>",
        "charge",
        "href=\"/users?user=ada&amp;since=all\"",
        &format!("/traces/{}?span={}", id(9), "08".repeat(8)),
        &format!("href=\"/logs?trace={}&#38;since=all\"", id(1)),
        &format!("href=\"{address}.json\""),
        &format!("/compare?a={}&#38;b={}", id(2), id(1)),
        "2.5 times as long as usual",
        "What it waited for",
        "it broke",
        "data-live=\"spans records errors\"",
    ] {
        if part == "it broke" {
            let failed = pages
                .page(&format!("{address}?span={}", "02".repeat(8)))
                .await;
            assert!(failed.contains(part), "{part}: {failed}");
        } else {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
    assert!(html.contains("alert(1)"), "the record is there: {html}");
    let html = pages
        .page(&format!("{address}?span={}", "77".repeat(8)))
        .await;
    assert!(html.contains("is not here"), "{html}");
}

#[tokio::test]
async fn a_trace_that_is_not_there_yet_is_looked_for_again() {
    let pages = Pages::new();
    let address = format!("/traces/{}", id(5));
    let response = pages.get(&address).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let html = body(response).await;
    assert!(html.contains("as soon as a span of it arrives"), "{html}");
    assert!(html.contains("data-live=\"spans records\""), "{html}");
    pages.spans("shop", vec![span(5, 1, 0, "late", 1)]).await;
    assert!(pages.page(&address).await.contains("<h1>late</h1>"));

    for wrong in ["/traces/xyz", "/traces/0", &format!("/traces/{}", id(0))] {
        let response = pages.get(wrong).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{wrong}");
        assert!(body(response).await.contains("32 hexadecimal digits"));
    }
}

#[tokio::test]
async fn a_downloaded_trace_is_taken_by_an_otlp_endpoint_as_it_was() {
    let pages = Pages::new();
    let mut sent = failed(span(1, 1, 0, HOSTILE, 100));
    let value = |value| Some(AnyValue { value: Some(value) });
    sent.attributes = vec![
        attribute("text", "ü\n\u{1f600}"),
        KeyValue {
            key: "int".into(),
            value: value(Value::IntValue(i64::MAX)),
            ..KeyValue::default()
        },
        KeyValue {
            key: "bytes".into(),
            value: value(Value::BytesValue(vec![0, 255, 7])),
            ..KeyValue::default()
        },
        KeyValue {
            key: "infinite".into(),
            value: value(Value::DoubleValue(f64::NEG_INFINITY)),
            ..KeyValue::default()
        },
        KeyValue {
            key: "true".into(),
            value: value(Value::BoolValue(true)),
            ..KeyValue::default()
        },
    ];
    sent.trace_state = "a=b".into();
    sent.flags = 0x101;
    sent.events = vec![span::Event {
        time_unix_nano: 7,
        name: "event".into(),
        attributes: vec![attribute("k", "v")],
        dropped_attributes_count: 3,
    }];
    sent.links = vec![span::Link {
        trace_id: vec![2; 16],
        span_id: vec![3; 8],
        ..span::Link::default()
    }];
    let child = span(1, 2, 1, "child", 5);
    pages.spans("shop", vec![sent.clone(), child.clone()]).await;

    let response = pages.get(&format!("/traces/{}.json", id(1))).await;
    let kind = response.headers()[header::CONTENT_TYPE].clone();
    assert_eq!(kind, "application/json");
    let json = body(response).await;
    let same = pages.page(&format!("/traces/{}?format=json", id(1))).await;
    assert_eq!(json, same);

    let receiver = Receiver::start().unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/traces", receiver.http_endpoint()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(json)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let mut received: Vec<Span> = receiver
        .spans()
        .iter()
        .map(|span| Span::clone(span))
        .collect();
    received.sort_by_key(|span| span.span_id.clone());
    assert_eq!(received, [sent, child]);
    receiver.shutdown().await;
}

#[tokio::test]
async fn two_traces_are_compared_and_two_marked_ones_too() {
    let pages = Pages::new();
    pages
        .spans(
            "shop",
            vec![
                span(1, 1, 0, "GET /", 40),
                span(2, 1, 0, "GET /", 90),
                failed(span(2, 2, 1, HOSTILE, 50)),
            ],
        )
        .await;
    let address = format!("/compare?a={}&b={}", id(1), id(2));
    let html = pages.page(&address).await;
    inert(&html);
    for part in [
        "B took 50 ms longer than A.",
        "only in B",
        "+50 ms",
        "1 failed",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let marked = format!("/compare?trace={}&trace={}", id(1), id(2));
    let response = pages.get(&marked).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], address);
    let response = pages
        .get(&format!("/compare?a={}&b={}", id(1), id(7)))
        .await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(body(response).await.contains("B: no span of this trace"));
    assert!(pages.page("/compare").await.contains("enter two ids"));
}

/// A counter's points, by how many seconds ago they were.
fn sum(name: &str, temporality: i32, route: &str, points: &[(u64, f64)]) -> Metric {
    let now = now().unsigned_abs();
    let data_points = points.iter().map(|(ago, value)| NumberDataPoint {
        time_unix_nano: now - ago * SECOND,
        attributes: vec![attribute("route", route)],
        value: Some(number_data_point::Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    });
    Metric {
        name: name.into(),
        unit: "{order}".into(),
        description: "How many orders".into(),
        data: Some(Data::Sum(Sum {
            data_points: data_points.collect(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        })),
        ..Metric::default()
    }
}

#[tokio::test]
async fn counters_are_rates_whether_they_are_sent_as_totals_or_increments() {
    let pages = Pages::new();
    // It was started anew between the second and the third point.
    let totals = [
        (60, 1000.0),
        (50, 1020.0),
        (40, 20.0),
        (30, 40.0),
        (20, 60.0),
        (10, 80.0),
    ];
    let increments: Vec<(u64, f64)> = totals.iter().map(|(ago, _)| (*ago, 20.0)).collect();
    pages
        .metrics(
            "shop",
            vec![
                sum("totals", 2, "/a", &totals),
                sum("increments", 1, "/a", &increments),
                sum("two", 2, "/a", &totals),
                sum("two", 2, HOSTILE, &[(60, 0.0), (30, 0.0), (10, 0.0)]),
            ],
        )
        .await;
    for name in ["totals", "increments"] {
        let html = pages.page(&format!("/metrics/{name}?since=5m")).await;
        assert!(html.contains("growth a second"), "{html}");
        // Every interval has what every point says, the one of the new start too.
        for column in ["Last", "Least", "Most"] {
            let mark = format!("data-name=\"{column}\">2/s<");
            assert!(html.contains(&mark), "{name}, {column}: {html}");
        }
        assert!(html.contains("data-live=\"points\""), "{html}");
    }
    let html = pages.page("/metrics/two").await;
    inert(&html);
    assert!(html.contains("by=route"), "{html}");
    assert!(html.contains("where=route%3D%2Fa"), "{html}");
    let html = pages.page("/metrics/two?where=route%3D/a").await;
    assert!(html.contains("1 <span class=\"muted\">series"), "{html}");
    assert!(!html.contains("alert(1)"), "{html}");
    let html = pages.page("/metrics").await;
    inert(&html);
    for part in ["href=\"/metrics/increments\"", "How many orders", "counter"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let html = pages.page("/metrics?q=total").await;
    assert!(html.contains("/metrics/totals") && !html.contains("/metrics/increments"));
    let response = pages.get("/metrics/none").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_histogram_is_percentiles_over_time_and_leads_to_traces() {
    let pages = Pages::new();
    let now = now().unsigned_abs();
    let point = |ago: u64, counts: &[u64]| HistogramDataPoint {
        time_unix_nano: now - ago * SECOND,
        explicit_bounds: vec![0.1, 0.5, 1.0],
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(1.0),
        exemplars: vec![Exemplar {
            time_unix_nano: now - ago * SECOND,
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            value: Some(exemplar::Value::AsDouble(0.3)),
            ..Exemplar::default()
        }],
        ..HistogramDataPoint::default()
    };
    let metric = Metric {
        name: "http.server/duration".into(),
        unit: "s".into(),
        data: Some(Data::Histogram(Histogram {
            data_points: vec![point(40, &[5, 5, 5, 5]), point(20, &[15, 65, 25, 15])],
            aggregation_temporality: 2,
        })),
        ..Metric::default()
    };
    pages.metrics("shop", vec![metric]).await;
    let html = pages.page("/metrics/http.server%2Fduration?since=5m").await;
    let cell = |name: &str| {
        let mark = format!("data-name=\"{name}\">");
        let from = html.find(&mark).unwrap() + mark.len();
        html[from..].split('<').next().unwrap().to_owned()
    };
    // Of what was added: 10, 60, 20 and 10.
    assert_eq!(cell("Measurements"), "100");
    assert_eq!(cell("p50"), "367 ms");
    assert_eq!(cell("p99"), "1 s", "the last bound, as Prometheus has it");
    let exemplar = format!("/traces/{}?span={}", id(3), "04".repeat(8));
    assert!(html.contains(&exemplar), "{html}");
    for title in ["percentiles", "Values over time", "Values in the range"] {
        assert!(html.contains(title), "{title}: {html}");
    }
}
