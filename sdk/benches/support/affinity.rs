//! Which core a process runs on: what is measured and what serves it must not take each
//! other's time.

/// The calling thread, and all threads that it starts from now on, stay on this core. Does
/// nothing where there is no such core, or no such call.
#[cfg(target_os = "linux")]
pub fn stay_on(core: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None).unwrap();
    let Some(core) = (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .nth(core)
    else {
        return;
    };
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).unwrap();
}

#[cfg(not(target_os = "linux"))]
pub fn stay_on(_core: usize) {}
