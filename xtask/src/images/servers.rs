//! The servers that are Go programs, built from their modules with the recipe's pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::context::{self, Work};
use super::recipe::{Go as Recipe, Userland};
use super::{Priority, context::copy};
use crate::golang::Go;
use crate::{debian, process};

pub(super) fn build(work: &Work<'_>, recipe: &Recipe) -> Result<()> {
    let go = Go::find()?;
    let source = work.source();
    if let Some(patch) = recipe.patch {
        let module = recipe.module.context("a patch needs a module")?;
        patch_module(work, &go, module, patch)?;
    }
    let programs = work.context("").with_file_name("programs");
    fs::create_dir_all(&programs).context("cannot make the folder for programs")?;

    let mut command = match work.priority {
        Priority::Normal => go.command(),
        Priority::Background => go.nice_command(),
    };
    command
        .current_dir(&source)
        .args(["build", "-mod=readonly", "-trimpath"]);
    if !recipe.tags.is_empty() {
        command.args(["-tags", recipe.tags]);
    }
    command.args(["-ldflags", recipe.ldflags, "-o"]);
    // A folder must end in a slash; the recipe's own package would be named after its module.
    match recipe.packages {
        "." => command.arg(programs.join(work.image.name)),
        _ => command.arg(format!("{}/", programs.display())),
    };
    work.step("compiling", command.arg(recipe.packages))?;

    let root = work.root();
    match recipe.userland {
        Userland::Certificates => context::add_certificates(&root)?,
        Userland::Distroless => context::add_base(&root)?,
        Userland::Busybox => context::add_busybox(&root)?,
    }
    for (built, path) in recipe.programs {
        copy(&programs.join(built), &root.join(path))?;
    }
    if let Some(module) = recipe.module {
        let folder = module_folder(&go, &source, module)?;
        for (from, to) in recipe.files {
            let to = work.context(to);
            copy(&folder.join(from), &to)?;
            make_writable(&to)?;
        }
    }
    Ok(())
}

/// Where the module's own files are: the module cache, or the patched copy.
fn module_folder(go: &Go, source: &Path, module: &str) -> Result<PathBuf> {
    let folder = process::output(go.command().current_dir(source).args([
        "list",
        "-mod=readonly",
        "-m",
        "-f",
        "{{.Dir}}",
        module,
    ]))?;
    Ok(PathBuf::from(folder.trim()))
}

/// Puts a patched copy of the module into `_src`, which the recipe's `go.mod` points at.
/// `fetch.mod` and `fetch.sum` pin the unpatched module, so the download is verified.
fn patch_module(work: &Work<'_>, go: &Go, module: &str, patch: &str) -> Result<()> {
    let source = work.source();
    let described = process::output(go.command().current_dir(&source).args([
        "mod",
        "download",
        "-modfile=fetch.mod",
        "-json",
        module,
    ]))?;
    let described: serde_json::Value =
        serde_json::from_str(&described).context("`go mod download` gave no JSON")?;
    let folder = described["Dir"]
        .as_str()
        .with_context(|| format!("`go mod download` named no folder for {module}"))?;
    let copy = source.join("_src");
    work.step(
        "copying",
        Command::new("cp").arg("-r").arg(folder).arg(&copy),
    )?;
    work.step(
        "copying",
        Command::new("chmod").args(["-R", "u+w"]).arg(&copy),
    )?;
    if !debian::has_program("patch") {
        debian::install(&["patch"], "the adaptations of servers' sources")?;
    }
    work.step(
        "patching",
        Command::new("patch")
            .args(["--silent", "--strip=1", "--directory"])
            .arg(&copy)
            .arg("--input")
            .arg(source.join(patch)),
    )
}

/// Files of the module cache are read-only, which would keep the context from being removed.
fn make_writable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}
