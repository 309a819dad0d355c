//! The tests over the real servers, on a stack of their own that is removed afterwards
//! whatever happens.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::rust::test_program;
use super::tally::Tally;
use crate::cargo::cargo;
use crate::engine::Engine;
use crate::stack::{Stack, Volumes};
use crate::{postgres, process, workspace};

pub(super) fn check(engine: &Engine) -> Result<Tally> {
    let stack = Stack::for_tests_with(Some(engine.kind()))?;
    // Left by a run that was interrupted.
    stack.down(Volumes::Delete)?;
    let result = run(&stack);
    let failed = result.as_ref().map_or(true, Tally::is_failure);
    if failed && let Err(error) = save_logs(&stack) {
        println!("cannot save the containers' logs: {error:#}");
    }
    let down = stack.down(Volumes::Delete).context("cannot stop the stack");
    let mut tally = result?;
    tally.add("the stack is gone", down);
    Ok(tally)
}

fn run(stack: &Stack) -> Result<Tally> {
    postgres::ensure()?;
    let start = Instant::now();
    stack.create_volumes_owned_by_root()?;
    stack.up()?;
    println!("ok every server is ready, {} s", start.elapsed().as_secs());
    stack.print_status()?;
    let mut tally = test_program(cargo().args([
        "test",
        "--package=throughline-e2e",
        "--locked",
        "--no-fail-fast",
    ]))?;
    tally.passed += 1;
    Ok(tally)
}

/// Keeps what every container said, and shows the end of it.
fn save_logs(stack: &Stack) -> Result<()> {
    const SHOWN: usize = 15;
    for container in stack.containers()? {
        let logs = stack.logs(&container.service, 100_000)?;
        let path = workspace::log(&format!("test-{}", container.service))?;
        fs::write(&path, &logs).with_context(|| format!("cannot write {}", path.display()))?;
        println!(
            "== {} ({} {}), all of it in {}\n{}",
            container.service,
            container.state,
            container.exit_code,
            path.display(),
            process::tail(&logs, SHOWN)
        );
    }
    Ok(())
}
