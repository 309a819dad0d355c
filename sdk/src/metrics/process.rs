//! What the system knows of this process, by the conventions:
//! <https://opentelemetry.io/docs/specs/semconv/system/process-metrics/>.
//!
//! Two small files of `/proc` are read at each collection, and nothing in between.

use opentelemetry::metrics::Meter;

/// Only Linux has `/proc`.
#[cfg(not(target_os = "linux"))]
pub(super) fn observe(_: &Meter) {}

#[cfg(target_os = "linux")]
pub(super) fn observe(meter: &Meter) {
    linux::observe(meter);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use opentelemetry::KeyValue;
    use opentelemetry::metrics::Meter;

    /// One collection asks for each metric in turn; this much later it is another one.
    const FRESH: Duration = Duration::from_millis(100);

    /// `/proc/self/stat`, the fields that are used.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Stat {
        user_ticks: u64,
        system_ticks: u64,
        threads: i64,
        /// After boot.
        started_ticks: u64,
        virtual_bytes: i64,
        resident_pages: i64,
    }

    impl Stat {
        /// The program's name, in brackets, may hold anything, so the fields are counted
        /// from its end; `proc_pid_stat(5)` numbers them from one.
        fn parse(text: &str) -> Option<Self> {
            let (_, rest) = text.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
            let field = |number: usize| fields.get(number - 3);
            Some(Self {
                user_ticks: field(14)?.parse().ok()?,
                system_ticks: field(15)?.parse().ok()?,
                threads: field(20)?.parse().ok()?,
                started_ticks: field(22)?.parse().ok()?,
                virtual_bytes: field(23)?.parse().ok()?,
                resident_pages: field(24)?.parse().ok()?,
            })
        }
    }

    /// The last reading, shared by the metrics that come from it.
    #[derive(Clone, Default)]
    struct Reading(Arc<Mutex<Option<(Instant, Stat)>>>);

    impl Reading {
        fn get(&self) -> Option<Stat> {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, stat)) = *last
                && at.elapsed() < FRESH
            {
                return Some(stat);
            }
            let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
            *last = Some((Instant::now(), stat));
            Some(stat)
        }
    }

    pub(super) fn observe(meter: &Meter) {
        let reading = Reading::default();
        let page = i64::try_from(rustix::param::page_size()).unwrap_or(4096);
        observe_times(meter, &reading);
        let level = |name: &'static str, unit, description, read: Box<Read>| {
            meter
                .i64_observable_up_down_counter(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(move |observer| {
                    if let Some(value) = read() {
                        observer.observe(value, &[]);
                    }
                })
                .build();
        };
        let stat = |of: fn(Stat) -> i64| -> Box<Read> {
            let reading = reading.clone();
            Box::new(move || reading.get().map(of))
        };
        let resident = stat(|stat| stat.resident_pages);
        level(
            "process.memory.usage",
            "By",
            "The amount of physical memory in use",
            Box::new(move || resident().map(|pages| pages * page)),
        );
        level(
            "process.memory.virtual",
            "By",
            "The amount of committed virtual memory",
            stat(|stat| stat.virtual_bytes),
        );
        level(
            "process.thread.count",
            "{thread}",
            "Process threads count",
            stat(|stat| stat.threads),
        );
        level(
            "process.unix.file_descriptor.count",
            "{file_descriptor}",
            "Number of unix file descriptors in use by the process",
            Box::new(open_files),
        );
    }

    type Read = dyn Fn() -> Option<i64> + Send + Sync;

    fn observe_times(meter: &Meter, reading: &Reading) {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let user = [KeyValue::new("cpu.mode", "user")];
        let system = [KeyValue::new("cpu.mode", "system")];
        let stat = reading.clone();
        meter
            .f64_observable_counter("process.cpu.time")
            .with_unit("s")
            .with_description("Total CPU seconds broken down by different CPU modes")
            .with_callback(move |observer| {
                if let Some(stat) = stat.get() {
                    observer.observe(stat.user_ticks as f64 / per_second, &user);
                    observer.observe(stat.system_ticks as f64 / per_second, &system);
                }
            })
            .build();
        let stat = reading.clone();
        meter
            .f64_observable_gauge("process.uptime")
            .with_unit("s")
            .with_description("The time the process has been running")
            .with_callback(move |observer| {
                if let (Some(stat), Some(up)) = (stat.get(), system_uptime()) {
                    let started = stat.started_ticks as f64 / per_second;
                    observer.observe((up - started).max(0.0), &[]);
                }
            })
            .build();
    }

    fn system_uptime() -> Option<f64> {
        let text = fs::read_to_string("/proc/uptime").ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()
    }

    /// Since Linux 6.2 the folder's size is their number; before, it is 0, and they have
    /// to be counted.
    fn open_files() -> Option<i64> {
        const FOLDER: &str = "/proc/self/fd";
        let told = fs::metadata(FOLDER).ok()?.len();
        if told > 0 {
            return i64::try_from(told).ok();
        }
        // Listing opens one more.
        let listed = fs::read_dir(FOLDER).ok()?.count();
        i64::try_from(listed.saturating_sub(1)).ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
            let line = "7 (a) b) c) S 1 1 1 0 -1 4194560 9 9 9 9 11 12 0 0 20 0 \
                        3 0 4242 1048576 256 18446744073709551615 1 1";
            assert_eq!(
                Stat::parse(line),
                Some(Stat {
                    user_ticks: 11,
                    system_ticks: 12,
                    threads: 3,
                    started_ticks: 4242,
                    virtual_bytes: 1_048_576,
                    resident_pages: 256,
                })
            );
            assert_eq!(Stat::parse("7 (a) S 1"), None);
        }

        #[test]
        fn open_files_are_counted_either_way() {
            let before = open_files().unwrap();
            assert!(before >= 3, "{before}");
        }
    }
}
