//! Podman and podman-compose, set up so that they also run where there is no systemd and
//! no right to raise resource limits (build machines, sandboxes).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{debian, process, venv, workspace};

const PACKAGES: &[&str] = &[
    "podman",
    "buildah",
    "runc",
    "netavark",
    "aardvark-dns",
    "iptables",
    "nftables",
];

/// How to call Podman on this machine.
#[derive(Clone, Debug)]
pub struct Podman {
    compose: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Podman {
    pub(crate) fn ensure() -> Result<Self> {
        if !debian::has_program("podman") {
            debian::install(PACKAGES, "the container engine")?;
        }
        let requirements = workspace::root().join("xtask/podman-compose/requirements.txt");
        let programs = venv::ensure("podman-compose", &requirements)?;
        let mut podman = Self {
            compose: programs.join("podman-compose"),
            environment: Vec::new(),
        };
        if let Some(settings) = engine_settings()? {
            let path = workspace::state("containers.conf");
            // Not written again when it is right: another Podman may be reading it.
            if fs::read_to_string(&path).ok().as_deref() != Some(&settings) {
                fs::create_dir_all(workspace::state(""))
                    .and_then(|()| fs::write(&path, settings))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            podman
                .environment
                .push(("CONTAINERS_CONF", path.display().to_string()));
        }
        if std::env::var_os("STORAGE_DRIVER").is_none() && !podman.answers() {
            // Without overlay in the kernel only plain copies work: slower, but they work.
            podman
                .environment
                .push(("STORAGE_DRIVER", "vfs".to_owned()));
        }
        process::output(podman.command().arg("info"))
            .context("podman is installed but does not answer")?;
        Ok(podman)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn compose(&self) -> Command {
        let mut command = Command::new(&self.compose);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn answers(&self) -> bool {
        process::succeeds(self.command().arg("info"), Duration::from_secs(30))
    }
}

/// The `containers.conf` that this machine needs, or none where Podman's defaults do.
fn engine_settings() -> Result<Option<String>> {
    if std::env::var_os("CONTAINERS_CONF").is_some() {
        return Ok(None);
    }
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read the limits")?;
    let status = fs::read_to_string("/proc/self/status").context("cannot read the status")?;
    Ok(settings(
        Path::new("/run/systemd/system").is_dir(),
        can_raise_limits(&status) || !debian::is_root()?,
        &limits,
    ))
}

fn settings(systemd: bool, can_raise_limits: bool, limits: &str) -> Option<String> {
    let mut text = String::new();
    if !can_raise_limits {
        // Podman asks for a million of each, which ends in `setrlimit: not permitted`.
        let files = hard_limit(limits, "Max open files").unwrap_or(1024);
        let processes = hard_limit(limits, "Max processes")
            .unwrap_or(1000)
            .min(4096);
        let _ = writeln!(
            text,
            "[containers]\ndefault_ulimits = [\"nofile={files}:{files}\", \"nproc={processes}:{processes}\"]"
        );
    }
    if !systemd {
        // No systemd: no cgroup slices to ask it for, and no journal to log events to.
        text.push_str(
            "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
        );
    }
    (!text.is_empty()).then_some(text)
}

/// Whether this process holds CAP_SYS_RESOURCE (bit 24).
fn can_raise_limits(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << 24) != 0)
}

fn hard_limit(limits: &str, name: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|hard| hard.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units\n\
        Max processes             96365                96365                processes\n\
        Max open files            1024                 20000                files\n";

    #[test]
    fn an_ordinary_machine_keeps_podmans_defaults() {
        assert_eq!(settings(true, true, LIMITS), None);
    }

    #[test]
    fn a_sandbox_gets_limits_that_it_may_set_and_no_systemd() {
        let settings = settings(false, false, LIMITS).expect("settings are needed");
        assert!(settings.contains("nofile=20000:20000"), "{settings}");
        assert!(settings.contains("nproc=4096:4096"), "{settings}");
        assert!(settings.contains("cgroupfs"), "{settings}");
    }

    #[test]
    fn the_right_to_raise_limits_is_read_from_the_capability_mask() {
        assert!(can_raise_limits("CapEff:\t000001ffffffffff\n"));
        assert!(!can_raise_limits("CapEff:\t000001fffeffffff\n"));
    }
}
