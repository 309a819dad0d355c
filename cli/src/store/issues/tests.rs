//! Failures as they arrive: of three sides, in any order, twice, and too many.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event as SpanEvent},
};
use prost::Message;
use serde_json::json;

use super::SentryEnvelope;
use crate::{
    issue::Source,
    sentry::{Event, Limits},
    store::{
        Bounds, Issue, IssueFilter, IssueState, Outbox, Reader, Readers, Store, StoreError, now,
        parse_query,
    },
};

const TRACE: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
const SECOND: u64 = 1_000_000_000;

struct Fixture {
    _folder: tempfile::TempDir,
    store: Store,
    readers: Readers,
    /// When it all began, in nanoseconds since 1970.
    start: u64,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bounds = Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        };
        let path = folder.path().join("telemetry.db");
        let store = Store::open(&path, bounds, Outbox::default()).unwrap();
        Self {
            readers: Readers::new(&path),
            store,
            _folder: folder,
            start: now().unsigned_abs() - 60 * SECOND,
        }
    }

    fn at(&self, second: u64) -> u64 {
        self.start + second * SECOND
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.readers.ask(question).await.unwrap()
    }

    async fn issues(&self) -> Vec<Issue> {
        let page = self.ask(|reader| reader.issues(&IssueFilter::default(), 0, 50));
        page.await.items
    }

    async fn the_issue(&self) -> Issue {
        let mut issues = self.issues().await;
        assert_eq!(issues.len(), 1, "{issues:#?}");
        issues.remove(0)
    }

    async fn records(&self, records: Vec<LogRecord>) {
        self.store.records(&logs("1.0.0", records)).await.unwrap();
    }

    async fn event(&self, event: serde_json::Value) {
        let event = Event::from_json(event.to_string().as_bytes(), &Limits::default()).unwrap();
        let envelope = SentryEnvelope {
            events: vec![event],
            raw: bytes::Bytes::new(),
            received: self.at(0),
        };
        self.store.envelope(envelope).await.unwrap();
    }

    /// The failure as the record of a service.
    fn record(&self, trace: u128, second: u64) -> LogRecord {
        LogRecord {
            time_unix_nano: self.at(second),
            severity_number: 17,
            body: Some(text("payment failed")),
            attributes: vec![
                attribute("exception.type", "CardDeclined"),
                attribute("exception.message", "card 4242 declined"),
            ],
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            ..LogRecord::default()
        }
    }

    /// The same as the span in which it happened.
    fn span(&self, trace: u128, second: u64) -> Span {
        Span {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            name: "POST /pay".into(),
            kind: 2,
            start_time_unix_nano: self.at(second) - SECOND / 2,
            end_time_unix_nano: self.at(second) + SECOND / 2,
            attributes: vec![attribute("http.route", "/pay")],
            status: Some(Status {
                code: 2,
                message: String::new(),
            }),
            events: vec![SpanEvent {
                name: "exception".into(),
                time_unix_nano: self.at(second),
                attributes: vec![
                    attribute("exception.type", "CardDeclined"),
                    attribute("exception.message", "card 4242 declined"),
                ],
                ..SpanEvent::default()
            }],
            ..Span::default()
        }
    }

    /// And as Sentry's event.
    fn sentry(&self, id: u8, trace: u128, second: u64) -> serde_json::Value {
        json!({
            "event_id": format!("{id:032x}"),
            "timestamp": (self.at(second) / 1_000_000) as f64 / 1e3,
            "release": "shop@1.0.0",
            "user": { "id": "ada" },
            "contexts": { "trace": {
                "trace_id": format!("{trace:032x}"), "span_id": format!("{:016x}", 7),
            } },
            "exception": { "values": [{
                "type": "CardDeclined", "value": "card 4242 declined",
                "stacktrace": { "frames": [
                    { "function": "pay", "module": "shop", "in_app": true, "lineno": 7,
                      "context_line": "    charge(card)" },
                ] },
            }] },
        })
    }
}

fn logs(version: &str, log_records: Vec<LogRecord>) -> bytes::Bytes {
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(version),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "shop::pay".into(),
                    ..InstrumentationScope::default()
                }),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    request.encode_to_vec().into()
}

fn traces(spans: Vec<Span>) -> bytes::Bytes {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource("1.0.0"),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec().into()
}

fn resource(version: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            attribute("service.name", "shop"),
            attribute("service.version", version),
        ],
        ..Resource::default()
    })
}

fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.into())),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(text(value)),
        ..KeyValue::default()
    }
}

#[tokio::test]
async fn a_failure_told_by_three_is_one_in_whatever_order_they_come() {
    for order in ["rse", "res", "sre", "ser", "ers", "esr"] {
        let fixture = Fixture::new();
        // Each exporter sends again, too, as if it had heard no answer.
        for side in order.chars().chain(order.chars()) {
            match side {
                'r' => fixture.records(vec![fixture.record(TRACE, 5)]).await,
                's' => {
                    let body = traces(vec![fixture.span(TRACE, 5)]);
                    fixture.store.spans(&body).await.unwrap();
                }
                _ => fixture.event(fixture.sentry(1, TRACE, 5)).await,
            }
        }
        let issue = fixture.the_issue().await;
        assert_eq!(issue.count, 1, "{order}");
        assert_eq!((issue.title.as_str(), issue.users), ("CardDeclined", 1));
        assert_eq!(issue.first_release.as_deref(), Some("shop@1.0.0"));
        let id = issue.id;
        let (row, body, volume, of_trace) = fixture
            .ask(move |reader| {
                let row = reader.occurrences(id, 10)?.remove(0);
                let body = reader.occurrence_body(&row)?;
                let volume = reader.issue_volume(id, 0)?;
                Ok((row, body, volume, reader.issues_of_trace(TRACE)?))
            })
            .await;
        assert_eq!(row.source, Source::Sentry, "{order}");
        assert_eq!(row.sources.0, 7, "{order}");
        assert_eq!(row.trace, Some(TRACE));
        let event = body.event.expect(order);
        assert_eq!(
            event.frames()[0].context_line.as_deref(),
            Some("    charge(card)")
        );
        assert!(body.record.is_some() && body.span.is_some(), "{order}");
        assert_eq!(volume.iter().map(|(_, count)| count).sum::<u64>(), 1);
        assert_eq!(of_trace.len(), 1);
        assert_eq!(of_trace[0].span, Some(7));
        // The issue of the record's own grouping is gone with its only occurrence.
        let issues: i64 = fixture
            .ask(|reader| {
                let sql = "SELECT count(*) FROM issue";
                Ok(reader.connection().query_row(sql, [], |row| row.get(0))?)
            })
            .await;
        assert_eq!(issues, 1);
    }
}

#[tokio::test]
async fn three_in_one_transaction_are_one_as_well() {
    let fixture = Fixture::new();
    let (logs, spans) = (
        logs("1.0.0", vec![fixture.record(TRACE, 5)]),
        traces(vec![fixture.span(TRACE, 5)]),
    );
    let (records, spans, ()) = tokio::join!(
        fixture.store.records(&logs),
        fixture.store.spans(&spans),
        fixture.event(fixture.sentry(1, TRACE, 5)),
    );
    records.unwrap();
    spans.unwrap();
    assert_eq!(fixture.the_issue().await.count, 1);
}

#[tokio::test]
async fn an_occurrence_that_moves_leaves_its_old_issue_as_it_was() {
    let fixture = Fixture::new();
    let records = vec![fixture.record(1, 1), fixture.record(TRACE, 5)];
    fixture.records(records).await;
    let before = fixture.the_issue().await;
    assert_eq!((before.count, before.last_seen), (2, fixture.at(5)));
    fixture.event(fixture.sentry(1, TRACE, 5)).await;
    let issues = fixture.issues().await;
    assert_eq!(issues.len(), 2, "{issues:#?}");
    let old = issues.iter().find(|issue| issue.id == before.id).unwrap();
    assert_eq!(old.count, 1);
    assert_eq!(
        (old.first_seen, old.last_seen),
        (fixture.at(1), fixture.at(1))
    );
    let id = old.id;
    let volume = fixture.ask(move |reader| reader.issue_volume(id, 0)).await;
    assert_eq!(volume.iter().map(|(_, count)| count).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_resolved_issue_regresses_and_can_be_opened_again() {
    let fixture = Fixture::new();
    fixture.records(vec![fixture.record(1, 5)]).await;
    let issue = fixture.the_issue().await;
    assert_eq!(issue.state, IssueState::Open);
    fixture.store.resolve(issue.id, true).await.unwrap();
    let resolved = fixture.the_issue().await;
    assert_eq!(resolved.state, IssueState::Resolved);
    assert_eq!(resolved.resolved_in.as_deref(), Some("shop@1.0.0"));

    // One from before that comes late changes nothing.
    fixture.records(vec![fixture.record(2, 6)]).await;
    let late = fixture.the_issue().await;
    assert_eq!((late.state, late.count), (IssueState::Resolved, 2));

    let body = logs("0.9.0", vec![fixture.record(3, 120)]);
    fixture.store.records(&body).await.unwrap();
    assert_eq!(fixture.the_issue().await.state, IssueState::Resolved);

    let body = logs("1.1.0", vec![fixture.record(4, 121)]);
    fixture.store.records(&body).await.unwrap();
    let regressed = fixture.the_issue().await;
    assert_eq!(regressed.state, IssueState::Regressed);
    assert_eq!(regressed.regressed_at, Some(fixture.at(121)));
    assert_eq!(regressed.regressed_in.as_deref(), Some("shop@1.1.0"));

    fixture.store.resolve(issue.id, false).await.unwrap();
    let open = fixture.the_issue().await;
    assert_eq!((open.state, open.regressed_at), (IssueState::Open, None));
}

#[tokio::test]
async fn an_issue_whose_regression_was_told_of_another_is_resolved_still() {
    let fixture = Fixture::new();
    fixture.records(vec![fixture.record(1, 5)]).await;
    let issue = fixture.the_issue().await;
    fixture.store.resolve(issue.id, true).await.unwrap();
    fixture.records(vec![fixture.record(TRACE, 120)]).await;
    assert_eq!(fixture.the_issue().await.state, IssueState::Regressed);
    // Sentry knows more of it: it belongs to another issue.
    fixture.event(fixture.sentry(1, TRACE, 120)).await;
    let issues = fixture.issues().await;
    let old = issues.iter().find(|one| one.id == issue.id).unwrap();
    assert_eq!(
        (old.state, old.regressed_at, old.count),
        (IssueState::Resolved, None, 1)
    );
}

#[tokio::test]
async fn issues_are_found_by_words_state_service_and_what_happened() {
    let fixture = Fixture::new();
    fixture.records(vec![fixture.record(1, 1)]).await;
    fixture.event(fixture.sentry(1, 2, 5)).await;
    for (line, expected) in [
        ("declined", 2),
        ("CARDDECLINED", 2),
        ("100%", 0),
        ("user=ada", 1),
        ("release=shop@1.0.0 declined", 2),
        ("release=shop@2.0.0", 0),
        ("level=error", 2),
        ("other=thing", 0),
    ] {
        let filter = IssueFilter {
            query: parse_query(line),
            ..IssueFilter::default()
        };
        let page = fixture.ask(move |reader| reader.issues(&filter, 0, 50));
        assert_eq!(page.await.items.len(), expected, "{line}");
    }
    for (filter, expected) in [
        (
            IssueFilter {
                service: Some("shop".into()),
                ..IssueFilter::default()
            },
            2,
        ),
        (
            IssueFilter {
                service: Some("bank".into()),
                ..IssueFilter::default()
            },
            0,
        ),
        (
            IssueFilter {
                states: vec![IssueState::Resolved],
                ..IssueFilter::default()
            },
            0,
        ),
        (
            IssueFilter {
                since: Some(i64::try_from(fixture.at(2)).unwrap()),
                ..IssueFilter::default()
            },
            1,
        ),
    ] {
        let page = fixture.ask(move |reader| reader.issues(&filter, 0, 50));
        assert_eq!(page.await.items.len(), expected);
    }
    let (first, second) = fixture
        .ask(|reader| {
            let first = reader.issues(&IssueFilter::default(), 0, 1)?;
            let next = first.next.unwrap();
            Ok((first, reader.issues(&IssueFilter::default(), next, 1)?))
        })
        .await;
    assert!(first.items[0].last_seen > second.items[0].last_seen);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn the_shares_tell_of_release_user_and_route() {
    let fixture = Fixture::new();
    let body = traces(vec![fixture.span(TRACE, 5)]);
    fixture.store.spans(&body).await.unwrap();
    fixture.event(fixture.sentry(1, TRACE, 5)).await;
    fixture.event(fixture.sentry(2, 9, 6)).await;
    let id = fixture.the_issue().await.id;
    let (shares, beside) = fixture
        .ask(move |reader| {
            let rows = reader.occurrences(id, 10)?;
            let beside = (
                reader.occurrences_beside(&rows[0])?,
                reader.occurrences_beside(&rows[1])?,
                (rows[0].id, rows[1].id),
            );
            Ok((reader.shares(id)?, beside))
        })
        .await;
    assert_eq!(shares.of, 2);
    assert_eq!(shares.releases, [("shop@1.0.0".to_owned(), 2)]);
    assert_eq!(shares.users, [("ada".to_owned(), 2)]);
    assert_eq!(shares.routes, [("/pay".to_owned(), 1)]);
    let (newest, oldest, (new, old)) = beside;
    assert_eq!(newest, (Some(old), None));
    assert_eq!(oldest, (None, Some(new)));
}

/// The bounds, with small numbers, on a connection of their own.
mod bounds {
    use rusqlite::Connection;

    use super::*;
    use crate::store::{intern::Interner, issues::Issues, schema};

    fn open(folder: &tempfile::TempDir) -> Connection {
        schema::open_writer(&folder.path().join("telemetry.db")).unwrap()
    }

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn event(message: &str, second: u64) -> Event {
        let event = json!({ "message": message, "timestamp": second });
        Event::from_json(event.to_string().as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn of_a_flood_the_newest_are_kept_and_all_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let (mut issues, mut interner) = (Issues::within(8, 100), Interner::default());
        for second in 1..=100 {
            let event = event("no room", second);
            issues.event(&connection, &mut interner, &event, 0).unwrap();
            if second % 3 == 0 {
                issues.write(&connection).unwrap();
            }
        }
        issues.write(&connection).unwrap();
        assert_eq!(number(&connection, "SELECT count FROM issue"), 100);
        let kept = number(&connection, "SELECT count(*) FROM occurrence");
        assert!((8..=10).contains(&kept), "{kept}");
        let oldest = number(&connection, "SELECT min(time) FROM occurrence");
        assert!(oldest >= 90 * 1_000_000_000, "{oldest}");
        assert_eq!(
            number(&connection, "SELECT sum(count) FROM issue_volume"),
            100
        );
    }

    #[test]
    fn of_issues_without_end_the_resolved_and_the_oldest_go_and_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let (mut issues, mut interner) = (Issues::within(8, 10), Interner::default());
        let word = |number: u64| {
            "abcdefghijklmnopqrstuvwxyz"[number as usize..=number as usize].to_owned()
        };
        for second in 0..10 {
            let event = event(&word(second), second + 1);
            issues.event(&connection, &mut interner, &event, 0).unwrap();
        }
        issues.write(&connection).unwrap();
        assert_eq!(number(&connection, "SELECT count(*) FROM issue"), 10);
        // The newest is resolved: it goes before all others.
        let newest = number(
            &connection,
            "SELECT id FROM issue ORDER BY last_seen DESC LIMIT 1",
        );
        issues.resolve(&connection, newest, true).unwrap();
        let event = event(&word(20), 100);
        issues.event(&connection, &mut interner, &event, 0).unwrap();
        issues.write(&connection).unwrap();
        assert_eq!(number(&connection, "SELECT count(*) FROM issue"), 9);
        let left = |id| {
            number(
                &connection,
                &format!("SELECT count(*) FROM issue WHERE id = {id}"),
            )
        };
        assert_eq!((left(newest), left(1), left(2)), (0, 0, 1));
        assert_eq!(number(&connection, "SELECT count(*) FROM occurrence"), 9);
        let dropped = "SELECT value FROM fact WHERE name = 'issues_dropped'";
        assert_eq!(number(&connection, dropped), 2);
        drop(connection);
        let reader = Reader::open(&folder.path().join("telemetry.db")).unwrap();
        assert_eq!(reader.issues_dropped().unwrap(), 2);
    }

    #[test]
    fn what_is_too_old_goes_with_its_issue() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let (mut issues, mut interner) = (Issues::within(8, 10), Interner::default());
        for (message, second) in [("old", 100), ("both", 100), ("both", 1000)] {
            let event = event(message, second);
            issues.event(&connection, &mut interner, &event, 0).unwrap();
        }
        issues.write(&connection).unwrap();
        super::super::sweep(&connection, 500 * 1_000_000_000, false).unwrap();
        assert_eq!(number(&connection, "SELECT count(*) FROM issue"), 1);
        assert_eq!(number(&connection, "SELECT count FROM issue"), 2);
        assert_eq!(number(&connection, "SELECT count(*) FROM occurrence"), 1);
    }

    #[test]
    fn what_was_rolled_back_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let (mut issues, mut interner) = (Issues::default(), Interner::default());
        let event = event("once", 1);
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        issues.event(&connection, &mut interner, &event, 0).unwrap();
        connection.execute_batch("ROLLBACK").unwrap();
        issues.roll_back();
        interner.clear();
        assert_eq!(issues.take_changed(), 0);
        issues.event(&connection, &mut interner, &event, 0).unwrap();
        issues.write(&connection).unwrap();
        assert_eq!(number(&connection, "SELECT count FROM issue"), 1);
    }

    /// Not a bound but a measure: `cargo test --release -- --nocapture how_quick`.
    #[test]
    fn how_quick_errors_of_one_kind_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let (mut issues, mut interner) = (Issues::default(), Interner::default());
        let fixture = |trace: u128| LogRecord {
            time_unix_nano: trace as u64,
            severity_number: 17,
            body: Some(text("payment failed")),
            attributes: vec![
                attribute("exception.type", "CardDeclined"),
                attribute("exception.message", &format!("card {trace} declined")),
            ],
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            ..LogRecord::default()
        };
        let resource = resource("1.0.0").unwrap().encode_to_vec();
        for (what, one_trace) in [("a trace each", false), ("one trace", true)] {
            let began = Instant::now();
            let count = 1_000_u64;
            for batch in 0..count / 100 {
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                for number in 0..100 {
                    let number = batch * 100 + number + 1;
                    let mut record = fixture(number.into());
                    if one_trace {
                        record.trace_id = TRACE.to_be_bytes().to_vec();
                    }
                    let sent = crate::store::issues::Sent {
                        item: &record.encode_to_vec(),
                        scope: &[],
                        resource: &resource,
                    };
                    issues
                        .record(&connection, &mut interner, number as i64, number, sent)
                        .unwrap();
                }
                issues.write(&connection).unwrap();
                connection.execute_batch("COMMIT").unwrap();
            }
            let each = began.elapsed() / count as u32;
            println!("{what}: {each:?}");
            assert_eq!(issues.take_changed(), count);
        }
    }
}
