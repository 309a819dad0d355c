//! The examples, run as their readers run them. They are built with the tests.

use std::path::PathBuf;
use std::process::Command;

use throughline_receiver::Receiver;

use super::towards;

/// What an example sent, which has to end well.
pub fn ran(name: &str, variables: &[(&str, &str)]) -> Receiver {
    let receiver = Receiver::start().unwrap();
    let output = Command::new(binary(name))
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_LOG")
        .envs(towards(&receiver, "http/protobuf"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {output:#?}");
    receiver
}

/// Beside the folder of the tests' own program.
fn binary(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "no {path:?}: `cargo test -p throughline` builds it, `--test wire` alone does not"
    );
    path
}
