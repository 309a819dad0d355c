//! Requests as a shop's services send them, encoded once. To send one again its ids and times
//! are written over where they lie, which costs the generator almost nothing.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event},
};
use prost::Message;

/// Traces in one request of spans; each has [`SPANS`].
const TRACES: usize = 20;
/// Spans of one trace.
pub(crate) const SPANS: usize = 10;
/// Log records in one request.
const RECORDS: usize = 200;
/// Different requests of each kind, so that what is sent does not repeat within a chunk.
const VARIANTS: usize = 32;
/// All times of a template lie this far after the others' and are moved to now.
const EPOCH: u64 = 1_700_000_000_000_000_000;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Spans,
    Records,
    Points,
}

impl Signal {
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Records => "log records",
            Self::Points => "points",
        }
    }

    pub(crate) const fn grpc_path(self) -> &'static str {
        match self {
            Self::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Records => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Points => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    pub(crate) const fn http_path(self) -> &'static str {
        match self {
            Self::Spans => "/v1/traces",
            Self::Records => "/v1/logs",
            Self::Points => "/v1/metrics",
        }
    }
}

/// A small generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// An encoded request, and where in it lies what must differ each time.
struct Template {
    bytes: Vec<u8>,
    /// Where a trace id lies, with the number of its trace in this request.
    traces: Vec<(usize, u64)>,
    /// Where a time lies, with the place of what it is of: the number of its trace, or of its
    /// record.
    times: Vec<(usize, u64)>,
    items: usize,
    places: u64,
}

/// Over which time what is sent has happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// When the first of it happened, in nanoseconds since 1970, and how long until the last.
    pub(crate) from: u64,
    pub(crate) length: u64,
    pub(crate) requests: u64,
}

impl Spread {
    /// When something at that part of a request happened.
    fn at(&self, request: u64, place: u64, places: u64) -> u64 {
        let done = (request * places + place) as f64 / (self.requests * places) as f64;
        self.from + (self.length as f64 * done.min(1.0)) as u64
    }
}

/// The requests of one signal.
pub(crate) struct Requests {
    pub(crate) signal: Signal,
    templates: Vec<Template>,
    spread: Option<Spread>,
}

impl Requests {
    pub(crate) fn new(signal: Signal) -> Self {
        let mut random = Random(7);
        let templates = (0..VARIANTS)
            .map(|variant| match signal {
                Signal::Spans => spans(&mut random),
                Signal::Records => records(&mut random),
                Signal::Points => points(&mut random, variant),
            })
            .collect();
        Self {
            signal,
            templates,
            spread: None,
        }
    }

    /// The same, but what is sent happened over so long.
    pub(crate) fn spread(mut self, spread: Spread) -> Self {
        self.spread = Some(spread);
        self
    }

    /// The request of this number, which no other request of a run has, with times up to `now`,
    /// or where they were spread.
    pub(crate) fn make(&self, number: u64, now: u64) -> (Vec<u8>, usize) {
        let template = &self.templates[(number % VARIANTS as u64) as usize];
        let mut bytes = template.bytes.clone();
        for &(at, trace) in &template.traces {
            bytes[at..at + 16].copy_from_slice(&trace_id(number, trace));
        }
        for &(at, place) in &template.times {
            let mut time = [0; 8];
            time.copy_from_slice(&bytes[at..at + 8]);
            let now = self
                .spread
                .map_or(now, |spread| spread.at(number, place, template.places));
            let moved = u64::from_le_bytes(time) - EPOCH + now - 1_000_000_000;
            bytes[at..at + 8].copy_from_slice(&moved.to_le_bytes());
        }
        (bytes, template.items)
    }

    /// Bytes of a request, on average.
    pub(crate) fn bytes(&self) -> usize {
        self.templates.iter().map(|t| t.bytes.len()).sum::<usize>() / VARIANTS
    }

    pub(crate) fn items(&self) -> usize {
        self.templates[0].items
    }
}

/// The id of one trace of one request: as random as a tracer's.
pub(crate) fn trace_id(request: u64, trace: u64) -> [u8; 16] {
    let mut random = Random(request.wrapping_mul(TRACES as u64 + 1).wrapping_add(trace));
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random.next().to_be_bytes());
    id[8..].copy_from_slice(&random.next().to_be_bytes());
    id
}

/// Finds what has to be written over: ids begin with eight bytes that nothing else has, and
/// times are the fixed numbers of the hours after [`EPOCH`].
fn template(bytes: Vec<u8>, items: usize, ids: usize, moments: usize) -> Template {
    let mut traces: Vec<(usize, u64)> = Vec::new();
    let mut times = Vec::new();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        if word == MARK {
            let mut trace = [0; 8];
            trace.copy_from_slice(&bytes[at + 8..at + 16]);
            traces.push((at, u64::from_be_bytes(trace)));
            at += 16;
        } else if (EPOCH..EPOCH + 60_000_000_000).contains(&u64::from_le_bytes(word)) {
            // A span's trace lies before its times; of a record's two, one on each side.
            let place = match ids {
                0 => 0,
                _ if moments == 2 * ids => times.len() as u64 / 2,
                _ => traces.last().map_or(0, |(_, trace)| *trace),
            };
            times.push((at, place));
            at += 8;
        } else {
            at += 1;
        }
    }
    assert_eq!((traces.len(), times.len()), (ids, moments));
    Template {
        bytes,
        places: times.iter().map(|(_, place)| place + 1).max().unwrap_or(1),
        traces,
        times,
        items,
    }
}

const MARK: [u8; 8] = [0xf5, 0xfe, 0xf9, 0xfb, 0xfd, 0xfa, 0xf6, 0xf7];

fn marked(trace: usize) -> Vec<u8> {
    let mut id = MARK.to_vec();
    id.extend_from_slice(&(trace as u64).to_be_bytes());
    id
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: usize) -> KeyValue {
    pair(key, Value::IntValue(value as i64))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

const SERVICES: [&str; 3] = ["storefront", "payments", "worker"];
const PATHS: [(&str, &str); 6] = [
    ("GET", "/products"),
    ("GET", "/products/{id}"),
    ("POST", "/cart/{id}/items"),
    ("POST", "/checkout"),
    ("GET", "/orders/{id}"),
    ("POST", "/login"),
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.14.1",
    "python-requests/2.32.4",
];

fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            text("service.name", service),
            text("service.namespace", "shop"),
            text("service.version", "1.4.2"),
            text("service.instance.id", format!("{service}-6d4cf56db6-x2k9p")),
            text("deployment.environment.name", "production"),
            text("host.name", "node-3"),
            int("process.pid", 1_234),
            text("telemetry.sdk.language", "rust"),
        ],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "throughline".into(),
        version: "0.1.0".into(),
        ..InstrumentationScope::default()
    })
}

/// One trace: a request at the storefront, its queries, a call of payments, whose request is
/// a span with a query of its own, and a message that the worker takes.
fn spans(random: &mut Random) -> Template {
    let mut of_service: [Vec<Span>; 3] = Default::default();
    let (mut moments, mut count) = (0, 0);
    for trace in 0..TRACES {
        let ids: Vec<u64> = (0..SPANS).map(|_| random.next() | 1).collect();
        // Service, kind, parent.
        let shape: [(usize, i32, Option<usize>); SPANS] = [
            (0, 2, None),
            (0, 1, Some(0)),
            (0, 3, Some(1)),
            (0, 3, Some(1)),
            (0, 1, Some(0)),
            (0, 3, Some(4)),
            (1, 2, Some(5)),
            (1, 3, Some(6)),
            (2, 5, Some(6)),
            (2, 3, Some(8)),
        ];
        let (method, route) = PATHS[random.below(PATHS.len())];
        let failed = random.below(50) == 0;
        let begin = EPOCH + (random.below(100_000_000)) as u64;
        for (number, (service, kind, parent)) in shape.into_iter().enumerate() {
            let start = begin + number as u64 * 1_000_000 + random.below(500_000) as u64;
            let duration = (SPANS - number) as u64 * 2_000_000 + random.below(3_000_000) as u64;
            let query = random.pick(&[
                "SELECT id, name, price FROM products WHERE category = ? ORDER BY name LIMIT ?",
                "SELECT * FROM orders WHERE user_id = ? AND state = ?",
                "INSERT INTO cart_items (cart_id, product_id, amount) VALUES (?, ?, ?)",
                "UPDATE stock SET amount = amount - ? WHERE product_id = ?",
            ]);
            let (name, attributes) = match kind {
                2 => (
                    format!("{method} {route}"),
                    vec![
                        text("http.request.method", method),
                        text("http.route", route),
                        text(
                            "url.path",
                            route.replace("{id}", &random.below(10_000).to_string()),
                        ),
                        text("url.scheme", "https"),
                        text("server.address", "shop.example"),
                        text("client.address", format!("203.0.113.{}", random.below(255))),
                        text("user_agent.original", random.pick(&AGENTS)),
                        text("network.protocol.version", "1.1"),
                        int("http.response.status_code", if failed { 500 } else { 200 }),
                        text("user.id", format!("user-{}", random.below(5_000))),
                        text("request.id", format!("{:016x}", random.next())),
                    ],
                ),
                3 if number == 5 => (
                    "POST".into(),
                    vec![
                        text("http.request.method", "POST"),
                        text("url.full", "http://payments:8080/charge"),
                        text("server.address", "payments"),
                        int("server.port", 8080),
                        int("http.response.status_code", if failed { 500 } else { 200 }),
                    ],
                ),
                3 => (
                    query.split(' ').next().unwrap_or_default().to_owned() + " shop",
                    vec![
                        text("db.system.name", "postgresql"),
                        text("db.namespace", "shop"),
                        text("db.query.text", query),
                        text(
                            "db.operation.name",
                            query.split(' ').next().unwrap_or_default(),
                        ),
                        int("db.response.returned_rows", random.below(100)),
                        text("server.address", "db"),
                    ],
                ),
                5 => (
                    "process digests".into(),
                    vec![
                        text("messaging.system", "shop"),
                        text("messaging.destination.name", "digests"),
                        text("messaging.message.id", format!("{:016x}", random.next())),
                        int("messaging.message.body.size", random.below(4_000)),
                    ],
                ),
                _ => (
                    random
                        .pick(&["render", "price the cart", "check the stock"])
                        .into(),
                    vec![
                        text("code.function.name", "shop::handlers::cart"),
                        text("code.file.path", "src/handlers/cart.rs"),
                        int("code.line.number", random.below(400)),
                        int("cart.items", random.below(9)),
                    ],
                ),
            };
            let mut events = Vec::new();
            if failed && number == 6 {
                events.push(Event {
                    time_unix_nano: start + 1_000_000,
                    name: "exception".into(),
                    attributes: vec![
                        text("exception.type", "shop::payments::Declined"),
                        text("exception.message", "the card was declined by the bank"),
                        text(
                            "exception.stacktrace",
                            "0: shop::payments::charge at src/payments.rs:71\n1: shop::payments::handler at src/payments.rs:20\n2: main at src/main.rs:9",
                        ),
                    ],
                    ..Event::default()
                });
            } else if number == 1 {
                events.push(Event {
                    time_unix_nano: start + 1_000_000,
                    name: "cache missed".into(),
                    attributes: vec![text("cache.key", format!("product-{}", random.below(900)))],
                    ..Event::default()
                });
            }
            moments += 2 + events.len();
            count += 1;
            of_service[service].push(Span {
                trace_id: marked(trace),
                span_id: ids[number].to_be_bytes().to_vec(),
                parent_span_id: parent
                    .map(|parent| ids[parent].to_be_bytes().to_vec())
                    .unwrap_or_default(),
                name,
                kind,
                start_time_unix_nano: start,
                end_time_unix_nano: start + duration,
                attributes,
                events,
                status: (failed && kind != 1).then(|| Status {
                    code: 2,
                    message: "the payment failed".into(),
                }),
                flags: 0x101,
                ..Span::default()
            });
        }
    }
    let request = ExportTraceServiceRequest {
        resource_spans: SERVICES
            .iter()
            .zip(of_service)
            .map(|(service, spans)| ResourceSpans {
                resource: resource(service),
                scope_spans: vec![ScopeSpans {
                    scope: scope(),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            })
            .collect(),
    };
    template(request.encode_to_vec(), count, count, moments)
}

/// Records of twelve attributes, with a message of eight words.
fn records(random: &mut Random) -> Template {
    let mut of_service: [Vec<LogRecord>; 3] = Default::default();
    for number in 0..RECORDS {
        let (method, route) = PATHS[random.below(PATHS.len())];
        let (severity, level) = match random.below(20) {
            0 => (17, "ERROR"),
            1 | 2 => (13, "WARN"),
            _ => (9, "INFO"),
        };
        let time = EPOCH + random.below(900_000_000) as u64;
        let words: [&str; 8] = [
            random.pick(&["order", "cart", "payment", "session", "product", "refund"]),
            random.pick(&[
                "accepted", "declined", "stored", "expired", "opened", "sent",
            ]),
            "for",
            random.pick(&["customer", "guest", "partner", "employee"]),
            random.pick(&["after", "before", "during"]),
            random.pick(&["checkout", "login", "browsing", "delivery"]),
            "in",
            random.pick(&["Vienna", "Lisbon", "Oslo", "Turin", "Riga", "Ghent"]),
        ];
        let mut attributes = vec![
            text("code.file.path", "src/handlers/cart.rs"),
            int("code.line.number", random.below(400)),
            text("code.module.name", "shop::handlers::cart"),
            text("user.id", format!("user-{}", random.below(5_000))),
            text("session.id", format!("{:016x}", random.next())),
            text("request.id", format!("{:016x}", random.next())),
            text("http.request.method", method),
            text("http.route", route),
            int("order.total_cents", random.below(100_000)),
            text("client.address", format!("203.0.113.{}", random.below(255))),
            text("thread.name", "tokio-runtime-worker"),
        ];
        attributes.push(match random.below(8) {
            0 => text("log.category", "security"),
            1 => text("log.category", "audit"),
            2 => text("log.category", "business"),
            _ => text("feature.flag", "new-cart"),
        });
        of_service[random.below(3)].push(LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time + 1_000,
            severity_number: severity,
            severity_text: level.into(),
            body: Some(AnyValue {
                value: Some(Value::StringValue(words.join(" "))),
            }),
            attributes,
            trace_id: marked(number % TRACES),
            span_id: (random.next() | 1).to_be_bytes().to_vec(),
            flags: 1,
            ..LogRecord::default()
        });
    }
    let request = ExportLogsServiceRequest {
        resource_logs: SERVICES
            .iter()
            .zip(of_service)
            .map(|(service, log_records)| ResourceLogs {
                resource: resource(service),
                scope_logs: vec![ScopeLogs {
                    scope: scope(),
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            })
            .collect(),
    };
    template(request.encode_to_vec(), RECORDS, RECORDS, 2 * RECORDS)
}

/// Ten metrics of twenty label sets each: counters, gauges and histograms.
fn points(random: &mut Random, instance: usize) -> Template {
    const METRICS: usize = 10;
    const SERIES: usize = 20;
    let mut moments = 0;
    let metrics = (0..METRICS)
        .map(|metric| {
            let labels = |series: usize| {
                vec![
                    text("http.route", PATHS[series % PATHS.len()].1),
                    text("http.request.method", PATHS[series % PATHS.len()].0),
                    int("http.response.status_code", 200 + series),
                    text("instance", format!("shop-{instance}")),
                ]
            };
            let time = EPOCH + random.below(900_000_000) as u64;
            let mut number = |series: usize| {
                moments += 1;
                NumberDataPoint {
                    attributes: labels(series),
                    time_unix_nano: time,
                    value: Some(number_data_point::Value::AsDouble(
                        random.below(100_000) as f64
                    )),
                    ..NumberDataPoint::default()
                }
            };
            let data = match metric % 3 {
                0 => Data::Sum(Sum {
                    data_points: (0..SERIES).map(&mut number).collect(),
                    aggregation_temporality: AggregationTemporality::Cumulative.into(),
                    is_monotonic: true,
                }),
                1 => Data::Gauge(Gauge {
                    data_points: (0..SERIES).map(&mut number).collect(),
                }),
                _ => {
                    let points = (0..SERIES)
                        .map(|series| HistogramDataPoint {
                            attributes: labels(series),
                            time_unix_nano: time,
                            count: 100,
                            sum: Some(random.below(1_000) as f64),
                            bucket_counts: (0..12).map(|_| random.below(20) as u64).collect(),
                            explicit_bounds: (0..11).map(|bound| f64::from(1 << bound)).collect(),
                            ..HistogramDataPoint::default()
                        })
                        .collect::<Vec<_>>();
                    moments += points.len();
                    Data::Histogram(Histogram {
                        data_points: points,
                        aggregation_temporality: AggregationTemporality::Cumulative.into(),
                    })
                }
            };
            Metric {
                name: format!("shop.metric.{metric}"),
                description: "How often the shop did it".into(),
                unit: "1".into(),
                data: Some(data),
                ..Metric::default()
            }
        })
        .collect();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource("storefront"),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    template(request.encode_to_vec(), METRICS * SERIES, 0, moments)
}
