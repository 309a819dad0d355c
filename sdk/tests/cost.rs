//! What the streams, operations and jobs cost where nobody wants their records: allocations
//! are counted in a process of its own.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use throughline::performance::timed_sync;
use throughline::streams::{Money, analytics, audit, business, security};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is the system allocator's, with a count beside it that allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of this thread.
fn allocations(work: impl Fn()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn macros() {
    let (order, name) = (7, "ada");
    throughline::security!(
        "auth.login.failed",
        event.severity = "medium",
        user.name = name,
        "{name} of {order}"
    );
    throughline::business!(
        "order.returned",
        order.id = order,
        note = format!("{order}")
    );
    throughline::performance!("query.storm", db.query.count = 51);
    throughline::analytics!("feature.used", feature.name = ?name);
}

fn functions() {
    security::login_failed().user_name("ada").attempts(3).emit();
    security::account_disabled(7).by("admin").reason("x").emit();
    audit::updated("story", 42).changes("title").emit();
    business::checkout_completed(7)
        .amount(Money::minor(9_999, "EUR"))
        .emit();
    analytics::page_viewed("/stories/{id}").emit();
    analytics::session_ended("s-1", Duration::from_secs(431)).emit();
}

#[test]
fn what_nobody_wants_allocates_nothing() {
    let telemetry = throughline::builder("cost")
        .log_format(throughline::LogFormat::Off)
        .filter("off")
        .init()
        .unwrap();
    // Callsites register at their first use.
    macros();
    functions();
    assert_eq!(allocations(macros), 0);
    assert_eq!(allocations(functions), 0);

    // What is counted is counted: the same with the filter open.
    telemetry.set_filter("info").unwrap();
    macros();
    assert!(allocations(macros) > 0);
    telemetry.set_filter("off").unwrap();

    // A span that is not kept, and the labels of its duration.
    let operation = || timed_sync("work", || ());
    operation();
    let per_operation = (0..64).map(|_| allocations(operation)).min().unwrap();
    assert!(per_operation <= OPERATION, "{per_operation}");
    drop(telemetry.shutdown_within(Duration::from_millis(1)));
}

/// What an operation allocates: its span, and one list of labels.
const OPERATION: u64 = 14;
