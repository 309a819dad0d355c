//! Builds the shop and finds its program.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// Cargo's answer to `--message-format=json`, of which only programs matter here.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds `shop` in the workspace that this program was built from, with Cargo's own
/// progress on stderr, and returns the path of its program.
pub(super) async fn shop() -> Result<PathBuf> {
    // The workspace and not the current folder: the command works from anywhere.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"));
    if !workspace.join("examples/shop").is_dir() {
        bail!(
            "the shop's sources are not at {}; run `cargo demo` in a checkout of Throughline",
            workspace.display()
        );
    }
    // Cargo names itself when it runs a program, so the same toolchain is used.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    // `cargo run` sets these for this program's package. Build scripts, ring's for one, watch
    // them, and would run again at each change between this and a plain `cargo build`.
    for (name, _) in env::vars_os() {
        let of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args([
            "build",
            "--package",
            "shop",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(workspace)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            format!(
                "cannot run {}; install Rust from https://rustup.rs",
                cargo.display()
            )
        })?;

    let mut program = None;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines
            .next_line()
            .await
            .context("cannot read cargo's output")?
        {
            program = built(&line).or(program);
        }
    }
    let status = child.wait().await.context("cannot wait for cargo")?;
    if !status.success() {
        bail!("the shop does not build ({status}); cargo's messages are above");
    }
    program.context("cargo built the shop but named no program")
}

fn built(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    message
        .executable
        .filter(|_| message.target.is_some_and(|target| target.name == "shop"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let program = r#"{"reason":"compiler-artifact","target":{"name":"shop"},"executable":"/target/debug/shop"}"#;
        assert_eq!(built(program), Some("/target/debug/shop".into()));
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"tracing"},"executable":null}"#;
        assert_eq!(built(library), None);
        assert_eq!(built(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(built("not json"), None);
    }
}
