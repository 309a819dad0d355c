//! Python environments of our own, so that nothing is installed into the system's Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{debian, process, workspace};

/// The folder of programs of the environment `name`, made from `requirements` (a file with
/// every version pinned) when it is missing or was made from other pins.
pub(crate) fn ensure(name: &str, requirements: &Path) -> Result<PathBuf> {
    let folder = workspace::state("venv").join(name);
    let programs = folder.join("bin");
    let stamp = folder.join("requirements.txt");
    let pins = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == pins) {
        return Ok(programs);
    }
    println!(
        "installing {} into {}",
        relative(requirements),
        relative(&folder)
    );
    let log = workspace::log(&format!("venv-{name}"))?;
    create(&folder, &log)?;
    process::logged(
        Command::new(programs.join("pip"))
            .args(["install", "--disable-pip-version-check", "--requirement"])
            .arg(requirements),
        &log,
        |_| {},
    )?;
    // Written last: an environment that was cut short is made again.
    fs::write(&stamp, pins).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(programs)
}

/// A pip of our own, for downloads.
pub(crate) fn pip() -> Result<PathBuf> {
    let folder = workspace::state("venv").join("pip");
    let pip = folder.join("bin/pip");
    if !pip.is_file() {
        create(&folder, &workspace::log("venv-pip")?)?;
    }
    Ok(pip)
}

fn create(folder: &Path, log: &Path) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-m", "venv", "--clear"]).arg(folder);
    if debian::has_program("python3") && process::logged(&mut command, log, |_| {}).is_ok() {
        return Ok(());
    }
    debian::install(
        &["python3", "python3-venv"],
        "Python programs of these commands",
    )?;
    process::logged(&mut command, log, |_| {})
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace::root())
        .unwrap_or(path)
        .display()
        .to_string()
}
