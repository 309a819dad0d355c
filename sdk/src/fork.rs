//! Whether this process was forked off the one that telemetry was started in.
//!
//! A fork copies the memory but only the thread that asked for it: nobody sends there, and
//! a lock that another thread held is never released. So a child must not wait for either.

use std::sync::atomic::{AtomicBool, Ordering};

static IN_CHILD: AtomicBool = AtomicBool::new(false);

/// One load; asking the system for the process's id would be a call an item.
pub(crate) fn in_child() -> bool {
    IN_CHILD.load(Ordering::Relaxed)
}

/// From now on a child knows that it is one.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::sync::Once;

    extern "C" fn in_the_child() {
        IN_CHILD.store(true, Ordering::Relaxed);
    }

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a plain function that lives as long as the program and only
        // stores to an atomic, which is allowed between a fork and what follows it. A failure
        // means that there is no memory for the registration, and leaves things as they were.
        #[allow(unsafe_code)]
        unsafe {
            libc::pthread_atfork(None, None, Some(in_the_child));
        }
    });
}

/// Only Unix can fork.
#[cfg(not(unix))]
pub(crate) fn watch() {}
