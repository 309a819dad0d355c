//! Bugsink: a Debian made by debootstrap, with the released wheel and its pinned
//! dependencies. Nothing of it is kept in this repository.

use std::process::Command;

use anyhow::{Result, bail};

use super::context::{Work, copy};
use crate::{debian, process, venv, workspace};

/// The name of the base in the engine's store; it stays there for the next rebuild.
pub(super) const BASE: &str = "localhost/throughline/debian-python:bookworm-1";

const PACKAGES: &str = "--include=python3,python3-pip,ca-certificates";

pub(super) fn build(work: &Work<'_>) -> Result<()> {
    download_wheels(work)?;
    copy(
        &work.source().join("requirements.txt"),
        &work.context("requirements.txt"),
    )?;
    make_base(work)
}

/// On the host, since a build has no network where there is no registry either.
fn download_wheels(work: &Work<'_>) -> Result<()> {
    let machine = match std::env::consts::ARCH {
        architecture @ ("x86_64" | "aarch64") => architecture,
        other => bail!("bugsink's dependencies have no wheels for {other}: use Docker"),
    };
    let mut command = Command::new(venv::pip()?);
    command
        .args([
            "download",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
        ])
        // The image's Python, whatever the host's is.
        .args(["--python-version=3.11", "--implementation=cp"]);
    for policy in [
        "manylinux2014",
        "manylinux_2_17",
        "manylinux_2_28",
        "manylinux2010",
    ] {
        command.arg(format!("--platform={policy}_{machine}"));
    }
    command
        .arg("--dest")
        .arg(work.context("wheels"))
        .arg("--requirement")
        .arg(work.source().join("requirements.txt"));
    work.step("downloading wheels", &mut command)
}

fn make_base(work: &Work<'_>) -> Result<()> {
    if work.engine.image_label(BASE, "any").is_some() {
        return Ok(());
    }
    if !debian::has_program("debootstrap") {
        debian::install(&["debootstrap"], "the base of Bugsink's image")?;
    }
    let rootfs = workspace::state("images/debian");
    if rootfs.exists() {
        work.step(
            "cleaning up",
            debian::as_root("rm")?.arg("-rf").arg(&rootfs),
        )?;
    }
    work.step(
        "installing a Debian base",
        debian::as_root("debootstrap")?
            .args(["--variant=minbase", PACKAGES, "bookworm"])
            .arg(&rootfs),
    )?;
    let archive = workspace::state("images/debian.tar");
    work.step(
        "packing the Debian base",
        debian::as_root("tar")?
            .arg("--create")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(&rootfs)
            // Packages and lists that were downloaded to make it: half of its size.
            .args([
                "--exclude=./var/cache/apt/*",
                "--exclude=./var/lib/apt/lists/*",
            ])
            // Device nodes belong to the engine.
            .args(["--exclude=./dev/*", "."]),
    )?;
    work.step(
        "importing the Debian base",
        work.engine.command().arg("import").arg(&archive).arg(BASE),
    )?;
    process::run(debian::as_root("rm")?.arg("-rf").arg(&rootfs).arg(&archive))
}
