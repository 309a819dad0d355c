//! Debian packages that the other commands need, installed when they are missing.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Whether a program is in `PATH` or in one of the folders that only root has there.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder: std::path::PathBuf| folder.join(name).is_file())
}

/// Installs `packages`, saying so first and why.
pub(crate) fn install(packages: &[&str], reason: &str) -> Result<()> {
    // The images are built beside the Rust steps, and apt-get gives up when another runs.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    println!("installing {} ({reason})", packages.join(", "));
    if !has_program("apt-get") {
        bail!(
            "this needs {}, and there is no apt-get to install it: install it with your system's package manager",
            packages.join(", ")
        );
    }
    let log = crate::workspace::log("apt")?;
    // One unreachable source of many fails the whole update; what is needed may be known.
    if let Err(error) = process::logged(as_root("apt-get")?.arg("update"), &log, |_| {}) {
        println!("the package lists are not fresh: {error:#}");
    }
    process::logged(
        as_root("apt-get")?
            .args(["install", "--yes", "--no-install-recommends"])
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(packages),
        &log,
        |_| {},
    )
    .with_context(|| {
        format!(
            "cannot install {}: try `apt-get install {}` by hand",
            packages.join(", "),
            packages.join(" ")
        )
    })
}

/// A command that runs as root: directly when this process is root, else through sudo.
pub(crate) fn as_root(program: &str) -> Result<Command> {
    if is_root()? {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(command);
    }
    if !has_program("sudo") {
        bail!("`{program}` needs root: run this as root, or install sudo");
    }
    let mut command = Command::new("sudo");
    // Without a terminal sudo must fail at once and not wait for a password.
    command.args([
        "--non-interactive",
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        program,
    ]);
    Ok(command)
}

pub(crate) fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let own = Path::new("/proc/self")
        .metadata()
        .context("cannot read /proc/self")?;
    Ok(own.uid() == 0)
}
