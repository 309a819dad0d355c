//! What a record costs that the burst limit suppresses, and one that it lets through:
//! `THROUGHLINE_BURST_LIMIT=1 cargo bench -p throughline --bench bursts`.
//!
//! Without the variable both rows are records that pass. Nothing is exported and nothing is
//! printed, so what is left of a record is its way to the sinks. Each figure is the median of
//! many rounds, in nanoseconds. See `docs/performance.md`.

use std::hint::black_box;
use std::time::Instant;

use throughline::LogFormat;

const ROUNDS: usize = 201;
const TIMES: u32 = 2_000;

fn main() -> Result<(), throughline::InitError> {
    let telemetry = throughline::builder("bench")
        .log_format(LogFormat::Off)
        .init()?;
    report("one callsite of `tracing`", || {
        tracing::info!(number = black_box(7), "flood");
    });
    report("one line that uses `log`", || {
        log::info!("flood {}", black_box(7));
    });
    report("filtered out by RUST_LOG", || {
        tracing::debug!(number = black_box(7), "flood");
    });
    telemetry.shutdown();
    Ok(())
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
