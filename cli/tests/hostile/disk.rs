//! A disk that is full, and a bound on what is kept.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    dev::{Dev, folder, number, says, until},
    http::{get, post},
    otlp::{attribute, record, records, span, spans},
};

/// Records that no compression makes smaller.
fn incompressible(seed: u64, count: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let of = (0..count).map(|number| {
        let noise: String = (0..16)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(99);
                format!("{:08x}", state >> 32)
            })
            .collect();
        let mut record = record("the disk fills");
        record.attributes = vec![
            attribute("noise", noise),
            attribute("number", number.to_string()),
        ];
        record
    });
    records(of.collect())
}

#[test]
fn when_no_more_can_be_written_a_request_is_put_off_and_nothing_acknowledged_is_lost() {
    let folder = folder();
    // No file may grow beyond this, as on a disk that is full; the signal that comes with it
    // is not what a full disk sends.
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            "trap '' XFSZ; exec prlimit --fsize=3000000: -- \"$@\"",
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_throughline"));
    let dev = Dev::start_by(limited, folder.path(), &[]);
    let (mut acknowledged, mut put_off) = (0, 0);
    for request in 0..60 {
        let answer = post(dev.http, "/v1/logs", &incompressible(request, 500));
        match answer.status {
            200 => acknowledged += 500,
            503 => {
                put_off += 1;
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(acknowledged > 0 && put_off > 10, "{acknowledged} {put_off}");
    assert_eq!(get(dev.page, "/readyz").status, 200);
    assert_eq!(
        number(&dev.database(), "SELECT count(*) FROM record"),
        acknowledged
    );

    let freed = Command::new("prlimit")
        .args(["--pid", &dev.pid().to_string(), "--fsize=unlimited:"])
        .status()
        .unwrap();
    assert!(freed.success());
    until("it takes records again", || {
        let taken = post(dev.http, "/v1/logs", &incompressible(99, 10)).status == 200;
        acknowledged += if taken { 10 } else { 0 };
        taken
    });
    let series = spans(vec![span(1, 1)]);
    assert_eq!(post(dev.http, "/v1/traces", &series).status, 200);
    dev.kill();

    let dev = Dev::start(folder.path(), &[]);
    let database = dev.database();
    assert_eq!(
        number(&database, "SELECT count(*) FROM record"),
        acknowledged
    );
    assert_eq!(number(&database, "SELECT count(*) FROM span"), 1);
    let text = "SELECT count(*) FROM record_text WHERE record_text MATCH 'disk'";
    assert_eq!(number(&database, text), acknowledged);
    until("the counts agree with the rows", || {
        says(&database, "volume", acknowledged)
    });
}

#[test]
fn under_load_the_files_stay_within_their_bound_and_the_newest_stays() {
    const BOUND: u64 = 4_000_000;
    /// The log of what is not in the database yet, and what one transaction adds to both.
    const SLACK: u64 = 6_000_000;
    let folder = folder();
    let dev = Dev::start(folder.path(), &["--max-size", "4MB"]);
    let mut sent = 0;
    let (mut longest, mut size) = (0, 0);
    let begun = Instant::now();
    while size < 4 * BOUND && begun.elapsed() < Duration::from_secs(60) {
        let request = incompressible(sent, 1_000);
        size += request.len() as u64;
        assert_eq!(post(dev.http, "/v1/logs", &request).status, 200);
        sent += 1_000;
        longest = longest.max(dev.bytes_in_files());
        let newest = number(&dev.database(), "SELECT max(id) FROM record");
        assert_eq!(newest.unsigned_abs(), sent);
    }
    assert!(size >= 4 * BOUND, "{size} bytes in a minute");
    assert!(longest < BOUND + SLACK, "the files had {longest} bytes");
    let kept = number(&dev.database(), "SELECT count(*) FROM record").unsigned_abs();
    assert!(kept < sent && kept > 1_000, "{kept} of {sent}");
    let found = number(
        &dev.database(),
        "SELECT count(*) FROM record_text WHERE record_text MATCH 'disk'",
    );
    assert_eq!(found.unsigned_abs(), kept);
}
