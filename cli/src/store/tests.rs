//! The store as its users see it: what was sent is found again.

mod rollup;
mod subjects;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, metric::Data,
        number_data_point,
    },
    trace::v1::{Span, Status as SpanStatus},
};

use super::{reader::Stored, *};
use crate::wire::fixture::{attribute, logs, metrics, text, traces};

const MILLISECOND: u64 = 1_000_000;

/// A store in a folder of its own.
struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    readers: Readers,
}

impl Fixture {
    fn new() -> Self {
        Self::within(Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        })
    }

    fn within(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), bounds);
        let readers = Readers::new(store.path());
        Self {
            folder,
            store,
            readers,
        }
    }

    async fn spans(&self, spans: Vec<Span>) -> Taken {
        self.store.spans(&traces("shop", spans)).await.unwrap()
    }

    async fn records(&self, records: Vec<LogRecord>) -> Taken {
        self.store.records(&logs("shop", records)).await.unwrap()
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.readers.ask(question).await.unwrap()
    }
}

fn open(folder: &Path, bounds: Bounds) -> Store {
    Store::open(&folder.join("telemetry.db"), bounds, Outbox::default()).unwrap()
}

/// A span that ended just now.
fn span(trace: u8, id: u8, parent: u8, name: &str) -> Span {
    let end = now().unsigned_abs();
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { vec![] } else { vec![parent; 8] },
        name: name.into(),
        kind: if parent == 0 { 2 } else { 1 },
        start_time_unix_nano: end - 40 * MILLISECOND,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

fn record(severity: i32, message: &str, attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        time_unix_nano: now().unsigned_abs(),
        severity_number: severity,
        body: Some(text(message)),
        attributes,
        ..LogRecord::default()
    }
}

fn messages(page: &Page<(RecordRow, Stored<LogRecord>)>) -> Vec<String> {
    let message = |record: &Stored<LogRecord>| match &record.body {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => text.clone(),
        other => format!("{other:?}"),
    };
    page.items
        .iter()
        .map(|(_, record)| message(record))
        .collect()
}

fn searching(line: &str) -> RecordFilter {
    RecordFilter {
        query: parse_query(line),
        ..RecordFilter::default()
    }
}

#[tokio::test]
async fn a_trace_comes_back_as_it_was_sent_with_its_records() {
    let fixture = Fixture::new();
    let mut child = span(1, 2, 1, "SELECT orders");
    child.attributes = vec![attribute("db.system.name", "sqlite")];
    let sent = vec![span(1, 1, 0, "GET /orders"), child];
    fixture.spans(sent.clone()).await;
    let mut line = record(9, "order read", vec![]);
    line.trace_id = vec![1; 16];
    fixture.records(vec![line.clone()]).await;

    let trace = fixture
        .ask(|reader| reader.trace(u128::from_be_bytes([1; 16])))
        .await;
    let mut spans: Vec<Span> = trace.spans.iter().map(|span| span.item.clone()).collect();
    spans.sort_by_key(|span| span.span_id.clone());
    assert_eq!(spans, sent);
    assert_eq!(&*trace.spans[0].service, "shop");
    assert_eq!(trace.records.len(), 1);
    assert_eq!(trace.records[0].item, line);
    assert_eq!(trace.left_out, 0);
}

#[tokio::test]
async fn traces_are_found_by_what_their_spans_are() {
    let fixture = Fixture::new();
    let mut failed = span(1, 1, 0, "GET /a");
    failed.status = Some(SpanStatus {
        code: 2,
        ..SpanStatus::default()
    });
    failed.attributes = vec![attribute("user.id", "ada"), attribute("http.route", "/a")];
    let mut slow = span(2, 1, 0, "GET /b");
    slow.start_time_unix_nano -= 3000 * MILLISECOND;
    slow.attributes = vec![attribute("user.id", "bob"), attribute("note", "Über cheap")];
    fixture
        .spans(vec![failed, slow, span(3, 1, 0, "GET /c")])
        .await;

    let cases = [
        (SpanFilter::default(), vec![3, 2, 1]),
        (
            SpanFilter {
                status: Some(Status::Error),
                ..SpanFilter::default()
            },
            vec![1],
        ),
        (
            SpanFilter {
                min: Some(Duration::from_secs(1)),
                ..SpanFilter::default()
            },
            vec![2],
        ),
        (
            SpanFilter {
                max: Some(Duration::from_secs(1)),
                ..SpanFilter::default()
            },
            vec![3, 1],
        ),
        (
            SpanFilter {
                route: Some("/a".into()),
                ..SpanFilter::default()
            },
            vec![1],
        ),
        (
            SpanFilter {
                route: Some("GET /b".into()),
                service: Some("shop".into()),
                ..SpanFilter::default()
            },
            vec![2],
        ),
        (
            SpanFilter {
                service: Some("other".into()),
                ..SpanFilter::default()
            },
            vec![],
        ),
        (
            SpanFilter {
                query: parse_query("user.id=ada"),
                ..SpanFilter::default()
            },
            vec![1],
        ),
        (
            SpanFilter {
                query: parse_query("user.id=*"),
                ..SpanFilter::default()
            },
            vec![2, 1],
        ),
        (
            SpanFilter {
                query: parse_query("user.id=bob über"),
                ..SpanFilter::default()
            },
            vec![2],
        ),
        (
            SpanFilter {
                query: parse_query("user.id=ad"),
                ..SpanFilter::default()
            },
            vec![],
        ),
        (
            SpanFilter {
                since: Some(now() + 1_000_000_000),
                ..SpanFilter::default()
            },
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        let described = format!("{filter:?}");
        let found = fixture
            .ask(move |reader| reader.traces(&filter, None, 10))
            .await;
        let found: Vec<u8> = found
            .items
            .iter()
            .map(|trace| trace.trace.to_be_bytes()[0])
            .collect();
        assert_eq!(found, expected, "{described}");
    }
}

#[tokio::test]
async fn a_summary_tells_the_whole_trace_although_one_span_was_found() {
    let fixture = Fixture::new();
    let mut inner = span(1, 2, 1, "charge");
    inner.end_time_unix_nano += 10 * MILLISECOND;
    inner.status = Some(SpanStatus {
        code: 2,
        ..SpanStatus::default()
    });
    let outer = span(1, 1, 0, "POST /checkout");
    let start = outer.start_time_unix_nano.min(inner.start_time_unix_nano);
    let end = inner.end_time_unix_nano;
    fixture.spans(vec![outer]).await;
    fixture
        .store
        .spans(&traces("payments", vec![inner]))
        .await
        .unwrap();
    let found = fixture
        .ask(|reader| {
            let filter = SpanFilter {
                status: Some(Status::Error),
                ..SpanFilter::default()
            };
            reader.traces(&filter, None, 10)
        })
        .await;
    let [trace] = &found.items[..] else {
        panic!("{found:?}");
    };
    // Its failed span is neither of that name nor the only one.
    for (status, expected) in [(Status::Error, 1), (Status::Ok, 0)] {
        let filter = SpanFilter {
            status: Some(status),
            route: Some("POST /checkout".into()),
            ..SpanFilter::default()
        };
        let by_name = fixture
            .ask(move |reader| reader.traces(&filter, None, 10))
            .await;
        assert_eq!(by_name.items.len(), expected, "{status:?}");
    }
    assert_eq!(&*trace.root.name, "POST /checkout");
    assert_eq!((trace.spans, trace.errors), (2, 1));
    assert_eq!((trace.start, trace.duration), (start, end - start));
    assert_eq!(trace.services.len(), 2);
}

#[tokio::test]
async fn failed_traces_of_a_route_come_page_after_page_each_once() {
    let fixture = Fixture::new();
    for trace in 0..60 {
        let route = if trace % 2 == 0 {
            "GET /even"
        } else {
            "GET /odd"
        };
        let mut inner = span(trace + 1, 2, 1, "charge");
        inner.status = Some(SpanStatus {
            // A third of all fail.
            code: if trace % 3 == 0 { 2 } else { 0 },
            ..SpanStatus::default()
        });
        fixture
            .spans(vec![inner, span(trace + 1, 1, 0, route)])
            .await;
    }
    let filter = SpanFilter {
        service: Some("shop".into()),
        route: Some("GET /even".into()),
        status: Some(Status::Error),
        since: Some(now() - 60_000_000_000),
        ..SpanFilter::default()
    };
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let filter = filter.clone();
        let page = fixture
            .ask(move |reader| reader.traces(&filter, before, 4))
            .await;
        assert!(page.items.len() <= 4 && !page.unfinished);
        found.extend(page.items.iter().map(|one| one.trace.to_be_bytes()[0] - 1));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<u8> = (0..60).rev().filter(|trace| trace % 6 == 0).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn records_are_found_by_words_terms_level_and_stream() {
    let fixture = Fixture::new();
    fixture
        .records(vec![
            record(9, "order placed", vec![attribute("order.id", "7")]),
            record(
                13,
                "login failed",
                vec![
                    attribute("log.category", "security"),
                    attribute("user.id", "ada"),
                ],
            ),
            record(
                17,
                "payment failed: card refused",
                vec![attribute("order.id", "8")],
            ),
        ])
        .await;
    let cases = [
        (
            RecordFilter::default(),
            vec![
                "payment failed: card refused",
                "login failed",
                "order placed",
            ],
        ),
        (
            searching("failed"),
            vec!["payment failed: card refused", "login failed"],
        ),
        (
            searching("\"card refused\""),
            vec!["payment failed: card refused"],
        ),
        (searching("\"refused card\""), vec![]),
        (searching("pay*"), vec!["payment failed: card refused"]),
        (
            searching("order.id=8"),
            vec!["payment failed: card refused"],
        ),
        (
            searching("failed order.id=8"),
            vec!["payment failed: card refused"],
        ),
        (searching("placed order.id=8"), vec![]),
        (searching("ada"), vec!["login failed"]),
        (
            RecordFilter {
                stream: Some("security".into()),
                ..RecordFilter::default()
            },
            vec!["login failed"],
        ),
        (
            RecordFilter {
                stream: Some("app".into()),
                ..RecordFilter::default()
            },
            vec!["payment failed: card refused", "order placed"],
        ),
        (
            RecordFilter {
                stream: Some("error".into()),
                ..searching("failed")
            },
            vec!["payment failed: card refused"],
        ),
        (
            RecordFilter {
                severity: Some(13),
                ..RecordFilter::default()
            },
            vec!["payment failed: card refused", "login failed"],
        ),
    ];
    for (filter, expected) in cases {
        let described = format!("{filter:?}");
        let found = fixture
            .ask(move |reader| reader.records(&filter, None, 10))
            .await;
        assert_eq!(messages(&found), expected, "{described}");
    }
}

#[tokio::test]
async fn parts_follow_each_other_without_a_gap_or_a_repetition() {
    let fixture = Fixture::new();
    let all: Vec<String> = (0..25).map(|number| format!("line {number}")).collect();
    for part in all.chunks(4) {
        let records = part
            .iter()
            .map(|line| record(9, line, vec![attribute("of", "many")]))
            .collect();
        fixture.records(records).await;
    }
    for line in ["", "line", "of=many"] {
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = fixture
                .ask(move |reader| reader.records(&searching(line), before, 7))
                .await;
            seen.extend(messages(&page));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<String> = all.iter().rev().cloned().collect();
        assert_eq!(seen, expected, "{line:?}");
    }
}

#[tokio::test]
async fn a_chunk_of_many_attributes_is_searched_though_they_are_not_all_indexed() {
    let fixture = Fixture::new();
    let many = (0..1000)
        .map(|number| attribute(&format!("key{number}"), "value"))
        .collect();
    fixture.records(vec![record(9, "wide", many)]).await;
    let found = fixture
        .ask(|reader| reader.records(&searching("key999=value"), None, 10))
        .await;
    assert_eq!(messages(&found), ["wide"]);
}

#[tokio::test]
async fn one_of_a_list_is_found_and_so_is_what_is_too_long_for_the_index() {
    let fixture = Fixture::new();
    let list = KeyValue {
        key: "tags".into(),
        value: Some(AnyValue {
            value: Some(Value::ArrayValue(ArrayValue {
                values: vec![text("new"), text("red")],
            })),
        }),
        ..KeyValue::default()
    };
    let long = "x".repeat(300);
    fixture
        .records(vec![record(
            9,
            "sold",
            vec![list, attribute("long", &long)],
        )])
        .await;
    for line in ["tags=red".to_owned(), format!("long={long}")] {
        let found = fixture
            .ask(move |reader| reader.records(&searching(&line), None, 10))
            .await;
        assert_eq!(messages(&found), ["sold"]);
    }
}

#[tokio::test]
async fn spans_without_ids_are_refused_and_counted_and_the_rest_is_kept() {
    let fixture = Fixture::new();
    let mut nameless = span(1, 1, 0, "lost");
    nameless.trace_id = vec![0; 16];
    let taken = fixture.spans(vec![nameless, span(2, 1, 0, "kept")]).await;
    assert_eq!((taken.items, taken.refused), (1, 1));
    assert!(taken.reason.contains("without a trace id"), "{taken:?}");
    let malformed = fixture.store.spans(&Bytes::from_static(b"\x0a\xff")).await;
    assert!(matches!(
        malformed.as_ref().map_err(|error| &**error),
        Err(StoreError::Malformed(_))
    ));
}

#[tokio::test]
async fn endpoints_and_streams_are_counted_and_counted_on_after_a_restart() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        let mut failed = span(1, 1, 0, "GET /a");
        failed.status = Some(SpanStatus {
            code: 2,
            ..SpanStatus::default()
        });
        fixture
            .spans(vec![
                failed,
                span(1, 2, 1, "inner"),
                span(2, 1, 0, "GET /a"),
            ])
            .await;
        fixture.records(vec![record(17, "x", vec![])]).await;
    }
    let Fixture { folder, store, .. } = fixture;
    // As if the process had been killed before it wrote its counts.
    drop(store);
    rusqlite::Connection::open(folder.path().join("telemetry.db"))
        .unwrap()
        .execute_batch("DELETE FROM red; DELETE FROM volume; DELETE FROM fact")
        .unwrap();
    let store = open(
        folder.path(),
        Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        },
    );
    store
        .spans(&traces("shop", vec![span(3, 1, 0, "GET /a")]))
        .await
        .unwrap();
    // Its end writes what was counted.
    drop(store);
    let reader = Reader::open(&folder.path().join("telemetry.db")).unwrap();
    let endpoints = reader.endpoints(0, SLICE_SECONDS, None).unwrap();
    let [endpoint] = &endpoints[..] else {
        panic!("{endpoints:?}");
    };
    assert_eq!((&*endpoint.service, &*endpoint.name), ("shop", "GET /a"));
    assert_eq!((endpoint.count, endpoint.errors), (7, 3));
    assert_eq!(endpoint.durations.count(), 7);
    let median = endpoint.durations.quantile(0.5).unwrap();
    assert!((38..=42).contains(&(median / MILLISECOND)), "{median}");
    let volume: u64 = reader
        .volumes_in(0, 10, None, None)
        .unwrap()
        .iter()
        .map(|volume| volume.count)
        .sum();
    assert_eq!(volume, 3);
}

#[tokio::test]
async fn metrics_come_back_by_series_and_a_repeated_export_changes_nothing() {
    let fixture = Fixture::new();
    let at = now().unsigned_abs();
    let number = |route: &str, value| NumberDataPoint {
        attributes: vec![attribute("http.route", route)],
        time_unix_nano: at,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let gauge = Metric {
        name: "queue.length".into(),
        unit: "{item}".into(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![number("/a", 3), number("/b", 4)],
        })),
        ..Metric::default()
    };
    let point = HistogramDataPoint {
        time_unix_nano: at,
        count: 2,
        sum: Some(0.5),
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![0.1],
        ..HistogramDataPoint::default()
    };
    let histogram = Metric {
        name: "request.duration".into(),
        unit: "s".into(),
        data: Some(Data::Histogram(Histogram {
            data_points: vec![point.clone()],
            aggregation_temporality: 2,
        })),
        ..Metric::default()
    };
    let body = metrics("shop", vec![gauge, histogram]);
    for _ in 0..2 {
        let taken = fixture.store.points(&body).await.unwrap();
        assert_eq!((taken.items, taken.refused), (3, 0));
    }
    let (names, values, histograms) = fixture
        .ask(|reader| {
            let names: Vec<_> = reader
                .metric_names(None)?
                .into_iter()
                .map(|name| (name.name.to_string(), name.unit, name.series))
                .collect();
            let mut values = Vec::new();
            let mut histograms = Vec::new();
            for series in reader.series(&SeriesFilter::default())? {
                for (_, point) in reader.points(&series, 0)? {
                    match point {
                        Point::Number(value) => values.push((series.attributes.clone(), value)),
                        Point::Histogram(point) => histograms.push(point),
                        other => panic!("{other:?}"),
                    }
                }
            }
            Ok((names, values, histograms))
        })
        .await;
    assert_eq!(
        names,
        [
            ("queue.length".to_owned(), "{item}".to_owned(), 2),
            ("request.duration".to_owned(), "s".to_owned(), 1)
        ]
    );
    assert_eq!(
        values,
        [
            (vec![attribute("http.route", "/a")], 3.0),
            (vec![attribute("http.route", "/b")], 4.0)
        ]
    );
    assert_eq!(histograms, [point]);
}

#[tokio::test]
async fn the_oldest_goes_when_there_is_too_much_and_the_newest_stays() {
    let bytes = 4_000_000;
    let fixture = Fixture::within(Bounds {
        bytes,
        age: Duration::from_secs(3600),
    });
    // What cannot be compressed: ids of which none is like another.
    let mut changes = fixture.store.changes();
    let mut sent = 0_u32;
    while changes.borrow_and_update().deleted == 0 {
        let spans = (0..500)
            .map(|_| {
                sent += 1;
                let mut span = span(1, 1, 0, "GET /");
                span.trace_id = intern::digest(&[&sent.to_le_bytes()]).to_vec();
                let noise: String = (0_u8..16)
                    .flat_map(|round| intern::digest(&[&sent.to_le_bytes(), &[round]]))
                    .map(char::from)
                    .collect();
                span.attributes = vec![attribute("noise", &noise)];
                span
            })
            .collect();
        fixture.spans(spans).await;
        assert!(sent < 200_000, "nothing was deleted");
    }
    let sizes = fixture.ask(Reader::sizes).await;
    assert!(sizes.spans < u64::from(sent), "{sizes:?} of {sent}");
    let newest = intern::digest(&[&sent.to_le_bytes()]);
    let last = fixture
        .ask(move |reader| reader.trace(u128::from_be_bytes(newest)))
        .await;
    assert_eq!(last.spans.len(), 1);
}

/// A query of one number.
fn number(fixture: &Fixture, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(fixture.store.path()).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until upkeep has made a number of the database what it should be.
async fn until(fixture: &Fixture, sql: &str, is: impl Fn(i64) -> bool) {
    let patience = std::time::Instant::now();
    while !is(number(fixture, sql)) {
        assert!(
            patience.elapsed().as_secs() < 20,
            "{sql}: still not {}",
            number(fixture, sql)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn id_of(number: u32) -> u128 {
    u128::from_be_bytes(intern::digest(&[&number.to_le_bytes()]))
}

#[tokio::test]
async fn a_trace_is_found_in_whichever_pieces_of_the_index_its_spans_lie() {
    // Traces of five spans, each of which comes with another fifth of all spans.
    const TRACES: u32 = 10_000;
    let fixture = Fixture::new();
    for id in 1..=5 {
        for batch in 0..5 {
            let traces = TRACES / 5 * batch..TRACES / 5 * (batch + 1);
            let spans = traces
                .map(|trace| {
                    let mut span = span(1, id, 0, "GET /");
                    span.trace_id = id_of(trace).to_be_bytes().to_vec();
                    span
                })
                .collect();
            fixture.spans(spans).await;
        }
    }
    until(&fixture, "SELECT max(level) FROM run", |level| level > 0).await;
    let levels = number(&fixture, "SELECT count(DISTINCT level) FROM run");
    assert_eq!(levels, 2, "some runs are long and some are short");
    let whole = |reader: &Reader| {
        (0..TRACES)
            .step_by(97)
            .map(|trace| {
                let rows = reader.trace_rows(id_of(trace), 10)?;
                assert!(rows.iter().all(|row| row.trace == id_of(trace)));
                Ok(rows.len())
            })
            .collect::<Result<Vec<_>, StoreError>>()
    };
    let found = fixture.ask(whole).await;
    assert!(found.iter().all(|spans| *spans == 5), "{found:?}");
    assert!(
        fixture
            .ask(|reader| reader.trace_rows(id_of(TRACES), 10))
            .await
            .is_empty()
    );

    // What was in no run is known again after a restart.
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let store = open(
        folder.path(),
        Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        },
    );
    let spans = (0..9000)
        .map(|id: u64| {
            let mut span = span(1, 1, 0, "GET /");
            span.trace_id = id_of(7).to_be_bytes().to_vec();
            span.span_id = (id + 1_000_000).to_be_bytes().to_vec();
            span
        })
        .collect();
    store.spans(&traces("shop", spans)).await.unwrap();
    let readers = Readers::new(store.path());
    let (found, long) = readers
        .ask(move |reader| Ok((whole(reader)?, reader.trace_rows(id_of(7), 10_000)?)))
        .await
        .unwrap();
    assert!(found.iter().all(|spans| *spans == 5), "{found:?}");
    assert_eq!(long.len(), 9005);
}

#[tokio::test]
async fn many_small_requests_become_few_chunks_and_each_item_is_still_found() {
    const REQUESTS: u32 = 1_300;
    let fixture = Fixture::new();
    let attributes = |number: u32| vec![attribute("order.id", &format!("o-{number}"))];
    for number in 0..REQUESTS {
        let mut span = span(1, 1, 0, "GET /");
        span.trace_id = id_of(number).to_be_bytes().to_vec();
        span.attributes = attributes(number);
        let record = record(9, &format!("order {number}"), attributes(number));
        tokio::join!(fixture.spans(vec![span]), fixture.records(vec![record]));
    }
    // More than 1,024 of each are not put together before they are neighbours of a full chunk.
    for signal in [1, 2] {
        let chunks = format!("SELECT count(*) FROM chunk WHERE signal = {signal}");
        until(&fixture, &chunks, |count| count < 300).await;
    }
    for wanted in [0, 7, 1_023, 1_024, REQUESTS - 1] {
        let (trace, spans, records) = fixture
            .ask(move |reader| {
                let query = parse_query(&format!("order.id=o-{wanted}"));
                let of_span = SpanFilter {
                    query: query.clone(),
                    ..SpanFilter::default()
                };
                let of_record = RecordFilter {
                    query,
                    ..RecordFilter::default()
                };
                Ok((
                    reader.trace(id_of(wanted))?,
                    reader.spans(&of_span, None, 10)?,
                    reader.records(&of_record, None, 10)?,
                ))
            })
            .await;
        let [span] = &trace.spans[..] else {
            panic!("{wanted}: {trace:?}");
        };
        assert_eq!(span.item.attributes, attributes(wanted));
        assert_eq!(spans.items.len(), 1, "{wanted}");
        assert_eq!(messages(&records), [format!("order {wanted}")]);
    }
    // Page after page each comes once.
    let all = fixture
        .ask(|reader| {
            let mut all = Vec::new();
            let mut before = None;
            loop {
                let page = reader.records(&RecordFilter::default(), before, 100)?;
                all.extend(messages(&page));
                before = page.next;
                if before.is_none() {
                    return Ok(all);
                }
            }
        })
        .await;
    let expected: Vec<_> = (0..REQUESTS)
        .rev()
        .map(|number| format!("order {number}"))
        .collect();
    assert_eq!(all, expected);
}
