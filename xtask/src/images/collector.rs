//! The collector's sources, generated from `collector/builder.yaml` by the project's own
//! builder. They are committed, so that a build needs neither the builder nor a look-up
//! of versions; a check keeps them equal to the manifest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::golang::Go;
use crate::{process, workspace};

const BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder";
const MANIFEST: &str = "collector/builder.yaml";
const SOURCES: &str = "xtask/images/collector";
const GENERATED: &[&str] = &[
    "main.go",
    "main_others.go",
    "components.go",
    "go.mod",
    "go.sum",
];

/// Writes the sources again after a change of the manifest.
///
/// # Errors
/// When Go is missing or too old, or a module of the manifest cannot be had.
pub fn regenerate() -> Result<()> {
    let go = Go::find()?;
    let manifest = read(&workspace::root().join(MANIFEST))?;
    let version = distribution_version(&manifest)?;
    let tools = workspace::state("tools");
    let work = workspace::state("collector");
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let log = workspace::log("regenerate-collector")?;
    let beat = |elapsed: std::time::Duration| {
        println!("collector: generating sources, {} s", elapsed.as_secs());
    };

    println!("collector: generating sources with the builder {version}");
    process::logged(
        go.command()
            .env("GOBIN", &tools)
            .args(["install", &format!("{BUILDER}@v{version}")]),
        &log,
        beat,
    )?;
    let output = work.join("_build");
    if output.exists() {
        fs::remove_dir_all(&output)
            .with_context(|| format!("cannot remove {}", output.display()))?;
    }
    // The builder downloads the whole module graph last, which can fail on modules for
    // other systems that no proxy has; by then the sources are complete.
    let generated = process::logged(
        Command::new(tools.join("builder"))
            .current_dir(&work)
            .args(["--skip-compilation", "--config"])
            .arg(workspace::root().join(MANIFEST)),
        &log,
        beat,
    );
    if let Err(error) = generated
        && fs::metadata(output.join("go.sum")).map_or(0, |sum| sum.len()) == 0
    {
        return Err(error);
    }
    for file in GENERATED {
        let to = workspace::root().join(SOURCES).join(file);
        fs::copy(output.join(file), &to).with_context(|| format!("the builder made no {file}"))?;
    }
    check()?;
    println!("collector: {SOURCES} is up to date with {MANIFEST}");
    Ok(())
}

/// Whether the committed sources have exactly the manifest's modules.
///
/// # Errors
/// When they differ; the error names the modules.
pub fn check() -> Result<()> {
    let root = workspace::root();
    let manifest = read(&root.join(MANIFEST))?;
    let sources = read(&root.join(SOURCES).join("components.go"))?
        + &read(&root.join(SOURCES).join("main.go"))?;
    let wanted = modules_of_manifest(&manifest);
    let built = modules_of_sources(&sources);
    ensure!(!wanted.is_empty(), "{MANIFEST} names no modules");
    if wanted != built {
        bail!(
            "{SOURCES} was generated from another {MANIFEST}: only in the manifest: {:?}; only in the sources: {:?}; run `cargo xtask images --regenerate-collector`",
            wanted.difference(&built).collect::<Vec<_>>(),
            built.difference(&wanted).collect::<Vec<_>>()
        );
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The `dist.version`, which is the builder's own version as well.
fn distribution_version(manifest: &str) -> Result<String> {
    manifest
        .lines()
        .find_map(|line| line.strip_prefix("  version: "))
        .map(|version| version.trim().to_owned())
        .with_context(|| format!("{MANIFEST} has no dist.version"))
}

/// `module version` of each `gomod` line.
fn modules_of_manifest(manifest: &str) -> BTreeSet<String> {
    manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- gomod: "))
        .map(|module| module.trim().to_owned())
        .collect()
}

/// `module version` of each entry of the module maps: `x.NewFactory().Type(): "…",`.
fn modules_of_sources(sources: &str) -> BTreeSet<String> {
    sources
        .lines()
        .filter(|line| line.contains(".NewFactory()"))
        .filter_map(|line| line.split_once(": \""))
        .filter_map(|(_, module)| module.strip_suffix("\","))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_sources_have_the_manifests_modules() {
        check().expect("equal sets of modules");
    }

    #[test]
    fn modules_are_read_from_both_forms() {
        let manifest =
            "dist:\n  version: 0.158.0\nreceivers:\n  - gomod: a.example/otlp v0.158.0\n";
        let sources =
            "\t\totlp.NewFactory(),\n\t\totlp.NewFactory().Type(): \"a.example/otlp v0.158.0\",\n";
        assert_eq!(modules_of_manifest(manifest), modules_of_sources(sources));
        assert_eq!(
            distribution_version(manifest).expect("a version"),
            "0.158.0"
        );
    }
}
