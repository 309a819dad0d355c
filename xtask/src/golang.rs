//! The Go toolchain that builds the stand-in images.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{debian, process};

/// What Loki's module asks for; every other server is content with less.
const NEEDED: (u32, u32, u32) = (1, 26, 5);

/// The Go program, once it is known to be recent enough.
#[derive(Clone, Debug)]
pub(crate) struct Go {
    program: PathBuf,
}

impl Go {
    pub(crate) fn find() -> Result<Self> {
        let (major, minor, patch) = NEEDED;
        let advice = format!(
            "install Go {major}.{minor}.{patch} or later (https://go.dev/dl), or Docker with access to the image registry, which needs no Go"
        );
        let usual = Path::new("/usr/local/go/bin/go");
        let program = if debian::has_program("go") {
            PathBuf::from("go")
        } else if usual.is_file() {
            usual.to_owned()
        } else {
            bail!("building the stand-in images needs Go, which is not in PATH: {advice}");
        };
        let go = Self { program };
        let version = process::output(go.command().args(["env", "GOVERSION"]))?;
        let version = version.trim();
        let found = parse(version).with_context(|| format!("`{version}` is no version of Go"))?;
        if found < NEEDED {
            bail!("building the stand-in images found {version}, which is too old: {advice}");
        }
        Ok(go)
    }

    /// `go`, cut off from settings of the machine that would change what is built.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        Self::settle(&mut command);
        command
    }

    /// The same behind `nice`, for builds beside others.
    pub(crate) fn nice_command(&self) -> Command {
        let mut command = Command::new("nice");
        command.args(["-n", "15"]).arg(&self.program);
        Self::settle(&mut command);
        command
    }

    fn settle(command: &mut Command) {
        command
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-buildvcs=false");
    }
}

/// `go1.26.8`, `go1.27rc1`, `go1.26.8 X:something`.
fn parse(version: &str) -> Option<(u32, u32, u32)> {
    let numbers = version.strip_prefix("go")?;
    let end = numbers
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(numbers.len());
    let mut parts = numbers[..end].split('.').map(|part| part.parse().ok());
    let major = parts.next()??;
    let minor = parts.next()??;
    let patch = parts.next().flatten().unwrap_or(0);
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_by_number() {
        assert_eq!(parse("go1.26.8"), Some((1, 26, 8)));
        assert_eq!(parse("go1.27rc1"), Some((1, 27, 0)));
        assert_eq!(parse("go1.26.10 X:nodwarf5"), Some((1, 26, 10)));
        assert_eq!(parse("devel"), None);
        assert!(parse("go1.26.10") > Some(NEEDED));
        assert!(parse("go1.9.9") < Some(NEEDED));
    }
}
