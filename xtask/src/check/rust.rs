//! The steps that are cargo's. They run one at a time: two would wait for each other's lock.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::tally::Tally;
use crate::cargo::cargo;
use crate::{debian, process};

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
    install_missing(&[POSTGRESQL, MARIADB])
}

/// The one that the end-to-end tests start for the services that keep something in it.
pub(super) fn postgresql() -> Result<()> {
    install_missing(&[POSTGRESQL])
}

/// A server of databases, by its package, and one of its programs.
type Server = (&'static str, &'static str);

const POSTGRESQL: Server = ("postgresql", "initdb");
const MARIADB: Server = ("mariadb-server", "mariadbd");

fn install_missing(servers: &[Server]) -> Result<()> {
    let is_there = |server: Server| {
        // Debian keeps PostgreSQL's programs out of `PATH`, in a folder a version.
        debian::has_program(server.1)
            || (server == POSTGRESQL && Path::new("/usr/lib/postgresql").is_dir())
    };
    let missing: Vec<&str> = servers
        .iter()
        .filter_map(|server| (!is_there(*server)).then_some(server.0))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian::install(&missing, "the servers for the tests of databases")
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
