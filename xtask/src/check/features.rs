//! The SDK with each set of features that a service may build it with: none, each alone, and
//! the default. The step before has tested it with all of them. Each alone is linted, and not
//! tested as well: with a dozen of them that would take longer than all other steps together,
//! and what is missing does not compile, or shows without any of them.

use anyhow::Result;

use super::rust::{databases, run, test_program};
use super::tally::Tally;
use crate::cargo::{Features, cargo, features};

pub(super) fn check() -> Result<Tally> {
    databases()?;
    let mut sets = vec![Features::Without];
    sets.extend(features()?.into_iter().map(Features::Alone));
    sets.push(Features::Default);
    let mut tally = Tally::default();
    for set in &sets {
        println!("--- {set}");
        tally.add(&format!("lints of the SDK with {set}"), lint(set));
        if !matches!(set, Features::Alone(_)) {
            tally.merge(test(set)?);
        }
    }
    Ok(tally)
}

/// Without the tests, whose dependencies would lend theirs the features that a service lacks.
fn lint(set: &Features) -> Result<()> {
    run(cargo()
        .args(["clippy", "--package=throughline", "--lib", "--locked"])
        .args(set.arguments())
        .args(["--", "--deny=warnings"]))
    .map(drop)
}

fn test(set: &Features) -> Result<Tally> {
    let mut command = cargo();
    command
        .args(["test", "--package=throughline", "--locked"])
        .arg("--no-fail-fast")
        .args(set.arguments())
        // Each set is built once, so that keeping what the next build could use is a waste, and
        // where a test fails the step before has told the line.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "none")
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        // Wire-level tests wait more than they compute.
        .env("RUST_TEST_THREADS", "8");
    if *set != Features::Default {
        command.args(["--lib", "--tests", "--examples"]);
    }
    test_program(&mut command)
}
