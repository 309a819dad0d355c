//! Who and what was seen: all of it, whatever the range, and within a bound in a flood.

use rusqlite::Connection;

use super::*;
use crate::store::subjects::{self, HOUR, Named, Subjects};

const FAILED: &str = "auth.login.failed";

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("telemetry.db")).unwrap()
}

fn filter(kind: SubjectKind) -> SubjectFilter<'static> {
    SubjectFilter {
        kind,
        since: 0,
        service: None,
        event: None,
        part: "",
        order: Order::MostFrequent,
    }
}

fn request(user: &str, address: &str, code: i64, hours_ago: u64) -> Span {
    let mut span = span(1, 1, 0, "GET /");
    span.start_time_unix_nano -= hours_ago * HOUR.unsigned_abs();
    span.end_time_unix_nano = span.start_time_unix_nano + MILLISECOND;
    span.attributes = vec![
        attribute("user.id", user),
        attribute("client.address", address),
        KeyValue {
            key: "http.response.status_code".into(),
            value: Some(AnyValue {
                value: Some(Value::IntValue(code)),
            }),
            ..KeyValue::default()
        },
    ];
    span
}

fn login(user: &str, address: &str) -> LogRecord {
    let mut record = record(
        13,
        "no",
        vec![
            attribute("log.category", "security"),
            attribute("user.name", user),
            attribute("client.address", address),
        ],
    );
    record.event_name = FAILED.into();
    record
}

/// Name, requests, failed ones, records, and how many others.
fn rows(reader: &Reader, filter: &SubjectFilter<'_>) -> Vec<(String, u64, u64, u64, usize)> {
    let found = reader.subjects(filter, 100).unwrap();
    assert_eq!(found.all, found.items.len() as u64);
    let rows = found.items.into_iter();
    rows.map(|row| {
        let others = row.others.count();
        (row.value, row.requests, row.failed, row.records, others)
    })
    .collect()
}

fn row(
    name: &str,
    requests: u64,
    failed: u64,
    records: u64,
    others: usize,
) -> (String, u64, u64, u64, usize) {
    (name.to_owned(), requests, failed, records, others)
}

async fn send(store: &Store, times: usize) {
    for _ in 0..times {
        let mut inner = request("nobody", "nowhere", 200, 0);
        inner.kind = 3;
        inner.parent_span_id = vec![1; 8];
        let spans = vec![
            request("ada", "10.0.0.1", 200, 0),
            request("ada", "10.0.0.2", 503, 30),
            request("bob", "10.0.0.1", 200, 50),
            inner,
        ];
        store.spans(&traces("shop", spans)).await.unwrap();
        let mut audited = record(
            9,
            "done",
            vec![
                attribute("log.category", "audit"),
                attribute("user.id", "ada"),
                attribute("audit.action", "refund"),
                attribute("audit.outcome", "success"),
            ],
        );
        audited.event_name = "audit.recorded".into();
        let records = vec![login("eve", "10.0.0.9"), login("ada", "10.0.0.9"), audited];
        store.records(&logs("desk", records)).await.unwrap();
    }
}

fn sent(reader: &Reader, times: u64) {
    assert_eq!(
        rows(reader, &filter(SubjectKind::User)),
        [
            row("ada", 2 * times, times, times, 2),
            row("bob", times, 0, 0, 1)
        ]
    );
    let logins = SubjectFilter {
        event: Some(FAILED),
        ..filter(SubjectKind::LoginAddress)
    };
    assert_eq!(rows(reader, &logins), [row("10.0.0.9", 0, 0, 2 * times, 2)]);
    let mut names = rows(reader, &filter(SubjectKind::Login));
    names.sort();
    assert_eq!(
        names,
        [row("ada", 0, 0, times, 1), row("eve", 0, 0, times, 1)]
    );
    for (kind, name) in [
        (SubjectKind::Actor, "ada"),
        (SubjectKind::Action, "refund"),
        (SubjectKind::Outcome, "success"),
    ] {
        assert_eq!(rows(reader, &filter(kind)), [row(name, 0, 0, times, 0)]);
    }
    assert_eq!(rows(reader, &filter(SubjectKind::ResourceType)), []);
}

#[tokio::test]
async fn users_addresses_and_actors_are_counted_by_name_service_and_range() {
    let fixture = Fixture::new();
    send(&fixture.store, 3).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let reader = Reader::open(&folder.path().join("telemetry.db")).unwrap();
    sent(&reader, 3);
    let users = filter(SubjectKind::User);
    let found = reader.subjects(&filter(SubjectKind::Address), 100).unwrap();
    let security: Vec<_> = found
        .items
        .iter()
        .map(|one| (one.value.as_str(), one.requests, one.security))
        .collect();
    assert!(security.contains(&("10.0.0.9", 0, 6)), "{security:?}");
    assert!(security.contains(&("10.0.0.1", 6, 0)), "{security:?}");
    let desk = SubjectFilter {
        service: Some("desk"),
        ..users.clone()
    };
    assert_eq!(rows(&reader, &desk), [row("ada", 0, 0, 3, 0)]);
    let part = SubjectFilter {
        part: "BO",
        ..users.clone()
    };
    assert_eq!(rows(&reader, &part), [row("bob", 3, 0, 0, 1)]);
    // Whoever was there before the range is not in it, nor are full hours from before it.
    for (hours, expected) in [
        (60, vec![row("ada", 6, 3, 3, 2), row("bob", 3, 0, 0, 1)]),
        (40, vec![row("ada", 6, 3, 3, 2)]),
        (20, vec![row("ada", 3, 0, 3, 1)]),
    ] {
        let since = SubjectFilter {
            since: now() - hours * HOUR,
            ..users.clone()
        };
        assert_eq!(rows(&reader, &since), expected, "{hours} hours");
    }
    // Of the hour in which the range begins, only who was seen in the range.
    let since = SubjectFilter {
        since: now(),
        ..users.clone()
    };
    assert_eq!(rows(&reader, &since), []);
    let one = reader.subjects(&users, 1).unwrap();
    assert_eq!((one.items.len(), one.all, one.left_out), (1, 2, 0));
}

#[tokio::test]
async fn subjects_are_counted_once_after_a_kill_and_after_a_roll_back() {
    let fixture = Fixture::new();
    send(&fixture.store, 2).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    // What a killed process has written of its counts is what was written the last time.
    let tables = ["subject", "red", "volume", "fact"];
    for table in tables {
        let sql = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        database(folder.path()).execute_batch(&sql).unwrap();
    }
    let bounds = Bounds {
        bytes: 1 << 30,
        age: Duration::from_secs(7 * 86_400),
    };
    let store = open(folder.path(), bounds);
    send(&store, 3).await;
    drop(store);
    for table in tables {
        let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        database(folder.path()).execute_batch(&sql).unwrap();
    }
    let store = open(folder.path(), bounds);
    let readers = Readers::new(store.path());
    let other = database(folder.path());
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON subject WHEN NEW.value = 'refund'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    send(&store, 1).await;
    let uncounted = async || readers.ask(Reader::lag).await.unwrap().uncounted;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(uncounted().await > 0);
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    while uncounted().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(store);
    sent(
        &Reader::open(&folder.path().join("telemetry.db")).unwrap(),
        6,
    );
}

#[test]
fn of_a_flood_the_newest_and_the_most_frequent_stay_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.db");
    let connection = schema::open_writer(&path).unwrap();
    let mut all = Subjects::default();
    let start = (now() / HOUR / 24 * 24 * HOUR).unsigned_abs();
    let seen = |all: &mut Subjects, number: u64, address: &str| {
        let mut named = None;
        subjects::note(
            &mut named,
            &crate::wire::AttributeView {
                key: "client.address",
                value: crate::wire::ValueView::Text(address),
            },
        );
        let named: Box<Named> = named.unwrap();
        all.span(start + number * 1_000, 1, false, &named);
    };
    let counted = || -> i64 {
        let sql = "SELECT coalesce(sum(count), 0) FROM subject";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for number in 0..50 {
        seen(&mut all, number, "often");
    }
    seen(&mut all, 50, "once");
    // More than memory has, then more than the database keeps.
    for (from, to) in [(100, 22_100), (22_100, 36_100)] {
        for number in from..to {
            seen(&mut all, number, &format!("address {number}"));
        }
        // So many wait, but not for ever.
        let before = counted();
        all.write(&connection).unwrap();
        assert_eq!(counted() == before, from > 100);
        all.hurry();
        all.write(&connection).unwrap();
    }
    let reader = Reader::open(&path).unwrap();
    let addresses = filter(SubjectKind::Address);
    let found = reader.subjects(&addresses, 3).unwrap();
    assert_eq!(
        (found.items[0].value.as_str(), found.items[0].requests),
        ("often", 50)
    );
    assert_eq!(found.items[1].value, "address 36099");
    assert!((10_000..=20_000).contains(&found.all), "{}", found.all);
    assert_eq!(found.all + found.left_out, 36_000 + 2);
    let once = SubjectFilter {
        part: "once",
        ..addresses
    };
    assert_eq!(rows(&reader, &once), []);
}

#[tokio::test]
async fn subjects_of_hours_and_days_that_are_too_old_go() {
    let fixture = Fixture::new();
    send(&fixture.store, 1).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let connection = database(folder.path());
    let hours = |width: i64| -> Vec<i64> {
        connection
            .prepare("SELECT DISTINCT hour FROM subject WHERE width = ?1 ORDER BY 1")
            .unwrap()
            .query_map([width], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    assert_eq!(hours(1).len(), 3);
    let before = now() - 20 * HOUR;
    subjects::sweep(&connection, before).unwrap();
    assert!(hours(1).iter().all(|hour| *hour >= before / HOUR));
    assert_eq!(hours(1).len(), 1);
    assert!(hours(24).iter().all(|day| *day >= before / HOUR / 24));
    assert!(hours(24).len() < 3);
}
