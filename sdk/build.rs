//! Asks the compiler for its version, which `process.runtime.version` tells. There is no
//! other way: `env!` knows only the lowest version that the crate accepts.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let Some(rustc) = std::env::var_os("RUSTC") else {
        return;
    };
    let Ok(answer) = Command::new(rustc).arg("--version").output() else {
        return;
    };
    let text = String::from_utf8_lossy(&answer.stdout);
    // "rustc 1.91.0 (f8297e351 2025-10-28)"
    if let Some(version) = text.split_ascii_whitespace().nth(1) {
        println!("cargo::rustc-env=THROUGHLINE_RUSTC_VERSION={version}");
    }
}
