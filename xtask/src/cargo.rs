//! The cargo that runs this program, and what it knows of the SDK's features.

use std::ffi::OsString;
use std::fmt;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{process, workspace};

/// The cargo that runs this program, in the workspace's root.
pub(crate) fn cargo() -> Command {
    settled(Command::new(own()))
}

/// The same behind `nice`, for builds beside others.
pub(crate) fn nice_cargo() -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "15"]).arg(own());
    settled(command)
}

fn own() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn settled(mut command: Command) -> Command {
    // `cargo run` tells this program about its own package. Build scripts that watch these
    // variables (ring's does) would run again each time that plain cargo takes turns with us.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_a_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace::root());
    command
}

fn is_about_a_package(variable: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| variable.starts_with(prefix))
}

/// Which of the SDK's features a command builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Features {
    Without,
    Alone(String),
    Default,
    All,
}

impl Features {
    /// As arguments of cargo.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Without => vec!["--no-default-features"],
            Self::Alone(feature) => vec!["--no-default-features", "--features", feature],
            Self::Default => Vec::new(),
            Self::All => vec!["--all-features"],
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Without => f.write_str("no feature"),
            Self::Alone(feature) => write!(f, "{feature} alone"),
            Self::Default => f.write_str("the default features"),
            Self::All => f.write_str("all features"),
        }
    }
}

/// The SDK's features as its manifest declares them, without `default`.
pub(crate) fn features() -> Result<Vec<String>> {
    let metadata =
        process::output(cargo().args(["metadata", "--no-deps", "--format-version=1", "--locked"]))?;
    named(&metadata).context("cargo's metadata has no features of throughline")
}

fn named(metadata: &str) -> Option<Vec<String>> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    let mut packages = metadata["packages"].as_array()?.iter();
    let sdk = packages.find(|package| package["name"] == "throughline")?;
    let names = sdk["features"].as_object()?.keys();
    Some(names.filter(|name| *name != "default").cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_settings_of_cargo_are_passed_on() {
        assert!(is_about_a_package("CARGO_PKG_NAME"));
        assert!(!is_about_a_package("CARGO_HOME"));
        assert!(!is_about_a_package("CARGO_TARGET_DIR"));
    }

    #[test]
    fn the_features_are_the_sdks_and_default_is_none() {
        let metadata = r#"{"packages": [
            {"name": "other", "features": {"x": []}},
            {"name": "throughline", "features": {"default": ["tls"], "grpc": [], "tls": []}}
        ]}"#;
        assert_eq!(named(metadata).unwrap(), ["grpc", "tls"]);
        assert_eq!(named(r#"{"packages": []}"#), None);
    }
}
