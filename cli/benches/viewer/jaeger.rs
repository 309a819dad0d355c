//! The program that the image of the project's Jaeger is made of, to run it without a container.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use xtask::{
    engine::Engine,
    images::{self, JAEGER, Priority},
};

/// Where the official image has it, and where the stand-in has it.
const PROGRAM: &str = "/cmd/jaeger/jaeger-linux";

/// Takes the program out of the image, which is pulled or built where it is not there.
pub(crate) fn program() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let to = folder.join(format!(
        "jaeger-{}",
        JAEGER.rsplit(':').next().unwrap_or_default()
    ));
    if to.is_file() {
        return Ok(to);
    }
    let engine = Engine::find(None)?;
    images::ensure(&engine, Priority::Normal)?;
    let container = output(engine.command().args(["create", JAEGER]))?;
    let part = to.with_extension("part");
    let copied = output(
        engine
            .command()
            .arg("cp")
            .arg(format!("{container}:{PROGRAM}"))
            .arg(&part),
    );
    output(engine.command().args(["rm", &container])).ok();
    copied?;
    fs::rename(&part, &to)?;
    Ok(to)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?.trim().to_owned();
    ensure!(text.len() < 4096, "{command:?} says too much");
    Ok(text)
}
