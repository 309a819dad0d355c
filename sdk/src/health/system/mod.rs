//! How busy and how full the machine is, or the container: a service that may use half a
//! core of sixty-four is at its limit long before the host is.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(super) use linux::{System, disk};

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{System, disk};

/// Room on a disk, for who is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) free_bytes: u64,
    pub(super) total_bytes: u64,
}

/// Only Linux has `/proc`, which everything here is read from.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::Disk;

    pub(in crate::health) struct System;

    impl System {
        pub(in crate::health) fn start(_: PathBuf) -> Self {
            Self
        }

        pub(in crate::health) fn read(&self) -> Value {
            json!({ "cpu": null, "memory": null, "disk": null })
        }
    }

    pub(in crate::health) fn disk(_: &Path) -> io::Result<Option<Disk>> {
        Ok(None)
    }
}
