//! Spans that no tracer should make, and some do.

use std::time::{Duration, Instant};

use crate::{
    dev::{Dev, folder, number},
    http::{get, post},
    otlp::{span, spans},
};

#[test]
fn impossible_traces_are_kept_and_break_no_page() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let parented = |trace: u128, id: u64, parent: u64| {
        let mut span = span(trace, id);
        span.parent_span_id = parent.to_be_bytes().to_vec();
        span
    };
    let timed = |trace: u128, start: u64, end: u64| {
        let mut span = span(trace, 1);
        (span.start_time_unix_nano, span.end_time_unix_nano) = (start, end);
        span
    };
    let now = crate::otlp::now();
    let odd = vec![
        // The same id twice, its own parent, two that are each other's, and a lost one.
        span(1, 1),
        span(1, 1),
        parented(2, 1, 1),
        parented(3, 1, 2),
        parented(3, 2, 1),
        parented(3, 3, 2),
        parented(4, 1, 99),
        timed(5, 0, 0),
        timed(6, u64::MAX, u64::MAX),
        timed(7, 0, u64::MAX),
        timed(8, now, now - 1_000_000),
        timed(9, 1, 2),
        timed(10, now + 3_600_000_000_000, now + 3_601_000_000_000),
    ];
    let count = odd.len() as i64;
    assert_eq!(post(dev.http, "/v1/traces", &spans(odd)).status, 200);
    assert_eq!(number(&dev.database(), "SELECT count(*) FROM span"), count);
    for trace in 1..=10 {
        let answer = get(dev.page, &format!("/traces/{trace:032x}"));
        assert_eq!(answer.status, 200, "trace {trace}: {}", answer.text());
    }
    for page in ["/", "/traces", "/traces?min=100ms", "/errors", "/health"] {
        let answer = get(dev.page, page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.text());
    }
    // They are still there for the next process, which counts them again.
    drop(dev);
    let dev = Dev::start(folder.path(), &[]);
    assert_eq!(number(&dev.database(), "SELECT count(*) FROM span"), count);
}

#[test]
fn spans_without_ids_are_refused_one_by_one_and_the_others_kept() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let mut nobody = span(1, 1);
    nobody.trace_id.clear();
    let mut zero = span(1, 2);
    zero.span_id = vec![0; 8];
    let request = spans(vec![nobody, zero, span(1, 3)]);
    let answer = post(dev.http, "/v1/traces", &request);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("2 were refused"),
        "{}",
        answer.text()
    );
    assert_eq!(number(&dev.database(), "SELECT count(*) FROM span"), 1);
}

#[test]
fn a_trace_of_twenty_thousand_spans_is_kept_and_its_page_has_an_end() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    for part in 0..10_u64 {
        let part = (0..2_000).map(|number| {
            let id = part * 2_000 + number + 1;
            let mut span = span(5, id);
            // A chain, the deepest tree that there is.
            if id > 1 {
                span.parent_span_id = (id - 1).to_be_bytes().to_vec();
            }
            span
        });
        assert_eq!(
            post(dev.http, "/v1/traces", &spans(part.collect())).status,
            200
        );
    }
    assert_eq!(number(&dev.database(), "SELECT count(*) FROM span"), 20_000);
    let asked = Instant::now();
    let answer = get(dev.page, &format!("/traces/{:032x}", 5));
    let took = asked.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.body.len() < 10_000_000,
        "{} bytes",
        answer.body.len()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
}
