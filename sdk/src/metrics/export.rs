//! What became of the service's telemetry, as metrics: the books of the export, and the
//! memory that waits in it.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::export::{Ledgers, Waiting};

/// Read at each collection; nothing is paid in between. What the collection itself sends is
/// in the books of the next one.
pub(super) fn observe(meter: &Meter, ledgers: &Ledgers, waiting: Waiting) {
    let ledgers = ledgers.clone();
    meter
        .u64_observable_counter("throughline.export.items")
        .with_unit("{item}")
        .with_description(
            "Spans, log records, data points and error reports by what became of them",
        )
        .with_callback(move |observer| {
            for (signal, ledger) in ledgers.by_signal() {
                let books = ledger.read();
                if books.emitted == 0 {
                    continue;
                }
                let signal = KeyValue::new("signal", signal);
                let delivered = KeyValue::new("outcome", "delivered");
                observer.observe(books.delivered, &[signal.clone(), delivered]);
                for (reason, items) in books.dropped {
                    let dropped = KeyValue::new("outcome", "dropped");
                    let reason = KeyValue::new("reason", reason.as_str());
                    observer.observe(items, &[signal.clone(), dropped, reason]);
                }
            }
        })
        .build();
    meter
        .i64_observable_up_down_counter("throughline.queue.bytes")
        .with_unit("By")
        .with_description("Memory of what waits to be sent")
        .with_callback(move |observer| {
            for (signal, bytes) in waiting.bytes() {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                observer.observe(bytes, &[KeyValue::new("signal", signal)]);
            }
        })
        .build();
}
