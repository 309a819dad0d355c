//! Killed in the middle of everything: what was acknowledged is there.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{
    dev::{Dev, folder, number, says, until},
    http::{PROTOBUF, get, try_send},
    otlp::{attribute, points, record, records, span, spans},
};

const ROUNDS: u64 = 10;
const EACH: u64 = 20;

/// Counts requests that were answered with 200, and how many were begun.
#[derive(Default)]
struct Sent {
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl Sent {
    /// Sends requests of number after number until the connection or the test ends.
    fn send(
        &self,
        address: SocketAddr,
        path: &str,
        stop: &AtomicBool,
        request: impl Fn(u64) -> Vec<u8>,
    ) {
        while !stop.load(Ordering::Relaxed) {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let body = request(number);
            match try_send(address, "POST", path, &[PROTOBUF], &body) {
                Ok(answer) if answer.status == 200 => {
                    // One after the other, so that the first so many are the acknowledged ones.
                    self.acknowledged.store(number + 1, Ordering::Relaxed);
                }
                _ => return,
            }
        }
    }

    fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::Relaxed).cast_signed()
    }
}

/// An envelope whose event has an id of its own, and an issue that its round's have in common.
fn event(round: u64, request: u64) -> String {
    format!(
        "{{}}\n{{\"type\":\"event\"}}\n{{\"event_id\":\"{round:016x}{request:016x}\",\"level\":\"error\",\
         \"exception\":{{\"values\":[{{\"type\":\"Round{round}\",\"value\":\"it broke\"}}]}}}}\n"
    )
}

/// Rows of which the first of so many requests left `EACH` each.
fn complete(database: &Connection, sql: &str, requests: i64) {
    let found = number(database, &format!("{sql} < {requests}"));
    assert_eq!(found, requests * EACH.cast_signed(), "{sql}");
}

#[test]
fn what_was_acknowledged_survives_ten_kills_and_is_counted_once() {
    let folder = folder();
    let mut all = [0; 3];
    for round in 0..ROUNDS {
        let dev = Dev::start(folder.path(), &[]);
        let stop = AtomicBool::new(false);
        let [of_spans, of_records, of_points, of_events] = [(); 4].map(|()| Sent::default());
        let time = crate::otlp::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                of_spans.send(dev.http, "/v1/traces", &stop, |request| {
                    let spans_of = (0..EACH).map(|id| {
                        // The round and the request are the trace's id.
                        span(u128::from(round << 32 | request) + (1 << 60), id + 1)
                    });
                    spans(spans_of.collect())
                });
            });
            scope.spawn(|| {
                of_records.send(dev.http, "/v1/logs", &stop, |request| {
                    let records_of = (0..EACH).map(|_| {
                        let mut record = record("an order was placed");
                        record.trace_id = u128::from(round << 32 | request)
                            .wrapping_add(1 << 60)
                            .to_be_bytes()
                            .to_vec();
                        record
                    });
                    records(records_of.collect())
                });
            });
            scope.spawn(|| {
                of_points.send(dev.http, "/v1/metrics", &stop, |request| {
                    points(
                        &format!("metric.{round}"),
                        (0..EACH).map(|n| vec![attribute("id", format!("{request}-{n}"))]),
                    )
                });
            });
            scope.spawn(|| {
                of_events.send(dev.page, "/api/1/envelope/", &stop, |request| {
                    event(round, request).into_bytes()
                });
            });
            // Each time at another moment of the store's second.
            let begun = Instant::now();
            until("something is acknowledged", || {
                of_spans.acknowledged() > 2
                    && of_records.acknowledged() > 2
                    && of_points.acknowledged() > 2
                    && of_events.acknowledged() > 2
                    && begun.elapsed() > Duration::from_millis(150 * (round + 1))
            });
            let pid = nix::unistd::Pid::from_raw(dev.pid().cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            stop.store(true, Ordering::Relaxed);
        });
        dev.kill();

        let dev = Dev::start(folder.path(), &[]);
        let database = dev.database();
        let first = ((round << 32) + (1 << 60)).cast_signed();
        complete(
            &database,
            &format!("SELECT count(*) FROM span WHERE trace >= {first} AND trace - {first}"),
            of_spans.acknowledged(),
        );
        complete(
            &database,
            &format!("SELECT count(*) FROM record WHERE trace >= {first} AND trace - {first}"),
            of_records.acknowledged(),
        );
        let series = number(
            &database,
            &format!(
                "SELECT count(*) FROM point JOIN series ON series.id = point.series
                 JOIN text ON text.id = series.name WHERE text = 'metric.{round}' AND point.time > {time} / 2"
            ),
        );
        assert!(series >= of_points.acknowledged() * EACH.cast_signed());
        for request in 0..of_events.acknowledged() {
            let id = format!("{round:016x}{request:016x}");
            let kept = format!("SELECT count(*) FROM occurrence WHERE event = '{id}'");
            assert_eq!(number(&database, &kept), 1, "event {id}");
        }
        let occurrences = number(&database, "SELECT count(*) FROM occurrence");
        for counted in ["issue", "issue_volume"] {
            let sum = format!("SELECT sum(count) FROM {counted}");
            assert_eq!(number(&database, &sum), occurrences, "{counted}");
        }
        // All or nothing of each request.
        assert_eq!(series % EACH.cast_signed(), 0);
        assert_eq!(number(&database, "SELECT count(*) % 20 FROM span"), 0);
        assert_eq!(number(&database, "SELECT count(*) % 20 FROM record"), 0);
        let check: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        // What the overview counts by is written within a second.
        until("the counts agree with the rows", || {
            let requests = number(&database, "SELECT count(*) FROM span WHERE kind = 2");
            let records = number(&database, "SELECT count(*) FROM record");
            says(&database, "red", requests) && says(&database, "volume", records)
        });
        let text = number(
            &database,
            "SELECT count(*) FROM record_text WHERE record_text MATCH 'placed'",
        );
        assert_eq!(text, number(&database, "SELECT count(*) FROM record"));
        assert_eq!(get(dev.page, "/").status, 200);
        all[0] += of_spans.acknowledged();
        all[1] += of_records.acknowledged();
        all[2] += of_points.acknowledged();
        if round % 2 == 0 {
            dev.kill();
        } else {
            assert!(dev.stop().success());
        }
    }
    let dev = Dev::start(folder.path(), &[]);
    let each = EACH.cast_signed();
    assert!(number(&dev.database(), "SELECT count(*) FROM span") >= all[0] * each);
    assert!(number(&dev.database(), "SELECT count(*) FROM record") >= all[1] * each);
    assert!(number(&dev.database(), "SELECT count(*) FROM point") >= all[2] * each);
}
