//! The capture for users' tests, as users use it: many tests in parallel in one process.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use throughline::testing::Capture;
use tracing::{Instrument, error, info, info_span};

/// Work with a mark of the test that does it, through tasks of every kind.
async fn work(mark: u64) {
    let span = info_span!("work", mark);
    async {
        info!(mark, "started");
        let task = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            info!(mark, "in a task");
            metrics::counter!("work.done", "mark" => mark.to_string()).increment(1);
        };
        tokio::spawn(task.instrument(info_span!("task", mark)))
            .await
            .unwrap();
        let current = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            current.in_scope(|| info!(mark, "in a blocking task"));
        })
        .await
        .unwrap();
    }
    .instrument(span)
    .await;
}

fn only(capture: &Capture, mark: u64) {
    let mark = mark.to_string();
    let names: Vec<_> = capture.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["task", "work"]);
    for span in capture.spans() {
        assert_eq!(span.attribute("mark"), Some(mark.as_str()));
    }
    let messages: Vec<_> = capture.logs().into_iter().map(|log| log.message).collect();
    assert_eq!(messages, ["started", "in a task", "in a blocking task"]);
    for log in capture.logs() {
        assert_eq!(log.attribute("mark"), Some(mark.as_str()));
        assert_eq!(log.trace_id, Some(capture.spans()[0].trace_id.clone()));
    }
    assert_eq!(capture.counter("work.done", &[("mark", &mark)]), Some(1));
}

macro_rules! parallel {
    ($($name:ident: $mark:literal on $flavor:literal;)*) => {$(
        #[tokio::test(flavor = $flavor)]
        async fn $name() {
            let capture = Capture::start();
            work($mark).await;
            only(&capture, $mark);
        }
    )*};
}

parallel! {
    a_test_sees_only_its_own_1: 1 on "current_thread";
    a_test_sees_only_its_own_2: 2 on "multi_thread";
    a_test_sees_only_its_own_3: 3 on "current_thread";
    a_test_sees_only_its_own_4: 4 on "multi_thread";
    a_test_sees_only_its_own_5: 5 on "multi_thread";
}

#[test]
fn a_capture_begins_empty_and_ends_with_its_drop() {
    info_span!("before").in_scope(|| info!("before"));
    let capture = Capture::start();
    assert!(capture.spans().is_empty() && capture.logs().is_empty());
    info!("during");
    assert_eq!(capture.logs().len(), 1);
    drop(capture);
    info!("after");
    let capture = Capture::start();
    assert!(capture.logs().is_empty());
}

#[tokio::test]
async fn a_bare_spawn_on_the_tests_own_thread_is_seen() {
    let capture = Capture::start();
    tokio::spawn(async { info!("bare") }).await.unwrap();
    assert_eq!(capture.logs().len(), 1);
}

#[test]
fn a_bare_thread_is_counted_as_unattributed() {
    let capture = Capture::start();
    let before = Capture::unattributed();
    std::thread::spawn(|| info!("lost")).join().unwrap();
    assert!(capture.logs().is_empty());
    assert!(Capture::unattributed() > before);
}

#[derive(Debug, thiserror::Error)]
#[error("checkout failed")]
struct CheckoutError(#[source] std::num::ParseIntError);

#[test]
fn errors_and_panics_are_what_sentry_would_see() {
    let capture = Capture::start();
    info_span!("request", user.id = "ada").in_scope(|| {
        let failure = CheckoutError("x".parse::<i32>().unwrap_err());
        error!(error = throughline::error(&failure), "it went wrong");
        let panicked = std::panic::catch_unwind(|| panic!("broken"));
        assert!(panicked.is_err());
    });
    let errors = capture.errors();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert_eq!(errors[0].kind, Some("capture::CheckoutError"));
    assert_eq!(
        errors[0].chain,
        ["checkout failed", "invalid digit found in string"]
    );
    assert_eq!(errors[0].user_id.as_deref(), Some("ada"));
    assert_eq!(
        (errors[1].kind, errors[1].message.as_str()),
        (Some("panic"), "broken")
    );
    assert_eq!(
        errors[1].trace_id,
        Some(capture.spans()[0].trace_id.clone())
    );
}

#[test]
fn metrics_keep_their_meaning() {
    let capture = Capture::start();
    for _ in 0..3 {
        metrics::gauge!("cart.items").increment(1.0);
    }
    metrics::counter!("jobs.done").absolute(5);
    metrics::counter!("jobs.done").absolute(7);
    metrics::histogram!("wait", "queue" => "mail", "a" => "b").record(0.5);
    assert_eq!(capture.gauge("cart.items", &[]), Some(3.0));
    assert_eq!(capture.counter("jobs.done", &[]), Some(7));
    assert_eq!(
        capture.histogram("wait", &[("a", "b"), ("queue", "mail")]),
        Some(vec![0.5])
    );
    assert_eq!(capture.counter("jobs.failed", &[]), None);
}

#[test]
fn a_snapshot_is_the_same_in_every_run() {
    let capture = Capture::start();
    info!("outside");
    info_span!("request", order.id = 7).in_scope(|| {
        info!(name: "order.placed", { items = 2 }, "placed");
        info_span!("charge").in_scope(|| error!("declined"));
    });
    metrics::counter!("orders.placed", "channel" => "web").increment(2);
    metrics::histogram!("order.duration").record(0.2);
    assert_eq!(
        capture.snapshot(),
        "span request order.id=7\n\
         \x20 INFO [order.placed] placed items=2\n\
         \x20 span charge Error { description: \"declined\" }\n\
         \x20   ERROR declined\n\
         INFO outside\n\
         order.duration{} count 1\n\
         orders.placed{channel=web} 2\n"
    );
}

/// A request of this path, answered by a service in the server layer.
#[cfg(feature = "http")]
async fn request(path: &'static str) {
    use tower::{ServiceBuilder, ServiceExt};

    // One for all tests of the process, as a service has one.
    static LAYER: std::sync::LazyLock<throughline::http::ServerLayer> =
        std::sync::LazyLock::new(|| throughline::http::server().route(|_| Some("/a".into())));
    let service = ServiceBuilder::new()
        .layer(LAYER.clone())
        .service(tower::service_fn(|_: http::Request<()>| async {
            info!("inside");
            let body = http_body_util::Empty::<bytes::Bytes>::new();
            Ok::<_, std::convert::Infallible>(http::Response::new(body))
        }));
    let mut request = http::Request::new(());
    *request.uri_mut() = path.parse().unwrap();
    service.oneshot(request).await.unwrap();
}

#[cfg(feature = "http")]
#[test]
fn a_layer_that_tests_share_tells_each_its_own() {
    let labels = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/a"),
        ("network.protocol.version", "1.1"),
        ("url.scheme", "http"),
    ];
    let active = [("http.request.method", "GET"), ("url.scheme", "http")];
    let tests: Vec<_> = ["/one", "/two", "/three"]
        .into_iter()
        .map(|path| {
            std::thread::spawn(move || {
                let capture = Capture::start();
                futures::executor::block_on(async {
                    request(path).await;
                    request(path).await;
                });
                let durations = capture.histogram("http.server.request.duration", &labels);
                assert_eq!(durations.unwrap().len(), 2, "{}", capture.snapshot());
                let left = capture.gauge("http.server.active_requests", &active);
                assert_eq!(left, Some(0.0));
                let spans = capture.spans();
                assert_eq!(spans.len(), 2);
                assert_eq!(spans[0].attribute("url.path"), Some(path));
                let logs = capture.logs();
                assert_eq!(logs.len(), 4, "{logs:#?}");
                assert!(logs.iter().all(|log| log.attribute("request.id").is_some()));
            })
        })
        .collect();
    for test in tests {
        test.join().unwrap();
    }
}

#[test]
fn init_beside_a_capture_is_a_typed_error() {
    let _capture = Capture::start();
    let second = throughline::init("beside");
    assert!(matches!(
        second,
        Err(throughline::InitError::AlreadyInitialized)
    ));
}

#[cfg(feature = "http")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_s_requests_are_in_the_capture_of_their_test() {
    use tower::{Layer, ServiceExt, service_fn};
    type Body = http_body_util::Empty<bytes::Bytes>;
    let request = async |host: &str| {
        let capture = Capture::start();
        let inner = service_fn(async |request: http::Request<Body>| {
            assert!(request.headers().contains_key("traceparent"));
            Ok::<_, std::io::Error>(http::Response::new(Body::new()))
        });
        let client = throughline::http::client().layer(inner);
        let request = http::Request::get(format!("http://{host}/")).body(Body::new());
        client.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(capture.spans()[0].attribute("server.address"), Some(host));
        let labels = [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("network.protocol.version", "1.1"),
            ("server.address", host),
            ("server.port", "80"),
        ];
        let values = capture.histogram("http.client.request.duration", &labels);
        assert_eq!(values.map(|values| values.len()), Some(1), "{host}");
    };
    // The same series twice: a handle that is kept would go to the first capture alone.
    for _ in 0..2 {
        request("payments").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_belongs_to_the_capture_of_its_test_though_its_trace_is_its_own() {
    use throughline::jobs;
    use throughline::performance::timed;

    let capture = Capture::start();
    let request = info_span!("request");
    let job = async {
        throughline::context::set_user("ada");
        let work = async { Ok::<_, std::fmt::Error>(timed("part", async { 7 }).await) };
        let task = tokio::spawn(jobs::run("digest", work).in_current_span());
        assert_eq!(task.await.unwrap(), Ok(7));
    };
    job.instrument(request).await;
    let spans = capture.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(named("digest").parent_span_id, None);
    assert_ne!(named("digest").trace_id, named("request").trace_id);
    assert_eq!(named("part").trace_id, named("digest").trace_id);
    for log in capture.logs() {
        assert_eq!(log.attribute("user.id"), Some("ada"), "{}", log.message);
    }
    let labels = [("job.name", "digest"), ("job.outcome", "success")];
    let seconds = capture.histogram("throughline.job.duration", &labels);
    assert_eq!(seconds.unwrap().len(), 1);
}

#[cfg(feature = "sqlx")]
#[tokio::test]
async fn a_capture_has_the_queries_of_its_own_test() {
    let options = sqlx::sqlite::SqliteConnectOptions::new().in_memory(true);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(options).await.unwrap();
    let db = throughline::database::instrument(pool);
    let labels = [
        ("db.system.name", "sqlite"),
        ("db.namespace", ":memory:"),
        ("db.query.summary", "SELECT"),
    ];
    // The statement is known the second time, and its handle must not be the first capture's.
    for _ in 0..2 {
        let capture = Capture::start();
        sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
        let durations = capture.histogram("db.client.operation.duration", &labels);
        assert_eq!(durations.unwrap().len(), 1);
    }
    let capture = Capture::start();
    sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
    // SQLite's thread holds the span for a moment longer, but no longer than the pool is open.
    db.close().await;
    assert_eq!(capture.spans()[0].name, "SELECT");
    assert_eq!(
        capture.spans()[0].attribute("db.query.text"),
        Some("SELECT ?")
    );
}
