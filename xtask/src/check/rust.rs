//! The steps that are cargo's. They run one at a time: two would wait for each other's lock.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::tally::Tally;
use crate::{process, workspace};

pub(super) fn fmt() -> Result<Tally> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

pub(super) fn clippy() -> Result<Tally> {
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny=warnings",
    ]))
}

pub(super) fn doc() -> Result<Tally> {
    run(cargo()
        .args(["doc", "--workspace", "--no-deps", "--locked"])
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
    test_program(cargo().args([
        "test",
        "--workspace",
        "--exclude=throughline-e2e",
        "--locked",
        "--no-fail-fast",
    ]))
}

/// The cargo that runs this program, in the workspace's root.
pub(super) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` tells this program about its own package. Build scripts that watch these
    // variables (ring's does) would run again each time that plain cargo takes turns with us.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_a_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace::root());
    command
}

fn is_about_a_package(variable: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| variable.starts_with(prefix))
}

/// A check that is one command: its exit says all.
fn run(command: &mut Command) -> Result<Tally> {
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

#[cfg(test)]
mod tests {
    use super::is_about_a_package;

    #[test]
    fn a_users_own_settings_of_cargo_are_passed_on() {
        assert!(is_about_a_package("CARGO_PKG_NAME"));
        assert!(!is_about_a_package("CARGO_HOME"));
        assert!(!is_about_a_package("CARGO_TARGET_DIR"));
    }
}
