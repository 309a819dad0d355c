//! The examples, as programs: what they print and send is part of what they show.

use std::path::PathBuf;
use std::process::Command;

use throughline_receiver::Receiver;

use super::{Outcome, towards};

/// Runs an example against a receiver of its own, with these variables as well.
pub fn run(name: &str, more: &[(&str, &str)]) -> (Receiver, Outcome) {
    let receiver = Receiver::start().unwrap();
    let output = Command::new(program(name))
        .env_clear()
        .envs(towards(&receiver, "http/protobuf"))
        .envs(more.iter().copied())
        .output()
        .unwrap();
    let outcome = Outcome {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(
        outcome.success,
        "the example failed:\n{}\n{}",
        outcome.stdout, outcome.stderr
    );
    (receiver, outcome)
}

/// Cargo builds the examples with the tests, into the folder beside theirs.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "no {}: `cargo test --test` alone builds no examples; add `--examples`",
        program.display()
    );
    program
}
