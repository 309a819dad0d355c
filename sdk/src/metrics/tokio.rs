//! What stable Tokio tells of a runtime, read at each collection. Polls and local queues
//! need `tokio_unstable`, so they are not here.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use tokio::runtime::Handle;

use super::SCOPE;
use crate::Telemetry;

/// The name of the runtime that `init` found or was given.
pub(super) const MAIN: &str = "main";

const RUNTIME: &str = "tokio.runtime.name";

pub(super) fn current() -> Option<Handle> {
    Handle::try_current().ok()
}

pub(super) fn observe(meter: &Meter, name: &str, runtime: &Handle) {
    let level = |metric: &'static str, unit, description, read: fn(&Handle) -> usize| {
        let runtime = runtime.clone();
        let attributes = [KeyValue::new(RUNTIME, name.to_owned())];
        meter
            .i64_observable_up_down_counter(metric)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                observer.observe(read(&runtime) as i64, &attributes);
            })
            .build();
    };
    level(
        "tokio.worker.count",
        "{worker}",
        "Worker threads of the runtime",
        |runtime| runtime.metrics().num_workers(),
    );
    level(
        "tokio.task.count",
        "{task}",
        "Tasks that have not ended",
        |runtime| runtime.metrics().num_alive_tasks(),
    );
    level(
        "tokio.global_queue.size",
        "{task}",
        "Tasks that wait in the runtime's global queue",
        |runtime| runtime.metrics().global_queue_depth(),
    );
    observe_workers(meter, name, runtime);
}

/// Tokio counts these in 64-bit atomics, which some targets lack.
#[cfg(not(target_has_atomic = "64"))]
fn observe_workers(_: &Meter, _: &str, _: &Handle) {}

#[cfg(target_has_atomic = "64")]
fn observe_workers(meter: &Meter, name: &str, runtime: &Handle) {
    let attributes = |runtime: &Handle| -> Vec<[KeyValue; 2]> {
        let runtime_name = KeyValue::new(RUNTIME, name.to_owned());
        (0..runtime.metrics().num_workers())
            .map(|worker| {
                let worker = KeyValue::new("tokio.worker.id", worker as i64);
                [runtime_name.clone(), worker]
            })
            .collect()
    };
    let (of, handle) = (attributes(runtime), runtime.clone());
    meter
        .f64_observable_counter("tokio.worker.busy.time")
        .with_unit("s")
        .with_description("Time that the worker spent on tasks and drivers")
        .with_callback(move |observer| {
            for (worker, attributes) in of.iter().enumerate() {
                let busy = handle.metrics().worker_total_busy_duration(worker);
                observer.observe(busy.as_secs_f64(), attributes);
            }
        })
        .build();
    let (of, handle) = (attributes(runtime), runtime.clone());
    meter
        .u64_observable_counter("tokio.worker.park.count")
        .with_unit("{park}")
        .with_description("Times that the worker went to sleep for want of work")
        .with_callback(move |observer| {
            for (worker, attributes) in of.iter().enumerate() {
                observer.observe(handle.metrics().worker_park_count(worker), attributes);
            }
        })
        .build();
}

impl Telemetry {
    /// Reads `tokio.*` metrics of a further runtime from now on, told apart by the attribute
    /// `tokio.runtime.name`. The one that [`init`](crate::init) ran in is called `main`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let telemetry = throughline::init("checkout")?;
    /// let blocking = tokio::runtime::Builder::new_multi_thread().build()?;
    /// telemetry.observe_tokio("reports", blocking.handle());
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe_tokio(&self, name: &str, runtime: &Handle) {
        let provider = self
            .pipelines
            .as_ref()
            .and_then(|pipelines| pipelines.metrics.as_ref());
        if let Some(provider) = provider {
            observe(&provider.meter(SCOPE), name, runtime);
        }
    }
}
