//! Instructions by callgrind: the same on a busy machine as on a quiet one, but blind to
//! what the memory and the kernel cost.

use std::process::{Command, Stdio};

use super::cases::Case;
use super::support::collector::Collector;
use super::support::side::{Running, Side};
use super::{measured_turns, runtime, service, variables};

/// Few enough for the queues: see `TURNS`.
const TURNS: u64 = 500;

/// One case of one side in this process: what callgrind runs, and `perf` can.
pub(super) fn once(side: Side, case: &Case, turns: u64) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let running = Running::start(side, case.wiring, &service(side, case));
    let mut work = (case.work)(side);
    for _ in 0..100 {
        work();
    }
    running.flush();
    let mut left = turns;
    while left > 0 {
        let now = left.min(1_000);
        measured_turns(&mut *work, now);
        running.flush();
        left -= now;
    }
}

pub(super) fn count(cases: &[&Case]) {
    let collector = Collector::start();
    println!(
        "{:<26} {:>9} {:>9} {:>6}",
        "instructions a turn", "ours", "stock", "ratio"
    );
    for case in cases {
        let [ours, stock] = Side::BOTH.map(|side| under_callgrind(side, case, &collector));
        println!(
            "{:<26} {ours:>9.0} {stock:>9.0} {:>6.2}",
            case.what,
            ours / stock
        );
    }
    println!("callgrind_annotate target/callgrind/SIDE-CASE.out tells where they were spent");
}

/// The profile stays in the target directory, beside the benchmark's own results.
fn under_callgrind(side: Side, case: &Case, collector: &Collector) -> f64 {
    let program = std::env::current_exe().unwrap();
    let directory = program.ancestors().nth(3).unwrap().join("callgrind");
    std::fs::create_dir_all(&directory).unwrap();
    let profile = directory.join(format!("{}-{}.out", side.name(), case.name));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        // Only what the measured thread does there, in whatever crate.
        .arg("--collect-atstart=no")
        .arg("--toggle-collect=*measured_turns*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(&program)
        .args(["once", side.name(), case.name, &TURNS.to_string()])
        .envs(variables(case, &collector.endpoint()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("valgrind is needed for this; install it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, counted) = counted.unwrap_or_else(|| panic!("no count in: {said}"));
    counted.trim().parse::<f64>().unwrap() / TURNS as f64
}
