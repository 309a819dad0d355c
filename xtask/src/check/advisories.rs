//! Licences, bans, sources and advisories of every dependency, by cargo-deny.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::tally::Tally;
use crate::cargo::cargo;
use crate::{process, workspace};

const VERSION: &str = "0.20.2";

pub(super) fn check() -> Result<Tally> {
    let deny = ensure()?;
    let run = |checks: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .current_dir(workspace::root())
            .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
            .args(checks);
        process::run(&mut command)
    };
    let mut tally = Tally::default();
    tally.add(
        "licences, bans and sources",
        run(&["licenses", "bans", "sources"]),
    );
    match fetch_advisories(&deny) {
        Ok(()) => tally.add("advisories", run(&["--disable-fetch", "advisories"])),
        Err(error) => {
            let reason = format!("{error:#}");
            // Of all that cargo-deny and git say, git's last word names the cause.
            let reason = reason.lines().last().unwrap_or_default().trim();
            tally.notes.push(format!(
                "advisories were not checked: the RustSec database could not be fetched ({reason}); run `cargo xtask test --only deny` where GitHub can be reached"
            ));
        }
    }
    Ok(tally)
}

/// The database is a git repository on GitHub. A machine that cannot reach it is no
/// reason to call the project broken, so that is told apart from a vulnerability.
fn fetch_advisories(deny: &Path) -> Result<()> {
    process::output(
        Command::new(deny)
            .current_dir(workspace::root())
            .args(["--workspace", "--locked", "fetch", "db"])
            // Never ask for a password, never wait for a line that went silent.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1")
            .env("GIT_HTTP_LOW_SPEED_TIME", "30"),
    )
    .map(|_| ())
}

/// cargo-deny from `PATH`, else built once into `target/xtask`.
fn ensure() -> Result<PathBuf> {
    let mut installed = Command::new("cargo-deny");
    if process::succeeds(installed.arg("--version"), Duration::from_secs(10)) {
        return Ok("cargo-deny".into());
    }
    let tools = workspace::state("tools");
    let program = tools.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    println!("installing cargo-deny {VERSION} into target/xtask/tools");
    process::logged(
        cargo()
            .args(["install", "cargo-deny", "--locked", "--version", VERSION])
            // Not the workspace's target: its profile and lints are not for others.
            .env("CARGO_TARGET_DIR", workspace::state("tools/target"))
            // A tool that runs for a second is not worth an optimised build of minutes.
            .args(["--debug", "--root"])
            .arg(&tools),
        &workspace::log("cargo-deny")?,
        |elapsed| println!("cargo-deny: compiling, {} s", elapsed.as_secs()),
    )?;
    std::fs::remove_dir_all(workspace::state("tools/target")).ok();
    Ok(program)
}
