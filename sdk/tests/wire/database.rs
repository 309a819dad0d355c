//! Queries of a real SQLite, in memory and in a file, held against the conventions for
//! databases.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use crate::support::semconv::{
    Instrument, Kind, Need, REQUEST_SECONDS, Row, Shape, conditional, hold, optional, required,
};
use crate::support::{received_by, text};
use futures::StreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Database, Executor, Row as _, SqlStr, Sqlite};
use throughline::conventions::{ATTRIBUTES, METRICS, Place};
use throughline::database::{self, Pool};
use throughline_receiver::proto::common::v1::KeyValue;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::proto::trace::v1::span::SpanKind;
use throughline_receiver::proto::trace::v1::status::StatusCode;
use throughline_receiver::{Attributes, Received, Receiver};
use tracing::{Instrument as _, info_span};

const SYSTEM: Kind = Kind::OneOf(&["sqlite", "postgresql", "mysql", "mariadb", "other_sql"]);

/// <https://opentelemetry.io/docs/specs/semconv/db/sql/>, with what the general page adds:
/// <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.
pub(crate) const SPAN: &[Row] = &[
    required("db.system.name", SYSTEM),
    conditional("db.namespace", Kind::Text),
    conditional("db.response.status_code", Kind::Text),
    conditional("error.type", Kind::Text),
    conditional("server.port", Kind::Int),
    optional("db.collection.name", Kind::Text),
    optional("db.operation.batch.size", Kind::Int),
    optional("db.operation.name", Kind::Text),
    optional("db.query.summary", Kind::Text),
    optional("db.query.text", Kind::Text),
    optional("db.stored_procedure.name", Kind::Text),
    optional("server.address", Kind::Text),
    optional("network.peer.address", Kind::Text),
    optional("network.peer.port", Kind::Int),
    optional("db.query.parameter.*", Kind::Text),
    optional("db.response.returned_rows", Kind::Int),
];

/// <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#metric-dbclientoperationduration>.
/// The facade's labels are text, so the port is one.
pub(crate) const DURATION: Instrument = Instrument {
    name: "db.client.operation.duration",
    unit: "s",
    shape: Shape::Histogram(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]),
    table: &[
        required("db.system.name", SYSTEM),
        conditional("db.collection.name", Kind::Text),
        conditional("db.namespace", Kind::Text),
        conditional("db.operation.name", Kind::Text),
        conditional("db.response.status_code", Kind::Text),
        conditional("error.type", Kind::Text),
        conditional("server.port", Kind::Int),
        optional("db.query.summary", Kind::Text),
        optional("db.stored_procedure.name", Kind::Text),
        optional("network.peer.address", Kind::Text),
        optional("network.peer.port", Kind::Text),
        optional("server.address", Kind::Text),
        optional("db.query.text", Kind::Text),
    ],
};

const POOL: &[Row] = &[required("db.client.connection.pool.name", Kind::Text)];

const fn of_pool(name: &'static str, unit: &'static str, shape: Shape) -> Instrument {
    Instrument {
        name,
        unit,
        shape,
        table: POOL,
    }
}

/// <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#connection-pools>. It advises
/// no bounds for the times.
pub(crate) const CONNECTIONS: &[Instrument] = &[
    Instrument {
        table: &[
            required("db.client.connection.pool.name", Kind::Text),
            required("db.client.connection.state", Kind::OneOf(&["idle", "used"])),
        ],
        ..of_pool(
            "db.client.connection.count",
            "{connection}",
            Shape::UpDownCounter,
        )
    },
    of_pool(
        "db.client.connection.idle.min",
        "{connection}",
        Shape::UpDownCounter,
    ),
    of_pool(
        "db.client.connection.max",
        "{connection}",
        Shape::UpDownCounter,
    ),
    of_pool(
        "db.client.connection.pending_requests",
        "{request}",
        Shape::UpDownCounter,
    ),
    of_pool("db.client.connection.timeouts", "{timeout}", Shape::Counter),
    of_pool(
        "db.client.connection.wait_time",
        "s",
        Shape::Histogram(REQUEST_SECONDS),
    ),
    of_pool(
        "db.client.connection.use_time",
        "s",
        Shape::Histogram(REQUEST_SECONDS),
    ),
];

/// What is on every span of a request.
pub(crate) const OURS: &[&str] = &["request.id"];

/// Takes the time of more than a millisecond.
const SLOW: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300000) SELECT max(x) FROM c WHERE 'hunter2' <> ''";

/// The pool that the work gives is there until the end, when the metrics are read, and closed,
/// since SQLite's threads hold a query's span for a moment longer than the query takes.
pub(crate) fn run<DB: Database>(work: impl Future<Output = Pool<DB>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let telemetry = runtime.block_on(async { throughline::init("shop").unwrap() });
    let db = runtime.block_on(async {
        let db = work.await;
        db.close().await;
        db
    });
    telemetry.shutdown();
    drop(db);
}

/// One connection, as each would have a database in memory of its own.
async fn in_memory() -> Pool<Sqlite> {
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50));
    database::instrument(pool.connect_with(options).await.unwrap())
}

async fn with_users() -> Pool<Sqlite> {
    let db = in_memory().await;
    let create = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)";
    sqlx::query(create).execute(&db).await.unwrap();
    let insert = "INSERT INTO users VALUES (1, 'lovelace'), (2, 'grace'), (3, 'hunter2')";
    sqlx::raw_sql(insert).execute(&db).await.unwrap();
    db
}

pub(crate) fn get(attributes: &[KeyValue], key: &str) -> Option<String> {
    attributes.attribute(key).map(|value| text(Some(value)))
}

fn named<'a>(spans: &'a [Received<Span>], name: &str) -> &'a Received<Span> {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
    assert!(found.next().is_none(), "{name} is there twice");
    span
}

pub(crate) fn failed(span: &Span) -> bool {
    let status = span.status.as_ref();
    status.is_some_and(|status| status.code() == StatusCode::Error)
}

/// The one record of that name.
pub(crate) fn find<'a>(logs: &'a [Received<LogRecord>], event: &str) -> &'a Received<LogRecord> {
    let mut found = logs.iter().filter(|log| log.event_name == event);
    let log = found
        .next()
        .unwrap_or_else(|| panic!("no {event}: {logs:#?}"));
    assert!(found.next().is_none(), "{event} is there twice");
    log
}

#[test]
fn each_way_to_ask_is_one_span_by_the_conventions() {
    let test = "each_way_to_ask_is_one_span_by_the_conventions";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        run(async {
            let db = with_users().await;
            let request = async {
                let all = sqlx::query("SELECT * FROM users").fetch_all(&db);
                assert_eq!(all.await.unwrap().len(), 3);
                let one = sqlx::query("SELECT id FROM users WHERE name = ? AND 1 = 1")
                    .bind("grace")
                    .fetch_one(&db);
                assert_eq!(one.await.unwrap().get::<i64, _>(0), 2);
                let none = sqlx::query("SELECT name FROM users WHERE id = 7 /* unheard */");
                assert!(none.fetch_optional(&db).await.unwrap().is_none());
                let statement = (&db)
                    .prepare(SqlStr::from_static("DELETE FROM users WHERE id = ?"))
                    .await
                    .unwrap();
                let mut connection = db.acquire().await.unwrap();
                let query = sqlx::Statement::query(&statement).bind(3);
                query.execute(&mut connection).await.unwrap();
                let many = "UPDATE users SET name = 'x'; SELECT 1";
                sqlx::raw_sql(many).execute(&mut connection).await.unwrap();
            };
            request
                .instrument(info_span!("request", request.id = "r-1"))
                .await;
            db
        });
    });
    let spans = receiver.spans();
    let request = named(&spans, "request");
    let of_request: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id() == Some(request.span_id()))
        .collect();
    let told = |span: &Received<Span>| {
        let get = |key| get(&span.attributes, key).unwrap_or_default();
        let rows = get("db.response.returned_rows");
        (span.name.clone(), get("db.query.text"), rows)
    };
    let found: Vec<_> = of_request.iter().map(|span| told(span)).collect();
    let expected = [
        ("SELECT users", "SELECT * FROM users", "3"),
        // Its value is bound, so that the rest is as it was written.
        (
            "SELECT users",
            "SELECT id FROM users WHERE name = ? AND 1 = 1",
            "1",
        ),
        ("SELECT users", "SELECT name FROM users WHERE id = ?", "0"),
        // Prepared, and then run.
        ("DELETE users", "DELETE FROM users WHERE id = ?", ""),
        ("DELETE users", "DELETE FROM users WHERE id = ?", "0"),
        (
            "UPDATE users SELECT",
            "UPDATE users SET name = ?; SELECT ?",
            "1",
        ),
    ]
    .map(|(name, text, rows)| (name.to_owned(), text.to_owned(), rows.to_owned()));
    assert_eq!(found, expected);
    for span in &of_request {
        assert_eq!(span.kind(), SpanKind::Client, "{}", span.name);
        assert!(!failed(span), "{}", span.name);
        hold(SPAN, &span.attributes, &["db.namespace"], OURS);
        assert_eq!(
            get(&span.attributes, "db.namespace").as_deref(),
            Some(":memory:")
        );
        assert_eq!(
            get(&span.attributes, "db.query.summary"),
            Some(span.name.clone())
        );
        assert_eq!(get(&span.attributes, "request.id").as_deref(), Some("r-1"));
    }
    let sent = format!("{:?}", receiver.contents());
    for value in ["lovelace", "hunter2", "unheard"] {
        assert!(!sent.contains(value), "{value} was sent");
    }
}

#[test]
fn a_transaction_has_a_span_for_its_beginning_and_one_for_its_end() {
    let test = "a_transaction_has_a_span_for_its_beginning_and_one_for_its_end";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        run(async {
            let db = with_users().await;
            async {
                let mut outer = db.begin().await.unwrap();
                let insert = "INSERT INTO users VALUES (4, 'x')";
                sqlx::query(insert).execute(&mut outer).await.unwrap();
                let mut inner = outer.begin().await.unwrap();
                let delete = "DELETE FROM users";
                sqlx::query(delete).execute(&mut inner).await.unwrap();
                inner.rollback().await.unwrap();
                let kept = outer.begin().await.unwrap();
                kept.commit().await.unwrap();
                outer.commit().await.unwrap();
                let back = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
                back.rollback().await.unwrap();
                let mut connection = db.acquire().await.unwrap();
                drop(connection.begin().await.unwrap());
            }
            .instrument(info_span!("request"))
            .await;
            let left = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&db);
            assert_eq!(Result::<i64, _>::unwrap(left.await), 4);
            db
        });
    });
    let spans = receiver.spans();
    let request = named(&spans, "request");
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id() == Some(request.span_id()))
        .map(|span| {
            (
                span.name.as_str(),
                get(&span.attributes, "db.operation.name"),
            )
        })
        .collect();
    let call = |name: &'static str| (name, Some(name.to_owned()));
    let expected = [
        call("BEGIN"),
        ("INSERT users", None),
        call("SAVEPOINT"),
        ("DELETE users", None),
        call("ROLLBACK TO SAVEPOINT"),
        call("SAVEPOINT"),
        call("RELEASE SAVEPOINT"),
        call("COMMIT"),
        // With a statement of the service's own.
        ("BEGIN", None),
        call("ROLLBACK"),
        call("BEGIN"),
    ];
    assert_eq!(found, expected);
    for span in &spans[1..] {
        if span.name != "request" {
            hold(SPAN, &span.attributes, &["db.namespace"], OURS);
        }
    }
}

#[test]
fn a_failed_query_fails_its_span_with_the_code_and_makes_no_record() {
    let test = "a_failed_query_fails_its_span_with_the_code_and_makes_no_record";
    let (receiver, _) = received_by(
        test,
        "http/protobuf",
        &[("RUST_LOG", "trace,sqlx=off")],
        || {
            run(async {
                let db = with_users().await;
                let twice = sqlx::query("INSERT INTO users VALUES (1, 'hunter2')").execute(&db);
                twice.await.unwrap_err();
                let unknown =
                    sqlx::query("SELECT * FROM nobody WHERE x = 'hunter2'").fetch_all(&db);
                unknown.await.unwrap_err();
                let missing = sqlx::query("SELECT name FROM users WHERE id = 9").fetch_one(&db);
                assert!(matches!(missing.await, Err(sqlx::Error::RowNotFound)));
                let held = db.acquire().await.unwrap();
                // There is one connection.
                let busy = sqlx::query("SELECT 5").fetch_all(&db).await;
                assert!(matches!(busy, Err(sqlx::Error::PoolTimedOut)));
                let given_up = sqlx::query("SELECT 6 FROM gone").fetch_all(&db);
                tokio::time::timeout(Duration::from_millis(1), given_up)
                    .await
                    .unwrap_err();
                let one_given_up = sqlx::query("SELECT 7 FROM gone_too").fetch_optional(&db);
                tokio::time::timeout(Duration::from_millis(1), one_given_up)
                    .await
                    .unwrap_err();
                drop(held);
                db
            });
        },
    );
    let spans = receiver.spans();
    let told = |name, due: &[&str]| {
        let mut found = spans
            .iter()
            .filter(|span| span.name == name && failed(span));
        let span = found
            .next()
            .unwrap_or_else(|| panic!("{name} has not failed"));
        assert!(found.next().is_none(), "{name} failed twice");
        hold(SPAN, &span.attributes, due, OURS);
        assert_eq!(span.status.as_ref().unwrap().message, "");
        get(&span.attributes, "error.type").unwrap()
    };
    let coded = ["db.namespace", "error.type", "db.response.status_code"];
    assert_eq!(told("INSERT users", &coded), "1555");
    assert_eq!(told("SELECT nobody", &coded), "1");
    let uncoded = ["db.namespace", "error.type"];
    assert_eq!(told("SELECT", &uncoded), "sqlx::Error::PoolTimedOut");
    assert_eq!(told("SELECT gone", &uncoded), "cancelled");
    assert_eq!(told("SELECT gone_too", &uncoded), "cancelled");
    let missing = named(&spans, "SELECT users");
    assert!(!failed(missing));
    assert_eq!(
        get(&missing.attributes, "db.response.returned_rows").as_deref(),
        Some("0")
    );
    let logs = receiver.logs();
    assert!(logs.is_empty(), "{logs:#?}");
    assert!(!format!("{spans:?}").contains("hunter2"));
}

#[test]
fn a_stream_ends_its_span_with_its_last_row_or_when_it_is_dropped() {
    let test = "a_stream_ends_its_span_with_its_last_row_or_when_it_is_dropped";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        run(async {
            let db = with_users().await;
            async {
                let mut whole = sqlx::query("SELECT id FROM users").fetch(&db);
                while let Some(row) = whole.next().await {
                    row.unwrap();
                    tracing::info_span!("row").in_scope(|| ());
                }
                assert!(whole.next().await.is_none());
                // The span has ended, though the stream is still there.
                sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
                drop(whole);
                let mut part = sqlx::query("SELECT a.name FROM users a, users b").fetch(&db);
                part.next().await.unwrap().unwrap();
                drop(part);
                let mut connection = db.acquire().await.unwrap();
                let mut part = sqlx::query("SELECT 1 FROM users").fetch(&mut connection);
                part.next().await.unwrap().unwrap();
                part.next().await.unwrap().unwrap();
            }
            .instrument(info_span!("request"))
            .await;
            db
        });
    });
    let spans = receiver.spans();
    let request = named(&spans, "request");
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id() == Some(request.span_id()))
        .filter(|span| span.name != "row")
        .map(|span| {
            let rows = get(&span.attributes, "db.response.returned_rows").unwrap();
            (span.name.as_str(), rows, failed(span))
        })
        .collect();
    let expected = [
        ("SELECT users", "3"),
        ("SELECT", "1"),
        ("SELECT users users", "1"),
        ("SELECT users", "2"),
    ]
    .map(|(name, rows)| (name, rows.to_owned(), false));
    assert_eq!(found, expected);
    // What the reader does between two rows is not inside of the query.
    let rows = spans.iter().filter(|span| span.name == "row");
    let parents: Vec<_> = rows.map(Received::parent_span_id).collect();
    assert_eq!(parents, [Some(request.span_id()); 3]);
}

#[test]
fn a_database_in_a_file_is_told_by_its_path_and_a_connection_needs_no_pool() {
    let test = "a_database_in_a_file_is_told_by_its_path_and_a_connection_needs_no_pool";
    let file = std::env::temp_dir().join(format!("throughline-{}.db", std::process::id()));
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        run(async {
            let options = SqliteConnectOptions::new()
                .filename(&file)
                .create_if_missing(true)
                .disable_statement_logging();
            let connection = options.connect().await.unwrap();
            let mut db = database::instrument_connection::<Sqlite>(connection, &options);
            let create = "CREATE TABLE orders (id INTEGER)";
            sqlx::query(create).execute(&mut db).await.unwrap();
            db.close().await.unwrap();
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            let shared = database::instrument(pool).named("orders");
            let found = sqlx::query("SELECT * FROM orders").fetch_all(&shared).await;
            assert!(found.unwrap().is_empty());
            std::fs::remove_file(&file).unwrap();
            shared
        });
    });
    let spans = receiver.spans();
    for name in ["CREATE TABLE orders", "SELECT orders"] {
        let namespace = get(&named(&spans, name).attributes, "db.namespace").unwrap();
        assert!(
            namespace.ends_with(".db") && namespace.contains("throughline-"),
            "{namespace}"
        );
    }
    let metrics = receiver.contents();
    let most = metrics.metric("db.client.connection.max").unwrap();
    let Some(Data::Sum(sum)) = &most.data else {
        panic!("{most:?}");
    };
    let names: Vec<_> = sum
        .data_points
        .iter()
        .map(|point| get(&point.attributes, "db.client.connection.pool.name").unwrap())
        .collect();
    assert_eq!(names, ["orders"]);
}

/// A little of everything, for what is held against the tables.
fn all_of_it() {
    run(async {
        let db = with_users().await;
        async {
            for _ in 0..3 {
                sqlx::query("SELECT * FROM users")
                    .fetch_all(&db)
                    .await
                    .unwrap();
            }
            sqlx::query(SLOW).fetch_all(&db).await.unwrap();
            sqlx::query("SELECT * FROM nobody")
                .fetch_all(&db)
                .await
                .unwrap_err();
            db.begin().await.unwrap().commit().await.unwrap();
            let held = db.acquire().await.unwrap();
            sqlx::query("SELECT 1").fetch_all(&db).await.unwrap_err();
            drop(held);
            database::conclude();
        }
        .instrument(info_span!("request", request.id = "r-1"))
        .await;
        db
    });
}

const LIMITS: [(&str, &str); 2] = [
    ("THROUGHLINE_SLOW_QUERY_MS", "1"),
    ("THROUGHLINE_QUERY_COUNT_WARN", "2"),
];

#[test]
fn the_metrics_are_those_of_the_conventions() {
    let test = "the_metrics_are_those_of_the_conventions";
    let (receiver, _) = received_by(test, "http/protobuf", &LIMITS, all_of_it);
    let contents = receiver.contents();
    let duration = contents.metric(DURATION.name).unwrap();
    DURATION.hold(duration, &["db.namespace"]);
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}");
    };
    let mut found: Vec<_> = histogram
        .data_points
        .iter()
        .map(|point| {
            let get = |key| get(&point.attributes, key).unwrap_or_default();
            let labels = [
                get("db.query.summary"),
                get("db.operation.name"),
                get("error.type"),
            ];
            (labels.join("|"), point.count)
        })
        .collect();
    found.sort();
    let expected = [
        ("BEGIN|BEGIN|", 1),
        ("COMMIT|COMMIT|", 1),
        ("CREATE TABLE users||", 1),
        ("INSERT users||", 1),
        ("SELECT nobody||1", 1),
        ("SELECT users||", 3),
        ("SELECT||sqlx::Error::PoolTimedOut", 1),
    ];
    let plain: Vec<_> = found
        .iter()
        .filter(|(labels, _)| !labels.starts_with("SELECT SELECT"))
        .map(|(labels, count)| (labels.as_str(), *count))
        .collect();
    assert_eq!(plain, expected);
    for instrument in CONNECTIONS {
        let metric = contents.metric(instrument.name);
        let metric = metric.unwrap_or_else(|| panic!("no {}", instrument.name));
        instrument.hold(metric, &[]);
    }
    let points = |name: &str| match contents.metric(name).unwrap().data.clone().unwrap() {
        Data::Histogram(histogram) => histogram.data_points[0].count,
        other => panic!("{other:?}"),
    };
    // Each query, the transaction and the connection that was held; one of them in vain.
    assert_eq!(points("db.client.connection.wait_time"), 9);
    assert_eq!(points("db.client.connection.use_time"), 9);
}

#[test]
fn slow_queries_and_too_many_are_records_without_values() {
    let test = "slow_queries_and_too_many_are_records_without_values";
    let (receiver, outcome) = received_by(test, "http/protobuf", &LIMITS, all_of_it);
    let (logs, spans) = (receiver.logs(), receiver.spans());
    let request = named(&spans, "request");
    let storm = find(&logs, "query.storm");
    assert_eq!(storm.severity_text, "WARN");
    assert_eq!(storm.span_id(), Some(request.span_id()));
    let of = |key| get(&storm.attributes, key).unwrap();
    assert_eq!(of("log.category"), "performance");
    assert_eq!(of("request.id"), "r-1");
    assert_eq!(of("db.query.count"), "6");
    let (total, slowest): (f64, f64) = (
        of("db.query.time").parse().unwrap(),
        of("db.client.operation.duration").parse().unwrap(),
    );
    assert!(slowest > 0.001 && total >= slowest, "{total} {slowest}");

    let slow = logs.iter().filter(|log| log.event_name == "query.slow");
    let slow: Vec<_> = slow
        .filter(|log| {
            get(&log.attributes, "db.query.text").is_some_and(|text| text.contains("max(x)"))
        })
        .collect();
    let [slow] = slow[..] else {
        panic!("{logs:#?}");
    };
    let of = |key| get(&slow.attributes, key).unwrap();
    let span = spans
        .iter()
        .find(|span| Some(span.span_id()) == slow.span_id());
    assert_eq!(span.unwrap().parent_span_id(), Some(request.span_id()));
    assert_eq!(of("log.category"), "performance");
    assert_eq!(of("db.system.name"), "sqlite");
    assert_eq!(of("db.query.summary"), "SELECT SELECT c SELECT c");
    assert!(
        of("db.query.text").ends_with("SELECT max(x) FROM c WHERE ? <> ?"),
        "{slow:?}"
    );
    assert!(!format!("{logs:?}").contains("hunter2"));
    assert!(!outcome.stdout.contains("hunter2"));
}

#[test]
fn what_is_below_the_limits_is_not_recorded() {
    let test = "what_is_below_the_limits_is_not_recorded";
    let limits = [
        ("THROUGHLINE_SLOW_QUERY_MS", "0"),
        ("THROUGHLINE_QUERY_COUNT_WARN", "6"),
        ("THROUGHLINE_QUERY_TIME_WARN_MS", "0"),
    ];
    let (receiver, _) = received_by(test, "http/protobuf", &limits, all_of_it);
    let logs = receiver.logs();
    assert!(logs.is_empty(), "{logs:#?}");
}

#[test]
fn queries_are_counted_with_the_request_in_whatever_task_and_also_unsampled() {
    let test = "queries_are_counted_with_the_request_in_whatever_task_and_also_unsampled";
    let variables = [("OTEL_TRACES_SAMPLER", "always_off")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || {
        run(async {
            let db = with_users().await;
            assert_eq!(database::queries().count, 0);
            async {
                sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
                let task = {
                    let db = db.clone();
                    async move { sqlx::query("SELECT * FROM users").fetch_all(&db).await }
                };
                let span = info_span!("task", user.id = "ada");
                tokio::spawn(task.instrument(span)).await.unwrap().unwrap();
                async {
                    database::begin();
                    sqlx::query("SELECT 3").fetch_all(&db).await.unwrap();
                    assert_eq!(database::conclude().count, 1);
                }
                .instrument(info_span!("job", request.id = "j-1"))
                .await;
                let queries = database::conclude();
                assert_eq!(queries.count, 2);
                let slowest = queries.slowest.unwrap();
                assert!(slowest.duration <= queries.total);
                assert!(slowest.summary.starts_with("SELECT"), "{slowest:?}");
                assert_eq!(database::queries().count, 0);
            }
            .instrument(info_span!("request"))
            .await;
            db
        });
    });
    assert!(receiver.spans().is_empty());
    assert!(receiver.contents().metric(DURATION.name).is_some());
}

#[test]
fn statements_without_end_are_not_series_without_end() {
    let test = "statements_without_end_are_not_series_without_end";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        run(async {
            let db = with_users().await;
            for number in 0..3_000 {
                let sql = format!("SELECT {number} FROM t{number}");
                let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&db).await;
            }
            db
        });
    });
    let contents = receiver.contents();
    let Some(Data::Histogram(histogram)) = &contents.metric(DURATION.name).unwrap().data else {
        panic!("no histogram");
    };
    let series = histogram.data_points.len();
    assert!(series < 300, "{series} series");
    assert!(
        outcome.diagnostics().is_empty(),
        "{:?}",
        outcome.diagnostics()
    );
}

#[test]
fn the_example_sends_what_it_says() {
    let receiver = Receiver::start().unwrap();
    // Built with the tests, beside them.
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().unwrap().parent().unwrap().join("examples");
    let example = folder.join(format!("database{}", std::env::consts::EXE_SUFFIX));
    assert!(example.is_file(), "{example:?} was not built");
    let mut command = std::process::Command::new(example);
    for (variable, _) in std::env::vars() {
        if ["OTEL_", "THROUGHLINE_", "RUST_LOG", "SENTRY_"]
            .iter()
            .any(|prefix| variable.starts_with(prefix))
        {
            command.env_remove(variable);
        }
    }
    let output = command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
        .env("THROUGHLINE_SLOW_QUERY_MS", "20")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let spans = receiver.spans();
    assert!(!spans.is_empty(), "nothing was sent: {output:?}");
    let request = named(&spans, "GET /orders");
    let within = |name: &str| {
        let of = spans.iter().filter(|span| span.name == name);
        of.filter(|span| span.parent_span_id() == Some(request.span_id()))
            .count()
    };
    let names = ["BEGIN", "INSERT orders", "COMMIT", "SELECT orders"];
    assert_eq!(names.map(within), [1, 1, 1, 60]);
    let logs = receiver.logs();
    let storm = find(&logs, "query.storm");
    assert_eq!(
        get(&storm.attributes, "db.query.count").as_deref(),
        Some("63")
    );
    let slow = logs.iter().filter(|log| log.event_name == "query.slow");
    let told: Vec<_> = slow
        .filter_map(|log| get(&log.attributes, "db.query.summary"))
        .collect();
    assert!(
        told.contains(&"SELECT SELECT counter SELECT counter".to_owned()),
        "{told:?}"
    );
    assert!(!format!("{spans:?}{logs:?}").contains("a secret"));
}

/// What is told of databases is in the tables, and of the tables all is told.
#[test]
fn the_names_are_those_of_the_tables() {
    let test = "the_names_are_those_of_the_tables";
    let (receiver, _) = received_by(test, "http/protobuf", &LIMITS, all_of_it);
    let database = |name: &str| name.starts_with("db.") || name == "error.type";
    let listed = |place| {
        let rows = ATTRIBUTES
            .iter()
            .filter(move |row| row.places.contains(&place));
        let names = rows.map(|row| row.name.to_owned());
        names.filter(|name| database(name)).collect::<BTreeSet<_>>()
    };
    let keys = |attributes: &[KeyValue]| {
        let names = attributes.iter().map(|attribute| attribute.key.clone());
        names.filter(|name| database(name)).collect::<BTreeSet<_>>()
    };
    let spans = receiver.spans();
    let on_spans: BTreeSet<_> = spans
        .iter()
        .flat_map(|span| keys(&span.attributes))
        .collect();
    assert_eq!(on_spans, listed(Place::Span));
    let logs = receiver.logs();
    let on_records: BTreeSet<_> = logs.iter().flat_map(|log| keys(&log.attributes)).collect();
    let told: BTreeSet<_> = listed(Place::Record);
    assert!(on_records.is_subset(&told), "{on_records:?} {told:?}");
    let metrics: BTreeSet<_> = receiver
        .metrics()
        .iter()
        .map(|metric| metric.name.clone())
        .filter(|name| database(name))
        .collect();
    let table = METRICS.iter().map(|metric| metric.name.to_owned());
    assert_eq!(metrics, table.filter(|name| database(name)).collect());
    let held: BTreeSet<&str> = CONNECTIONS
        .iter()
        .map(|it| it.name)
        .chain([DURATION.name])
        .collect();
    assert_eq!(metrics, held.into_iter().map(str::to_owned).collect());
    assert!(SPAN.iter().any(|row| row.need == Need::Required));
}
