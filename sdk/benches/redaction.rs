//! What redaction costs an event: `cargo bench -p throughline --bench redaction`.
//!
//! Each figure is the median of many rounds, in nanoseconds. See `docs/performance.md`.

use std::hint::black_box;
use std::time::Instant;

use throughline::{Redaction, Redactor};

const ROUNDS: usize = 201;
const TIMES: u32 = 2_000;

/// 60 bytes, as log messages are.
const MESSAGE: &str = "order 1042 placed by customer 77 in 12 ms, 3 items, 1 coupon";
const FIELDS: [(&str, &str); 4] = [
    ("order.id", "0190163d-8694-739b-aea5-966c26f8ad90"),
    ("customer.tier", "gold"),
    ("http.route", "/orders/{id}/items"),
    ("channel", "web"),
];
const SECRETS: &str = "GET postgres://app:hunter2@db/shop?token=abc with Bearer abc123def";

fn main() -> Result<(), throughline::InitError> {
    let redactor = Redaction::default().redactor()?;
    let text = |text: &str| {
        black_box(redactor.text(black_box(text)));
    };
    report("60-byte clean message", || text(MESSAGE));
    report("4 clean values (36, 4, 18 and 3 bytes)", || {
        values(&redactor);
    });
    report("event: the message and the 4 values", || {
        text(MESSAGE);
        values(&redactor);
    });
    report("the same, and the 4 keys for the first time", || {
        text(MESSAGE);
        fields(&redactor);
    });
    report("key that is not secret", || {
        black_box(redactor.key(black_box("http.request.method")));
    });
    report("key that is", || {
        black_box(redactor.key(black_box("http.request.header.x-api-key")));
    });
    report("66-byte message with three secrets", || text(SECRETS));
    let long = MESSAGE.repeat(100);
    report("6,000-byte clean text", || text(&long));
    Ok(())
}

fn fields(redactor: &Redactor) {
    for (key, value) in FIELDS {
        black_box(redactor.value(black_box(key), black_box(value)));
    }
}

fn values(redactor: &Redactor) {
    for (_, value) in FIELDS {
        black_box(redactor.text(black_box(value)));
    }
}

fn report(what: &str, mut work: impl FnMut()) {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..TIMES {
                work();
            }
            start.elapsed().as_nanos()
        })
        .collect();
    rounds.sort_unstable();
    let median = rounds[ROUNDS / 2] as f64 / f64::from(TIMES);
    println!("{median:>9.1} ns  {what}");
}
