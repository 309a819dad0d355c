//! The shop, compiled by the workspace's own cargo, where no base image can be had to compile
//! it in.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Priority;
use super::context::{Work, copy};
use crate::cargo::{cargo, nice_cargo};
use crate::{process, workspace};

/// As `cargo demo` compiles it, so that what is compiled is shared.
const BUILD: [&str; 4] = ["build", "--package", "shop", "--locked"];

/// Compiles it, if cargo sees a change, and gives the path of the program.
pub(super) fn program(priority: Priority) -> Result<PathBuf> {
    let mut compile = match priority {
        Priority::Normal => cargo(),
        Priority::Background => nice_cargo(),
    };
    process::logged(compile.args(BUILD), &workspace::log("shop")?, |elapsed| {
        println!("shop: compiling, {} s", elapsed.as_secs());
    })?;
    // Once more, for the path alone: there is nothing left to compile.
    let messages = process::output(cargo().args(BUILD).arg("--message-format=json"))?;
    executable(&messages).context("cargo compiled the shop and named no program")
}

/// The path in cargo's messages, of which there is one a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "shop")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// What tells this program from the one in the image.
pub(super) fn hash(program: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(program)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .with_context(|| format!("cannot read {}", program.display()))?;
    Ok(format!("{:x}", hasher.finalize()))
}

/// Lays out the program with the libraries that it is linked to, each where it was found.
pub(super) fn build(work: &Work<'_>, program: &Path) -> Result<()> {
    let root = work.root();
    copy(program, &root.join("usr/local/bin/shop"))?;
    for library in libraries(&process::output(Command::new("ldd").arg(program))?) {
        copy(
            Path::new(&library),
            &root.join(library.trim_start_matches('/')),
        )?;
    }
    Ok(())
}

/// The files that `ldd` lists. What the kernel brings, which has no path, is not among them.
fn libraries(listed: &str) -> Vec<String> {
    listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_that_cargo_names() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"tracing"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"shop"},"executable":"/t/debug/shop"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some("/t/debug/shop".into()));
        assert_eq!(executable(r#"{"reason":"build-finished"}"#), None);
    }

    #[test]
    fn libraries_are_the_paths_and_the_kernels_is_none() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries(listed),
            ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
    }
}
