//! Telemetry is global to a process and is set up by its environment, so each case runs in
//! a process of its own: the test binary again, told to run that one test as its child.

// Each set of features uses a part of this, and nothing exports it.
#![allow(dead_code, unreachable_pub)]

pub mod child;
pub mod example;
pub mod faulty;
pub mod intake;
pub mod pki;
pub mod readings;
pub mod resident;
pub mod semconv;

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use throughline_receiver::Receiver;
use throughline_receiver::proto::common::v1::any_value::Value;

const CHILD: &str = "THROUGHLINE_TEST_CHILD";

const STARTED: &str = "throughline: started: ";

/// What a child left behind.
#[derive(Debug)]
pub struct Outcome {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The JSON lines on standard output.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            // The test harness may have begun the line with its own words.
            .filter_map(|line| line.find('{').map(|at| &line[at..]))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// What the SDK said of itself on standard error, without the line at start, which is
    /// always there.
    pub fn diagnostics(&self) -> Vec<&str> {
        self.stderr
            .lines()
            .filter(|line| line.starts_with("throughline: ") && !line.starts_with(STARTED))
            .collect()
    }

    /// The line at start that says what was decided.
    pub fn started(&self) -> Option<&str> {
        self.stderr
            .lines()
            .find_map(|line| line.strip_prefix(STARTED))
    }
}

/// Runs `body` in a child process with these variables and no others of telemetry's.
///
/// `test` is the name of the calling test, without its module: in the child the same call runs
/// the body and ends the process.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Outcome {
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        body();
        std::process::exit(0);
    }
    let output = command(test)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let outcome = Outcome {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(
        outcome.success,
        "the child failed:\n{}\n{}",
        outcome.stdout, outcome.stderr
    );
    outcome
}

/// This binary again, to run that one test as its child, without a variable of telemetry's.
fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([path(test), "--exact", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::null());
    for (variable, _) in std::env::vars() {
        let telemetrys = [
            "OTEL_",
            "SENTRY_",
            "RUST_LOG",
            "THROUGHLINE_",
            "KUBERNETES_",
            "K8S_",
            "HOSTNAME",
        ];
        if telemetrys.iter().any(|prefix| variable.starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    // One that forgot to end in its own body would start children of its own, without end.
    assert!(std::env::var_os(CHILD).is_none(), "a child starts none");
    command.env(CHILD, test).env("RUST_BACKTRACE", "0");
    command
}

/// The test's name with its modules, as the harness lists it. A name that it does not know
/// would run no test at all, which counts as a success.
fn path(test: &str) -> &'static str {
    static LISTED: OnceLock<Vec<String>> = OnceLock::new();
    let listed = LISTED.get_or_init(|| {
        let listing = Command::new(std::env::current_exe().unwrap())
            .args(["--list", "--format=terse"])
            .output()
            .unwrap();
        let lines = String::from_utf8(listing.stdout).unwrap();
        let tests = lines.lines().filter_map(|line| line.strip_suffix(": test"));
        tests.map(str::to_owned).collect()
    });
    let mut named = listed
        .iter()
        .filter(|path| path.rsplit("::").next() == Some(test));
    match (named.next(), named.next()) {
        (Some(path), None) => path,
        (None, _) => panic!("there is no test {test}"),
        (Some(one), Some(other)) => panic!("{one} and {other} need names of their own"),
    }
}

pub fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|child| child == test)
}

/// The protocols, as their variables want them.
#[cfg(feature = "grpc")]
pub const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];
#[cfg(not(feature = "grpc"))]
pub const PROTOCOLS: [&str; 1] = ["http/protobuf"];

/// The compressions, as their variable wants them.
pub const COMPRESSIONS: &[&str] = &[
    "none",
    #[cfg(feature = "gzip")]
    "gzip",
    #[cfg(feature = "zstd")]
    "zstd",
];

/// The protocol, or HTTP where it was not built: most cases are about something else, and
/// name gRPC to vary it. What is about gRPC itself walks over [`PROTOCOLS`].
pub fn built(protocol: &'static str) -> &'static str {
    if PROTOCOLS.contains(&protocol) {
        protocol
    } else {
        "http/protobuf"
    }
}

/// The variables that send to this receiver.
pub fn towards(receiver: &Receiver, protocol: &'static str) -> Vec<(&'static str, String)> {
    let protocol = built(protocol);
    let endpoint = match protocol {
        "grpc" => receiver.grpc_endpoint(),
        _ => receiver.http_endpoint(),
    };
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
    ]
}

/// A receiver, and what the child left behind that sent to it by `protocol`.
///
/// In the child itself no receiver is started.
pub fn received_by(
    test: &str,
    protocol: &'static str,
    more: &[(&'static str, &str)],
    body: impl FnOnce(),
) -> (Receiver, Outcome) {
    if is_child(test) {
        in_child(test, &[], body);
        unreachable!("the child ends in its body");
    }
    let receiver = Receiver::start().unwrap();
    let mut variables = towards(&receiver, protocol);
    variables.extend(
        more.iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    let borrowed: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let outcome = in_child(test, &borrowed, body);
    (receiver, outcome)
}

/// An attribute's value as text; what is absent or has no such form is a failed test.
pub fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => panic!("not an attribute with a simple value: {other:?}"),
    }
}
