//! What a span, an event, a metric and all of them cost in the service's own thread, ours
//! against the stock crates wired by hand. `docs/performance.md` has the figures.
//!
//! ```text
//! cargo bench -p throughline --features grpc --bench hot_path                       # time and allocations
//! cargo bench -p throughline --features grpc --bench hot_path -- instructions       # by callgrind
//! ```
//!
//! A case's name after either (`request`, `event`, `span`, `unsampled`, `metrics`) leaves
//! the others out.

#![allow(missing_docs, clippy::unwrap_used)]

mod allocations;
mod cases;
mod instructions;
#[path = "../support/mod.rs"]
mod support;

use std::time::Instant;

use cases::{CASES, Case};
use support::affinity::stay_on;
use support::collector::{Arrived, Collector};
use support::process::{Process, serve};
use support::side::{Running, Side, sampler};
use support::statistics::{median, ratio};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const ROUNDS: usize = 101;

/// Fewer than the 2048 that a stock queue holds, so that nothing is dropped: what is thrown
/// away costs less.
const TURNS: u64 = 1_000;

fn main() {
    // Cargo's own argument says nothing that is not known.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["side", side, case] => be(Side::named(side), Case::named(case)),
        ["once", side, case, turns] => {
            instructions::once(Side::named(side), Case::named(case), turns.parse().unwrap());
        }
        ["instructions"] => instructions::count(&CASES.iter().collect::<Vec<_>>()),
        ["instructions", case] => instructions::count(&[Case::named(case)]),
        [] => compare(&CASES.iter().collect::<Vec<_>>()),
        [case] => compare(&[Case::named(case)]),
        _ => panic!("unknown arguments {arguments:?}"),
    }
}

/// The function whose instructions are counted, hence a name of its own.
#[inline(never)]
fn measured_turns(work: &mut dyn FnMut(), turns: u64) {
    for _ in 0..turns {
        work();
    }
}

/// What each side calls itself to the receiver.
fn service(side: Side, case: &Case) -> String {
    format!("{}-{}", side.name(), case.name)
}

/// The variables of a side's process.
fn variables<'a>(case: &'a Case, endpoint: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut variables = case.wiring.variables(endpoint);
    variables.extend(sampler(case.sampled));
    variables
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The process of one side: a round for each order.
fn be(side: Side, case: &'static Case) {
    // What exports runs on the other core.
    stay_on(1);
    let runtime = runtime();
    let _entered = runtime.enter();
    let running = Running::start(side, case.wiring, &service(side, case));
    let mut work = (case.work)(side);
    stay_on(0);
    serve(|_| {
        let allocated = allocations::count();
        let begun = Instant::now();
        measured_turns(&mut *work, TURNS);
        let took = begun.elapsed().as_nanos() as f64 / TURNS as f64;
        let allocated = (allocations::count() - allocated) as f64 / TURNS as f64;
        running.flush();
        format!("{took} {allocated}")
    });
}

/// One side's process, and what its rounds took.
struct Measured {
    side: Side,
    process: Process,
    nanoseconds: Vec<f64>,
    allocations: Vec<f64>,
}

impl Measured {
    fn start(side: Side, case: &Case, endpoint: &str) -> Self {
        Self {
            side,
            process: Process::start(
                &["side", side.name(), case.name],
                &variables(case, endpoint),
            ),
            nanoseconds: Vec::new(),
            allocations: Vec::new(),
        }
    }

    fn round(&mut self) -> (f64, f64) {
        let answer = self.process.ask("round");
        let (took, allocated) = answer.split_once(' ').unwrap();
        (took.parse().unwrap(), allocated.parse().unwrap())
    }
}

fn compare(cases: &[&Case]) {
    stay_on(1);
    let collector = Collector::start();
    println!(
        "{:<26} {:>9} {:>9} {:>6} {:>7}   allocations: ours, stock",
        "ns, median of rounds", "ours", "stock", "ratio", "at most"
    );
    for case in cases {
        let endpoint = collector.endpoint();
        let mut sides = Side::BOTH.map(|side| Measured::start(side, case, &endpoint));
        // The first round of each pays for what is made once.
        for side in &mut sides {
            side.round();
        }
        for _ in 0..ROUNDS {
            for side in &mut sides {
                let (took, allocated) = side.round();
                side.nanoseconds.push(took);
                side.allocations.push(allocated);
            }
        }
        let [ours, stock] = &sides;
        println!(
            "{:<26} {:>9.0} {:>9.0} {:>6.2} {:>7.2}   {:.1}, {:.1}",
            case.what,
            median(ours.nanoseconds.iter().copied()),
            median(stock.nanoseconds.iter().copied()),
            ratio(&ours.nanoseconds, &stock.nanoseconds),
            case.target,
            median(ours.allocations.iter().copied()),
            median(stock.allocations.iter().copied()),
        );
        for side in &sides {
            all_arrived(&collector, side.side, case, (ROUNDS as u64 + 1) * TURNS);
        }
    }
}

/// A side that lost something did less work, and its figures say nothing.
fn all_arrived(collector: &Collector, side: Side, case: &Case, turns: u64) {
    let (spans, records) = case.emits;
    let emitted = Arrived {
        spans: spans * turns,
        records: records * turns,
    };
    let arrived = collector.arrived(&service(side, case));
    assert_eq!(
        arrived,
        emitted,
        "what arrived of {} is not all",
        service(side, case)
    );
}
