//! The readings put together: the container's where it has a limit, else the host's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::running::percent;
use super::Disk;
use super::cgroup::Cgroup;
use super::host;

/// A use of the processor over less time is mostly chance: the counters move in steps of ten
/// milliseconds.
const SHORTEST: Duration = Duration::from_millis(200);

/// Seconds of processor time that were used, and how many a second there could be.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    used: f64,
    cores: f64,
}

pub(in crate::health) struct System {
    cgroup: Option<Cgroup>,
    disk: PathBuf,
    cpu: Mutex<Used>,
}

/// The processor's use between the last two readings.
#[derive(Default)]
struct Used {
    last: Option<(Instant, Cpu)>,
    percent: Option<f64>,
}

impl System {
    /// The first reading of the processor; the second tells its use since.
    pub(in crate::health) fn start(disk: PathBuf) -> Self {
        let cgroup = Cgroup::own();
        let last = cpu(cgroup.as_ref()).map(|cpu| (Instant::now(), cpu));
        let used = Used {
            last,
            percent: None,
        };
        Self {
            cgroup,
            disk,
            cpu: Mutex::new(used),
        }
    }

    /// `metrics.system` of the detailed page. What cannot be read is `null`.
    pub(in crate::health) fn read(&self) -> Value {
        json!({
            "cpu": self.cpu(),
            "memory": self.memory(),
            "disk": self.disk(),
        })
    }

    fn cpu(&self) -> Value {
        let Some(now) = cpu(self.cgroup.as_ref()) else {
            return Value::Null;
        };
        let mut used = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        used.advance(Instant::now(), now);
        json!({ "usage_percent": used.percent, "cores": now.cores })
    }

    fn memory(&self) -> Value {
        let of_container = self.cgroup.as_ref().and_then(Cgroup::memory);
        let Some((used, limit)) = of_container.or_else(host::memory) else {
            return Value::Null;
        };
        json!({
            "usage_percent": percent(used as f64, limit as f64),
            "used_bytes": used,
            "limit_bytes": limit,
        })
    }

    fn disk(&self) -> Value {
        let Ok(Some(disk)) = disk(&self.disk) else {
            return Value::Null;
        };
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        json!({
            "usage_percent": percent(used as f64, disk.total_bytes as f64),
            "free_bytes": disk.free_bytes,
            "total_bytes": disk.total_bytes,
        })
    }
}

impl Used {
    fn advance(&mut self, at: Instant, now: Cpu) {
        let Some((before, then)) = self.last else {
            self.last = Some((at, now));
            return;
        };
        let time = at.saturating_duration_since(before);
        if time < SHORTEST {
            return;
        }
        let could = time.as_secs_f64() * now.cores;
        self.percent = Some(percent((now.used - then.used).max(0.0), could));
        self.last = Some((at, now));
    }
}

fn cpu(cgroup: Option<&Cgroup>) -> Option<Cpu> {
    let of_container = cgroup.and_then(Cgroup::cpu);
    let (used, cores) = of_container.or_else(host::cpu)?;
    Some(Cpu { used, cores })
}

/// What is free on the disk of this path.
pub(in crate::health) fn disk(path: &Path) -> io::Result<Option<Disk>> {
    let found = rustix::fs::statvfs(path)?;
    // What is kept for root is neither used nor to be had, as `df` reckons.
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    let total = used.saturating_add(found.f_bavail);
    Ok(Some(Disk {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: total.saturating_mul(found.f_frsize),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_use_is_that_of_the_time_between_two_readings() {
        let start = Instant::now();
        let later = |millis| start + Duration::from_millis(millis);
        let cpu = |used| Cpu { used, cores: 0.5 };
        let mut used = Used::default();
        used.advance(start, cpu(10.0));
        assert_eq!(used.percent, None, "one reading tells nothing");
        used.advance(later(100), cpu(11.0));
        assert_eq!(used.percent, None, "too soon");
        used.advance(later(1_000), cpu(10.25));
        assert_eq!(used.percent, Some(50.0), "a quarter second of half a core");
        used.advance(later(1_100), cpu(99.0));
        assert_eq!(used.percent, Some(50.0), "too soon, and the last one stays");
        used.advance(later(3_000), cpu(10.25));
        assert_eq!(used.percent, Some(0.0));
    }

    #[test]
    fn this_machine_can_be_read() {
        let system = System::start(PathBuf::from("."));
        let read = system.read();
        let memory = read["memory"]["usage_percent"].as_f64().unwrap();
        assert!(memory > 0.0 && memory <= 100.0, "{read}");
        assert!(read["cpu"]["cores"].as_f64().unwrap() > 0.0, "{read}");
        let disk = &read["disk"];
        assert!(
            disk["total_bytes"].as_u64() > disk["free_bytes"].as_u64(),
            "{read}"
        );
        assert!(disk_of_nowhere().is_err());
    }

    fn disk_of_nowhere() -> io::Result<Option<Disk>> {
        disk(Path::new("/nowhere/at/all"))
    }
}
