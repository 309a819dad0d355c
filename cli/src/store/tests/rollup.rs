//! Counts of long ranges: what five minutes and hours say is what their slices say.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::*;
use crate::store::{red, retention::Retention, rollup};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Count, errors, the sum of the durations, and these by size.
type Counted = (i64, i64, i64, Durations);
/// Which part, and the columns that tell one row of it from another.
type Key = (i64, [i64; 4]);

fn week() -> Bounds {
    Bounds {
        bytes: 1 << 30,
        age: Duration::from_secs(7 * 86_400),
    }
}

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("telemetry.db")).unwrap()
}

/// Moments of the last three days, by no rule that hours have.
fn moments(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let end = now().unsigned_abs();
    (from..to).map(move |number| {
        let back = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (3 * 86_400_000);
        end - back * MILLISECOND
    })
}

async fn send(store: &Store, from: u64, to: u64) {
    let (mut spans, mut records) = (Vec::new(), Vec::new());
    for (number, at) in (from..to).zip(moments(from, to)) {
        let mut span = span(1, 1, 0, if number % 3 == 0 { "GET /a" } else { "GET /b" });
        span.end_time_unix_nano = at;
        span.start_time_unix_nano = at - number % 50 * MILLISECOND;
        span.status = Some(SpanStatus {
            code: if number % 7 == 0 { 2 } else { 0 },
            ..SpanStatus::default()
        });
        spans.push(span);
        let stream = ["security", "audit"][usize::from(number % 5 == 0)];
        let mut record = record(9, "x", vec![attribute("log.category", stream)]);
        record.time_unix_nano = at;
        records.push(record);
    }
    store.spans(&traces("shop", spans)).await.unwrap();
    store.records(&logs("shop", records)).await.unwrap();
}

/// All counts of one width, by parts of `part` slices.
fn counted(connection: &Connection, width: i64, part: i64) -> BTreeMap<Key, Counted> {
    let mut all: BTreeMap<Key, Counted> = BTreeMap::new();
    for sql in [
        "SELECT slice, service, name, kind, -1, count, errors, total, durations FROM red
         WHERE width = ?1",
        "SELECT slice, service, stream, event, level, count, 0, 0, x'' FROM volume
         WHERE width = ?1",
    ] {
        let mut select = connection.prepare(sql).unwrap();
        let mut rows = select.query([width]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let number = |column: usize| row.get::<_, i64>(column).unwrap();
            let key = [number(1), number(2), number(3), number(4)];
            let sum = all.entry((number(0) * width / part, key)).or_default();
            sum.0 += number(5);
            sum.1 += number(6);
            sum.2 += number(7);
            let durations: Vec<u8> = row.get(8).unwrap();
            sum.3.merge(&Durations::unpack(&durations));
        }
    }
    all
}

/// How many requests and records are counted, the same in each width.
fn agreed(connection: &Connection) -> (i64, i64) {
    for width in rollup::WIDTHS {
        let (long, short) = (
            counted(connection, width, width),
            counted(connection, 1, width),
        );
        assert_eq!(long, short, "in parts of {width} slices");
    }
    let sum = |table: &str| {
        let sql = format!("SELECT coalesce(sum(count), 0) FROM {table} WHERE width = 1");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    (sum("red"), sum("volume"))
}

#[tokio::test]
async fn a_long_range_is_told_as_its_slices_tell_it() {
    let fixture = Fixture::within(week());
    send(&fixture.store, 0, 2_000).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    assert_eq!(agreed(&database(folder.path())), (2_000, 2_000));
    let reader = Reader::open(&folder.path().join("telemetry.db")).unwrap();
    let now = now() / SECOND;
    for since in [0, now - 3 * DAY, now - DAY - 1, now - 21_605, now - 200] {
        let since_nanoseconds = since.max(0) * SECOND;
        for interval in [300, 900, 3_600, 21_600, 86_400] {
            let requests = |seconds| {
                let mut all: BTreeMap<(String, i64), (u64, u64, Durations)> = BTreeMap::new();
                let mut rows = 0;
                for endpoint in reader.endpoints(since_nanoseconds, seconds, None).unwrap() {
                    let sum: u64 = endpoint.slices.iter().map(|slice| slice.count).sum();
                    assert_eq!(sum, endpoint.count);
                    for slice in endpoint.slices {
                        rows += 1;
                        let key = (endpoint.name.to_string(), slice.at / interval);
                        let sum = all.entry(key).or_default();
                        sum.0 += slice.count;
                        sum.1 += slice.errors;
                        sum.2.merge(&slice.durations);
                    }
                }
                (all, rows)
            };
            let (slices, many) = requests(SLICE_SECONDS);
            let (parts, few) = requests(interval);
            assert_eq!(parts, slices, "since {since} by {interval}");
            if since == 0 && interval >= 3_600 {
                assert!(few < many / 5, "{few} rows for {many}");
            }
            let volumes = |seconds| {
                let mut all: BTreeMap<(String, i64), u64> = BTreeMap::new();
                for volume in reader
                    .volumes_in(since_nanoseconds, seconds, Some("shop"), None)
                    .unwrap()
                {
                    let key = (volume.stream.to_string(), volume.at / interval);
                    *all.entry(key).or_default() += volume.count;
                }
                all
            };
            assert_eq!(volumes(interval), volumes(SLICE_SECONDS), "since {since}");
        }
        let first = reader
            .endpoints(since_nanoseconds, SLICE_SECONDS, Some("shop"))
            .unwrap()
            .iter()
            .filter_map(|endpoint| endpoint.slices.first())
            .map(|slice| slice.at)
            .min();
        assert_eq!(
            reader
                .first_request(since_nanoseconds, Some("shop"))
                .unwrap(),
            first
        );
        let names = reader.routes(since_nanoseconds, None, 10).unwrap();
        assert_eq!(names, ["GET /a", "GET /b"], "since {since}");
    }
    let seen = &reader.last_seen((now - DAY) * SECOND).unwrap()[0];
    let newest = moments(0, 2_000).max().unwrap();
    assert!(
        seen.spans.abs_diff(newest) <= 20_000 * MILLISECOND,
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_kill_between_two_counts_leaves_all_widths_equal() {
    let fixture = Fixture::within(week());
    send(&fixture.store, 0, 300).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    // What a killed process has written of its counts is what was written the last time.
    let tables = ["red", "volume", "fact"];
    for table in tables {
        let sql = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        database(folder.path()).execute_batch(&sql).unwrap();
    }
    let store = open(folder.path(), week());
    send(&store, 300, 500).await;
    drop(store);
    for table in tables {
        let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        database(folder.path()).execute_batch(&sql).unwrap();
    }
    assert_eq!(agreed(&database(folder.path())), (300, 300));
    let store = open(folder.path(), week());
    send(&store, 500, 600).await;
    drop(store);
    assert_eq!(agreed(&database(folder.path())), (600, 600));
}

#[tokio::test]
async fn counts_that_could_not_be_written_are_counted_once() {
    let fixture = Fixture::within(week());
    send(&fixture.store, 0, 100).await;
    let uncounted = async || fixture.ask(Reader::lag).await.uncounted;
    while uncounted().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let other = database(fixture.folder.path());
    // The slices are written by then, and rolled back with the hours.
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON red WHEN NEW.width = 360
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let before = agreed(&other);
    assert_eq!(before, (100, 100));
    send(&fixture.store, 100, 300).await;
    assert!(uncounted().await > 0);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(agreed(&other), before);
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    while uncounted().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(agreed(&other), (300, 300));
}

#[tokio::test]
async fn what_is_too_old_goes_from_all_widths_alike() {
    let fixture = Fixture::within(week());
    send(&fixture.store, 0, 2_000).await;
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let connection = database(folder.path());
    let slice = |seconds_ago: i64| red::slice((now() - seconds_ago * SECOND).unsigned_abs());
    let mut last = agreed(&connection);
    assert_eq!(last, (2_000, 2_000));
    for seconds_ago in [2 * DAY + 1_234, 2 * DAY - 2_345, DAY + 10, DAY] {
        let before = slice(seconds_ago);
        rollup::sweep(&connection, before).unwrap();
        let left = agreed(&connection);
        assert!(left.0 < last.0 || seconds_ago == DAY, "{seconds_ago}");
        last = left;
        let oldest: i64 = connection
            .query_row("SELECT min(slice) FROM red WHERE width = 1", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(oldest >= before - 30, "{oldest} before {before}");
    }
    // As the store has it done.
    let mut retention = Retention::new(Bounds {
        bytes: 1 << 30,
        age: Duration::from_secs(3_600 * 7 + 777),
    });
    retention.run(&connection).unwrap();
    let left = agreed(&connection);
    let kept = moments(0, 2_000)
        .filter(|at| *at >= now().unsigned_abs() - (3_600 * 7 + 777 + 310) * 1_000_000_000)
        .count();
    assert!(left.0 > 0 && left.0 <= kept as i64, "{left:?} of {kept}");
}
