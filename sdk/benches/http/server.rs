//! The server, and one middleware written for both sides: a span, metrics and a record for
//! each request. Only the metrics differ, since each side has an interface of its own.

use std::sync::OnceLock;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use metrics::{Gauge, Histogram, gauge, histogram};
use throughline::reexport::opentelemetry::metrics::{Histogram as Instrument, UpDownCounter};
use throughline::reexport::opentelemetry::propagation::Extractor;
use throughline::reexport::opentelemetry::{KeyValue, global};
use tracing::Instrument as _;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::support::affinity::stay_on;
use crate::support::process::serve;
use crate::support::side::{Running, Side, Wiring};
use crate::{Middleware, Variant};

pub(crate) const BODY: &str = "hello, 42";

/// A server's process.
pub(crate) fn be(variant: &'static Variant) {
    stay_on(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut running = variant
        .side
        .map(|side| Running::start(side, Wiring::EVERYTHING, variant.name));
    let app = Router::new().route("/hello/{id}", get(hello));
    let app = match variant.middleware {
        Middleware::None => app,
        Middleware::ByHand => {
            // Without telemetry the facades of ours lead nowhere.
            let side = variant.side.unwrap_or(Side::Ours);
            let observed: &'static Observed = Box::leak(Box::new(Observed {
                red: Red::new(side),
                records: variant.records,
            }));
            app.layer(from_fn_with_state(observed, observe))
        }
        Middleware::Ours => app.layer(throughline::http::server().access_log(variant.records)),
        Middleware::AxumTracing => {
            app.layer(axum_tracing_opentelemetry::middleware::OtelAxumLayer::default())
        }
        Middleware::TowerOtel => app
            .layer(tower_otel::metrics::HttpLayer::server(&global::meter(
                "bench",
            )))
            .layer(tower_otel::trace::HttpLayer::server(tracing::Level::INFO)),
        Middleware::Contrib => app.layer(
            opentelemetry_instrumentation_tower::http::server::LayerBuilder::builder()
                .with_tracing(true)
                .with_metrics(true)
                .build()
                .unwrap(),
        ),
    };
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    // Every middleware may ask who the client is.
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, app).await });
    serve(|order| match order {
        "address" => address.to_string(),
        "flush" => {
            if let Some(running) = &running {
                running.flush();
            }
            String::new()
        }
        "time" => process_time().to_string(),
        "books" => running.take().expect("a side, and once").books(),
        _ => panic!("unknown order {order:?}"),
    });
}

/// Nanoseconds that all threads of this process have run.
#[cfg(target_os = "linux")]
fn process_time() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(not(target_os = "linux"))]
fn process_time() -> i64 {
    panic!("this benchmark reads the CPU time of a process as Linux tells it")
}

async fn hello(axum::extract::Path(id): axum::extract::Path<u64>) -> String {
    format!("hello, {id}")
}

struct Observed {
    red: Red,
    records: bool,
}

async fn observe(
    State(observed): State<&'static Observed>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method.as_str(),
        http.route = route,
        url.path = request.uri().path(),
        url.scheme = "http",
        user_agent.original = header(request.headers(), "user-agent"),
        http.response.status_code = Empty,
    );
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    let set = span.set_parent(parent);
    assert!(set.is_ok() || span.is_disabled(), "{set:?}");
    observed.red.started();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    observed
        .red
        .ended(method.as_str(), &route, status, took.as_secs_f64());
    span.record("http.response.status_code", status);
    if observed.records {
        span.in_scope(|| {
            tracing::info!(
                name: "http.server.request",
                {
                    http.request.method = method.as_str(),
                    http.route = route,
                    http.response.status_code = status,
                    duration_ms = took.as_secs_f64() * 1e3,
                },
                "{method} {route} {status}"
            );
        });
    }
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

/// Rate, errors and duration, by the names of the semantic conventions.
enum Red {
    Ours {
        active: Gauge,
        /// The one series that this server has; a layer keeps one a route and status.
        duration: OnceLock<Histogram>,
    },
    Stock {
        active: UpDownCounter<i64>,
        duration: Instrument<f64>,
    },
}

const ACTIVE: &str = "http.server.active_requests";
const DURATION: &str = "http.server.request.duration";

impl Red {
    fn new(side: Side) -> Self {
        match side {
            Side::Ours => Self::Ours {
                active: gauge!(ACTIVE, "url.scheme" => "http"),
                duration: OnceLock::new(),
            },
            Side::Stock => {
                let meter = global::meter("bench");
                Self::Stock {
                    active: meter.i64_up_down_counter(ACTIVE).build(),
                    duration: meter.f64_histogram(DURATION).with_unit("s").build(),
                }
            }
        }
    }

    fn started(&self) {
        match self {
            Self::Ours { active, .. } => active.increment(1.0),
            Self::Stock { active, .. } => active.add(1, &[KeyValue::new("url.scheme", "http")]),
        }
    }

    fn ended(&self, method: &str, route: &str, status: u16, seconds: f64) {
        match self {
            Self::Ours { active, duration } => {
                active.decrement(1.0);
                let made = || {
                    histogram!(
                        DURATION,
                        "http.request.method" => method.to_owned(),
                        "http.route" => route.to_owned(),
                        "http.response.status_code" => status.to_string(),
                    )
                };
                duration.get_or_init(made).record(seconds);
            }
            Self::Stock { active, duration } => {
                active.add(-1, &[KeyValue::new("url.scheme", "http")]);
                duration.record(
                    seconds,
                    &[
                        KeyValue::new("http.request.method", method.to_owned()),
                        KeyValue::new("http.route", route.to_owned()),
                        KeyValue::new("http.response.status_code", i64::from(status)),
                    ],
                );
            }
        }
    }
}
