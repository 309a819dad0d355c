//! The whole machine, by `proc_stat(5)` and `proc_meminfo(5)`.

use std::fs;

/// Seconds of processor time used since boot, and the number of processors.
pub(super) fn cpu() -> Option<(f64, f64)> {
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let (ticks, cores) = busy(&fs::read_to_string("/proc/stat").ok()?)?;
    Some((ticks as f64 / per_second, cores as f64))
}

fn busy(stat: &str) -> Option<(u64, usize)> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = all
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in the user's.
    let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    let is_core = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let cores = stat.lines().filter(is_core).count();
    Some((user + nice + system + irq + softirq + steal, cores))
}

/// Bytes that are used and could not be had, and all there are.
pub(super) fn memory() -> Option<(u64, u64)> {
    used(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn used(meminfo: &str) -> Option<(u64, u64)> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    let total = bytes("MemTotal:")?;
    Some((total.saturating_sub(bytes("MemAvailable:")?), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_time_is_not_use() {
        let stat = "cpu  10 1 5 1000 500 2 3 4 7 0\ncpu0 5 0 2 500 250 1 1 2 3 0\ncpu1 5 1 3 500 250 1 2 2 4 0\nintr 1 2\n";
        assert_eq!(busy(stat), Some((25, 2)));
        assert_eq!(busy("cpu  1 2\n"), None);
        assert_eq!(busy("intr 1\n"), None);
    }

    #[test]
    fn memory_that_can_be_had_is_not_used() {
        let meminfo = "MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    400 kB\n";
        assert_eq!(used(meminfo), Some((600 * 1024, 1000 * 1024)));
        assert_eq!(used("MemTotal: x kB\n"), None);
    }
}
