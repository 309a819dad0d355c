//! The steps that are cargo's. They run one at a time: two would wait for each other's lock.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::tally::Tally;
use crate::cargo::cargo;
use crate::{debian, postgres, process};

pub(super) fn fmt() -> Result<Tally> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

pub(super) fn clippy() -> Result<Tally> {
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "--deny=warnings",
    ]))
}

pub(super) fn doc() -> Result<Tally> {
    run(cargo()
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--locked",
        ])
        .env("RUSTDOCFLAGS", "--deny=warnings"))
}

pub(super) fn package() -> Result<Tally> {
    run(cargo().args([
        "package",
        "--package=throughline",
        "--locked",
        "--allow-dirty",
    ]))
}

pub(super) fn test() -> Result<Tally> {
    databases()?;
    test_program(cargo().args([
        "test",
        "--workspace",
        "--exclude=throughline-e2e",
        "--exclude=throughline-viewer-tests",
        "--all-features",
        "--locked",
        "--no-fail-fast",
    ]))
}

/// The servers that the tests of databases start for themselves.
pub(super) fn databases() -> Result<()> {
    postgres::ensure()?;
    if debian::has_program("mariadbd") {
        return Ok(());
    }
    debian::install(&["mariadb-server"], "a server for the tests of databases")
}

/// A check that is one command: its exit says all.
pub(super) fn run(command: &mut Command) -> Result<Tally> {
    process::run(command).map(|()| Tally::passed())
}

/// Runs tests, showing their output as it comes, and counts them.
pub(super) fn test_program(command: &mut Command) -> Result<Tally> {
    let what = process::line(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{what}`"))?;
    let mut tally = Tally::default();
    let stdout = child.stdout.take().context("no output to read")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.with_context(|| format!("cannot read what `{what}` prints"))?;
        println!("{line}");
        tally.read_line(&line);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{what}`"))?;
    if !status.success() {
        // No test failed when the program did not compile or was killed.
        tally.failed = tally.failed.max(1);
        tally
            .failures
            .push(format!("`{what}` ended with {status}; its output is above"));
    }
    Ok(tally)
}
