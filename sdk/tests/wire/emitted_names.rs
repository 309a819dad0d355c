//! The tables of `throughline::conventions` and what leaves the process have the same names.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::received_by;
use throughline::conventions::{ATTRIBUTES, METRICS, MetricKind, Place, SetBy};
use throughline_receiver::Receiver;
use throughline_receiver::proto::common::v1::KeyValue;
use throughline_receiver::proto::metrics::v1::NumberDataPoint;
use throughline_receiver::proto::metrics::v1::metric::Data;

/// A little of everything that the SDK adds something to.
fn emit() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let _within = runtime.enter();
    let telemetry = throughline::builder("names")
        .version("1.2.3")
        .environment("test")
        .series_limits(16, 10_000)
        .init()
        .unwrap();
    let span = tracing::info_span!("request", request.id = "r-1");
    #[cfg(feature = "http")]
    runtime.block_on(crate::http_client::everything());
    span.in_scope(|| {
        throughline::context::set_user("ada");
        throughline::context::set_session("s-1");
        throughline::context::set_tenant("blue");
        let digits = "x".parse::<i32>().unwrap_err();
        let failure = std::io::Error::other(digits);
        tracing::error!(
            name: "auth.login.failed",
            { log.category = "security", event.severity = "high", error = throughline::error(&failure) },
            "refused"
        );
        tracing::info_span!("inner").in_scope(|| tracing::info!("plain"));
    });
    work(&runtime);
    std::thread::spawn(|| panic!("broken")).join().unwrap_err();
    for number in 0..17_u64 {
        metrics::counter!("orders.placed", "shop" => number.to_string()).increment(number);
    }
    for _ in 0..3 {
        tracing::info!(name: "cart.viewed", "more often than the burst limit allows");
    }
    #[cfg(feature = "http")]
    requests::answer();
    // Too large for the memory budget, so that there is a loss to tell of.
    let large = "x".repeat(600_000);
    tracing::info_span!("large", text = large.as_str()).in_scope(|| ());
    let report = telemetry.shutdown();
    assert_eq!(report.traces.dropped_total(), 1, "{report}");
}

/// What a server layer adds.
#[cfg(feature = "http")]
mod requests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{HeaderValue, Method, Request, Response, header};
    use http_body_util::Full;
    use throughline::http::PeerAddress;
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    /// One of each kind.
    pub(super) fn answer() {
        let layer = throughline::http::server().route(|_| Some("/orders/{id}".into()));
        let service = ServiceBuilder::new().layer(layer).service(service_fn(
            |request: Request<()>| async move {
                let mut response = Response::new(Full::new(Bytes::from("an order")));
                match request.uri().path() {
                    "/fails" => *response.status_mut() = http::StatusCode::BAD_GATEWAY,
                    "/a.B/None" => {
                        let unimplemented = HeaderValue::from_static("12");
                        response.headers_mut().insert("grpc-status", unimplemented);
                    }
                    _ => {}
                }
                Ok::<_, Infallible>(response)
            },
        ));
        for (path, content_type) in [
            ("/orders/7?page=2", "text/plain"),
            ("/fails", "text/plain"),
            ("/a.B/None", "application/grpc"),
        ] {
            let mut request = Request::new(());
            *request.uri_mut() = path.parse().unwrap();
            *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            headers.insert(header::HOST, HeaderValue::from_static("shop.example:80"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static("test"));
            let peer = "127.0.0.1:4711".parse().unwrap();
            request.extensions_mut().insert(PeerAddress(peer));
            futures::executor::block_on(async {
                let response = service.clone().oneshot(request).await.unwrap();
                http_body_util::BodyExt::collect(response.into_body())
                    .await
                    .unwrap();
            });
        }
    }
}

/// Whether this set of features has what has this name.
fn is_built(name: &str) -> bool {
    let of_requests = [
        "client.",
        "http.",
        "network.",
        "rpc.",
        "server.",
        "url.",
        "user_agent.",
    ];
    cfg!(feature = "http") || !of_requests.iter().any(|prefix| name.starts_with(prefix))
}

/// Operations and jobs, each of which is slow.
fn work(runtime: &tokio::runtime::Runtime) {
    use futures::FutureExt;
    use std::future::pending;
    use throughline::performance::{self, Unit};

    let failed = performance::try_timed_sync("parse", || "x".parse::<i32>());
    failed.unwrap_err();
    performance::measured("report.size", 7.0, Unit::Bytes);
    let job = throughline::jobs::builder("digest")
        .argument("user", 7)
        .attempt(2)
        .run(async {
            std::thread::sleep(std::time::Duration::from_millis(2));
            "x".parse::<i32>()
        });
    runtime.block_on(job).unwrap_err();
    let cancelled = throughline::jobs::run("digest", pending::<Result<(), std::fmt::Error>>());
    assert!(cancelled.now_or_never().is_none());
}

const VARIABLES: [(&str, &str); 13] = [
    ("THROUGHLINE_SLOW_OPERATION_MS", "1"),
    ("THROUGHLINE_BURST_LIMIT", "1"),
    ("THROUGHLINE_MEMORY_BUDGET_BYTES", "1000000"),
    ("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=retail"),
    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ("HOSTNAME", "checkout-6c9f-x2x"),
    ("K8S_POD_NAME", "checkout-6c9f-x2x"),
    ("K8S_POD_UID", "9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e"),
    ("K8S_NAMESPACE_NAME", "shop"),
    ("K8S_NODE_NAME", "node-7"),
    ("K8S_CONTAINER_NAME", "main"),
    ("K8S_DEPLOYMENT_NAME", "checkout"),
    ("K8S_CLUSTER_NAME", "eu-1"),
];

fn received(test: &str) -> Receiver {
    received_by(test, "http/protobuf", &VARIABLES, emit).0
}

/// What is told of databases needs one: `database.rs` holds that against the tables.
fn of_databases(name: &str) -> bool {
    name.starts_with("db.")
}

fn keys<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> BTreeSet<&'a str> {
    let attributes = attributes.into_iter();
    attributes.map(|attribute| attribute.key.as_str()).collect()
}

/// What the SDK sets in this place, by the table.
fn named(place: Place) -> BTreeSet<&'static str> {
    ATTRIBUTES
        .iter()
        .filter(|attribute| attribute.set_by == SetBy::Sdk && attribute.places.contains(&place))
        .map(|attribute| attribute.name)
        .filter(|name| is_built(name) && !of_databases(name))
        .collect()
}

/// These are there where the machine has them.
const FOUND: [&str; 7] = [
    "container.id",
    "host.id",
    "os.name",
    "os.version",
    "os.description",
    "process.owner",
    "service.instance.id",
];

/// What comes with a feature, and is held against the tables by the tests of that.
fn is_tested_apart(name: &str) -> bool {
    [
        "attack.",
        "health.",
        "rate_limit.",
        "throughline.attack.",
        "throughline.health.",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

#[test]
fn every_attribute_of_the_sdk_is_in_the_table_and_no_other() {
    let receiver = received("every_attribute_of_the_sdk_is_in_the_table_and_no_other");
    let (logs, spans) = (receiver.logs(), receiver.spans());

    let own = ["log.category", "event.severity"];
    let mut records = keys(logs.iter().flat_map(|log| &log.attributes));
    records.retain(|name| !own.contains(name));
    let mut table = named(Place::Record);
    table.retain(|name| !is_tested_apart(name));
    assert_eq!(records, table);

    let on_spans = keys(spans.iter().flat_map(|span| &span.attributes));
    let table = named(Place::Span);
    assert_eq!(on_spans, table);

    let mut resource = keys(&logs[0].resource.attributes);
    assert!(resource.contains("service.instance.id"), "{resource:?}");
    let mut table = named(Place::Resource);
    assert!(resource.is_subset(&table), "{resource:?}");
    for name in FOUND {
        resource.remove(name);
        assert!(table.remove(name), "{name}");
    }
    assert_eq!(resource, table);
}

#[test]
fn every_metric_of_the_sdk_is_in_the_table_and_no_other() {
    let receiver = received("every_metric_of_the_sdk_is_in_the_table_and_no_other");
    let mut emitted: BTreeMap<String, (MetricKind, String, BTreeSet<String>)> = BTreeMap::new();
    for metric in receiver.metrics() {
        let (kind, attributes) = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => (MetricKind::Gauge, points(&gauge.data_points)),
            Data::Sum(sum) if sum.is_monotonic => (MetricKind::Counter, points(&sum.data_points)),
            Data::Sum(sum) => (MetricKind::UpDownCounter, points(&sum.data_points)),
            Data::Histogram(histogram) => {
                let points = histogram.data_points.iter();
                let names = keys(points.flat_map(|point| &point.attributes));
                let names = names.into_iter().map(str::to_owned).collect();
                (MetricKind::Histogram, names)
            }
            other => panic!("{} is {other:?}", metric.name),
        };
        emitted
            .entry(metric.name.clone())
            .or_insert_with(|| (kind, metric.unit.clone(), BTreeSet::new()))
            .2
            .extend(attributes);
    }
    for own in ["orders.placed", "report.size"] {
        emitted.remove(own).unwrap();
    }
    let here = |name: &str| {
        let linux = cfg!(target_os = "linux") || !name.starts_with("process.");
        linux && is_built(name) && !of_databases(name) && !is_tested_apart(name)
    };
    for metric in METRICS.iter().filter(|metric| here(metric.name)) {
        let attributes = metric.attributes.iter().map(|name| (*name).to_owned());
        let expected = (metric.kind, metric.unit.to_owned(), attributes.collect());
        let found = emitted.remove(metric.name);
        assert_eq!(found, Some(expected), "{}", metric.name);
    }
    assert!(emitted.is_empty(), "the table has none of {emitted:#?}");
}

fn points(points: &[NumberDataPoint]) -> BTreeSet<String> {
    let names = keys(points.iter().flat_map(|point| &point.attributes));
    names.into_iter().map(str::to_owned).collect()
}
