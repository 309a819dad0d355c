//! Coverage-guided fuzzing of every parser of outside input (`fuzz/`).
//!
//! `cargo fuzz` needs a nightly compiler for its sanitizers. The coverage alone, which is what
//! guides libFuzzer, is had from flags of the stable one; memory errors are not what safe Rust
//! is tested for.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cargo::cargo;
use crate::{debian, process, workspace};

/// What makes the compiler mark every edge and comparison for libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What one target's run came to.
#[derive(Debug)]
pub struct Run {
    /// The target.
    pub target: String,
    /// How many inputs were tried, or what was found.
    pub inputs: Result<u64>,
}

/// Builds the fuzzer and gives each target so much time, as many at once as there are cores.
///
/// # Errors
/// Where the fuzzer cannot be built, or there is no such target.
pub fn run(only: Option<&str>, each: Duration) -> Result<Vec<Run>> {
    let mut targets = targets()?;
    if let Some(only) = only {
        targets.retain(|target| target == only);
        if targets.is_empty() {
            bail!("there is no target {only}: it has no folder in fuzz/seeds");
        }
    }
    let program = build()?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(VecDeque::from(targets));
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front();
                    let Some(target) = next else { return };
                    let inputs = one(&program, &target, each);
                    match &inputs {
                        Ok(inputs) => println!("{target}: {inputs} inputs"),
                        Err(error) => println!("{target}: {error:#}"),
                    }
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Run { target, inputs });
                }
            });
        }
    });
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn seeds() -> PathBuf {
    workspace::root().join("fuzz/seeds")
}

/// The folders of seeds; the program knows their names.
fn targets() -> Result<Vec<String>> {
    let folder = seeds();
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        targets.push(entry?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    Ok(targets)
}

fn build() -> Result<PathBuf> {
    if !debian::has_program("c++") {
        debian::install(&["g++"], "libFuzzer is C++")?;
    }
    let host = process::output(Command::new("rustc").arg("-vV"))?;
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not name its host")?;
    let folder = workspace::root().join("target/fuzz");
    process::run(
        cargo()
            .args([
                "build",
                "--release",
                "--package=throughline-fuzz",
                "--locked",
            ])
            // With a target the flags are not those of build scripts and macros too.
            .arg(format!("--target={host}"))
            .arg(format!("--target-dir={}", folder.display()))
            .env("RUSTFLAGS", FLAGS)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            // Building takes longer than fuzzing.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64")
            .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
            .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    )?;
    Ok(folder.join(host).join("release/throughline-fuzz"))
}

/// How many inputs one target saw; what it found is in the error.
fn one(program: &Path, target: &str, time: Duration) -> Result<u64> {
    let corpus = workspace::root().join("target/fuzz/corpus").join(target);
    let found = workspace::root().join("target/fuzz/found").join(target);
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let output = Command::new(program)
        .env("FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "1")
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-artifact_prefix={}/", found.display()))
        // A parser that takes seconds for a few kilobytes is a finding as well.
        .args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg(&corpus)
        .arg(seeds().join(target))
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "an input was found, {}; run it again with FUZZ_TARGET={target} {} FILE\n{}",
            found.display(),
            program.display(),
            process::tail(&said, 40)
        );
    }
    said.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|count| count.trim().parse().ok())
        .with_context(|| format!("it does not say how many inputs it ran:\n{said}"))
}
