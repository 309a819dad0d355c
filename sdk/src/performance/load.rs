//! What the process used while something was slow: whether it waited, or computed, or had no
//! memory left.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

/// The CPU time of the process at a moment shortly before an operation began. Operations take
/// it from one reading, as each would otherwise begin with a system call of nearly a microsecond,
/// for the few that are slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Milliseconds, of the clock and of the CPU. They wrap after 49 days, which differences
    /// do not mind.
    wall: u32,
    cpu: u32,
}

/// The last reading: 32 bits of each.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A reading serves those who begin within so many milliseconds. What is slow lasts for ten
/// times as long at least, unless somebody says otherwise.
const FRESH: u32 = 100;

impl Mark {
    pub(crate) fn at(now: Instant) -> Self {
        let last = Self::unpack(LAST.load(Ordering::Relaxed));
        let wall = millis(now);
        if last != Self::unpack(0) && wall.wrapping_sub(last.wall) < FRESH {
            return last;
        }
        let cpu = cpu_millis().unwrap_or_default();
        let mark = Self { wall, cpu };
        LAST.store(mark.pack(), Ordering::Relaxed);
        mark
    }

    /// The share of all CPUs that the process has used since: 1 is all of them.
    pub(crate) fn utilization(self, now: Instant) -> Option<f64> {
        static CPUS: LazyLock<f64> =
            LazyLock::new(|| available_parallelism().map_or(1.0, |count| count.get() as f64));
        let cpu = cpu_millis()?.wrapping_sub(self.cpu);
        let wall = millis(now).wrapping_sub(self.wall).max(1);
        Some(f64::from(cpu) / f64::from(wall) / *CPUS)
    }

    const fn pack(self) -> u64 {
        (self.wall as u64) << 32 | self.cpu as u64
    }

    const fn unpack(packed: u64) -> Self {
        Self {
            wall: (packed >> 32) as u32,
            cpu: packed as u32,
        }
    }
}

fn millis(now: Instant) -> u32 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The low bits are meant: it may wrap. Zero is kept for "never".
    (now.saturating_duration_since(*START).as_millis() as u32).wrapping_add(1)
}

/// Of all threads, also of those that have ended.
#[cfg(target_os = "linux")]
fn cpu_millis() -> Option<u32> {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::ProcessCPUTime);
    let millis = time.tv_sec.wrapping_mul(1_000) + time.tv_nsec / 1_000_000;
    Some(millis as u32)
}

/// The physical memory of the process, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(not(target_os = "linux"))]
fn cpu_millis() -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mark_is_packed_whole() {
        for mark in [(1, 0), (u32::MAX, 7), (7, u32::MAX)] {
            let mark = Mark {
                wall: mark.0,
                cpu: mark.1,
            };
            assert_eq!(Mark::unpack(mark.pack()), mark);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_computes_uses_its_share() {
        let start = Instant::now();
        let mark = Mark::at(start);
        while start.elapsed() < Duration::from_millis(300) {
            black_box((0..1_000_u64).sum::<u64>());
        }
        let used = mark.utilization(Instant::now()).unwrap();
        // The other threads of the tests compute as well, and the machine may be busy.
        assert!(used > 0.0, "{used}");
        assert!(used <= 1.5, "{used}");
        assert!(memory().unwrap() > 100_000);
    }
}
