//! The fuzzer for a bounded time, from what earlier runs have found out.

use std::time::Duration;

use anyhow::Result;

use super::tally::Tally;
use crate::fuzz;

/// Of each target; `cargo xtask fuzz --seconds 600` looks for longer.
const EACH: Duration = Duration::from_secs(5);

pub(super) fn check() -> Result<Tally> {
    let mut tally = Tally::default();
    for run in fuzz::run(None, EACH)? {
        let what = format!("fuzzing of {}", run.target);
        tally.add(&what, run.inputs.map(drop));
    }
    Ok(tally)
}
