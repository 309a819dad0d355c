//! A runtime of our own for everything that is sent.
//!
//! On the service's runtime an exporter stalls a `current_thread` service, dies with a
//! runtime that ends before it, and is observed by the very telemetry it sends: one gRPC
//! export at trace level made 193 records about itself. Here the thread is marked as
//! suppressed, and no flavour of the service's runtime matters.

use std::io;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle, Runtime};

#[derive(Debug)]
pub(crate) struct ExportRuntime {
    runtime: Option<Runtime>,
}

impl ExportRuntime {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("throughline-export")
            .enable_all()
            .on_thread_start(|| {
                // For as long as the thread lives: leaving the scope in a destructor would
                // reach for thread-local state that may be gone by then.
                std::mem::forget(Context::enter_telemetry_suppressed_scope());
            })
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.runtime
            .as_ref()
            .map(Runtime::handle)
            .expect("the runtime is taken only by drop")
    }
}

impl Drop for ExportRuntime {
    fn drop(&mut self) {
        // An ordinary drop blocks, and panics inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_threads_are_suppressed() {
        let runtime = ExportRuntime::start().unwrap();
        let suppressed = runtime
            .handle()
            .block_on(
                runtime
                    .handle()
                    .spawn(async { Context::is_current_telemetry_suppressed() }),
            )
            .unwrap();
        assert!(suppressed);
        assert!(!Context::is_current_telemetry_suppressed());
    }

    #[test]
    fn it_can_be_dropped_inside_another_runtime() {
        let outer = Builder::new_current_thread().build().unwrap();
        outer.block_on(async { drop(ExportRuntime::start().unwrap()) });
    }
}
