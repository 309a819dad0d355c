use std::time::{Duration, Instant};

use throughline_receiver::proto::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::{Status, span},
};

use super::{
    folding::{MOST_ROWS, ROWS},
    *,
};
use crate::page::{
    Query,
    trace::{detail, fixture::span},
};

const HOSTILE: &str = "</a><script>alert(1)</script>\"'";

fn request(query: &str) -> PageRequest {
    PageRequest {
        path: "/traces/07".to_owned(),
        query: Query::parse(query),
        fragment: false,
    }
}

fn draw(spans: &[TraceSpan], records: &[TraceRecord], query: &str) -> String {
    let request = request(query);
    let tree = Tree::of(spans);
    Waterfall {
        request: &request,
        spans,
        tree: &tree,
        records,
        errors: &[],
    }
    .render(&Folding::of(&request))
    .to_string()
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    })
}

fn record(id: i64, severity: i32, body: &str, span_id: u64) -> TraceRecord {
    let record = LogRecord {
        time_unix_nano: 50,
        severity_number: severity,
        body: text(body),
        span_id: span_id.to_be_bytes().to_vec(),
        ..LogRecord::default()
    };
    TraceRecord { id, record }
}

#[test]
fn nothing_that_a_span_says_becomes_markup() {
    let mut hostile = span(HOSTILE, 1, 0, 10, 100);
    hostile.service = HOSTILE.to_owned();
    let pair = KeyValue {
        key: HOSTILE.to_owned(),
        value: text(HOSTILE),
        ..KeyValue::default()
    };
    hostile.span.attributes = vec![pair.clone()];
    hostile.span.trace_state = HOSTILE.to_owned();
    hostile.span.status = Some(Status {
        code: 2,
        message: HOSTILE.to_owned(),
    });
    hostile.span.events = vec![span::Event {
        name: HOSTILE.to_owned(),
        attributes: vec![pair.clone()],
        ..span::Event::default()
    }];
    hostile.span.links = vec![span::Link {
        attributes: vec![pair],
        ..span::Link::default()
    }];
    let spans = [hostile];
    let html = draw(
        &spans,
        &[record(1, 17, HOSTILE, 1)],
        "span=%22%3E%3Cscript%3E",
    );
    assert!(
        !html.contains("<script") && !html.contains("</a><s"),
        "{html}"
    );
    assert_eq!(html.matches("&lt;script&gt;alert(1)").count(), 4, "{html}");

    let html = detail(&spans, &Tree::of(&spans), 0, "07").to_string();
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(html.matches("&lt;script&gt;alert(1)").count(), 11, "{html}");
}

#[test]
fn errors_and_records_stand_under_their_span() {
    let mut failed = span("query", 2, 1, 20, 60);
    failed.span.status = Some(Status {
        code: 2,
        message: String::new(),
    });
    let spans = [
        span("GET /", 1, 0, 0, 100),
        failed,
        span("render", 3, 1, 70, 90),
    ];
    let records = [
        record(41, 13, "slow", 2),
        record(42, 9, "fine", 2),
        record(43, 17, "lost", 99),
    ];
    let html = draw(&spans, &records, "");
    let order: Vec<_> = html
        .split("data-key=\"")
        .skip(1)
        .map(|part| part.split('"').next())
        .collect();
    assert_eq!(
        order,
        [
            "0000000000000001",
            "r43",
            "0000000000000002",
            "r41",
            "0000000000000003"
        ]
        .map(Some)
    );
    assert!(
        html.contains("Show 1 more record among the spans"),
        "{html}"
    );
    assert!(html.contains("href=\"/logs/41\""), "{html}");
    let html = draw(&spans, &records, "records=all");
    assert!(html.contains("data-key=\"r42\""), "{html}");
}

#[test]
fn what_is_closed_has_no_rows_and_says_what_is_in_it() {
    let spans = [
        span("root", 1, 0, 0, 100),
        span("a", 2, 1, 10, 50),
        span("below", 3, 2, 10, 20),
        span("b", 4, 1, 50, 60),
    ];
    let html = draw(&spans, &[], "closed=0000000000000002");
    assert!(!html.contains("below"), "{html}");
    assert!(html.contains("+1"), "{html}");
    assert!(html.contains("Unfold 1 span"), "{html}");
    // Who follows a link to a span sees it.
    let html = draw(&spans, &[], "closed=0000000000000002&span=0000000000000003");
    assert!(html.contains("below"), "{html}");
}

#[test]
fn two_thousand_spans_are_drawn_in_a_tenth_of_a_second() {
    let spans: Vec<_> = (1..=2_000)
        .map(|id| span("work", id, id / 3, id, 20_000 - id))
        .collect();
    let records: Vec<_> = (0..500)
        .map(|id| record(id, 17, "failed", id as u64))
        .collect();
    // The best of a few, since other programs run too; and without optimisation it takes longer.
    let allowed = Duration::from_millis(if cfg!(debug_assertions) { 3000 } else { 100 });
    let taken = (0..5).map(|_| {
        let start = Instant::now();
        let html = draw(&spans, &records, "open=all");
        assert_eq!(html.matches("data-depth").count(), 2_000 + MOST_RECORDS);
        start.elapsed()
    });
    let best = taken.min().unwrap();
    assert!(best < allowed, "{best:?}");
}

#[test]
fn a_large_trace_is_folded_and_can_be_opened() {
    let spans: Vec<_> = (1..=10_000)
        .map(|id| span("deep", id, id - 1, id, 20_000))
        .collect();
    let html = draw(&spans, &[], "");
    assert_eq!(html.matches("data-depth").count(), ROWS);
    assert!(
        html.contains("9,400 of 10,000 spans are folded."),
        "{html:.2000}"
    );
    assert!(html.contains("open=all"));
    // The page's last row leads on.
    let last = format!("{ROWS:016x}");
    let html = draw(&spans, &[], &format!("open={last}"));
    assert!(html.matches("data-depth").count() > ROWS);
    let wide: Vec<_> = (1..=50_000)
        .map(|id| span("x", id, u64::from(id > 1), id, 90_000))
        .collect();
    assert_eq!(
        draw(&wide, &[], "open=all").matches("data-depth").count(),
        MOST_ROWS
    );
}
