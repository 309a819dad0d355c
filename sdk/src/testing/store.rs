//! One capture's store, and finding it from wherever something is emitted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::metrics::Metrics;
use super::recorded::{CapturedLog, CapturedSpan};
use crate::event::Record;
use crate::export::stamp;

#[derive(Debug, Default)]
pub(super) struct Store {
    spans: Mutex<Vec<CapturedSpan>>,
    logs: Mutex<Vec<CapturedLog>>,
    pub(super) metrics: Metrics,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    pub(super) fn spans(&self) -> Vec<CapturedSpan> {
        locked(&self.spans).clone()
    }

    pub(super) fn logs(&self) -> Vec<CapturedLog> {
        locked(&self.logs).clone()
    }
}

static UNATTRIBUTED: AtomicU64 = AtomicU64::new(0);

pub(super) fn unattributed() -> u64 {
    UNATTRIBUTED.load(Ordering::Relaxed)
}

thread_local! {
    /// The captures that this thread has started and not yet ended.
    static ON_THREAD: RefCell<Vec<Arc<Store>>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn on_thread(store: &Arc<Store>) {
    ON_THREAD.with_borrow_mut(|stores| stores.push(Arc::clone(store)));
}

pub(super) fn leave_thread(store: &Arc<Store>) {
    ON_THREAD.with_borrow_mut(|stores| stores.retain(|other| !Arc::ptr_eq(other, store)));
}

/// The capture that this context belongs to, or else the one of this thread: a bare
/// `tokio::spawn` on a test's `current_thread` runtime carries no context.
pub(super) fn find(context: &Context) -> Option<Arc<Store>> {
    context
        .get::<Arc<Store>>()
        .cloned()
        .or_else(|| ON_THREAD.with_borrow(|stores| stores.last().cloned()))
}

/// The sink of records.
#[derive(Debug)]
pub(crate) struct CaptureSink;

impl CaptureSink {
    pub(crate) fn emit(&self, record: &Record<'_>) {
        match Context::map_current(find) {
            Some(store) => locked(&store.logs).push(CapturedLog::of(record)),
            None => {
                UNATTRIBUTED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The span processor. A span's end tells nothing of its context, so the capture is noted
/// at the start.
#[derive(Debug, Default)]
pub(super) struct CaptureSpans {
    open: Mutex<HashMap<SpanId, Arc<Store>>>,
}

impl SpanProcessor for CaptureSpans {
    fn on_start(&self, span: &mut Span, context: &Context) {
        stamp(span, context);
        if let Some(store) = find(context) {
            locked(&self.open).insert(span.span_context().span_id(), store);
        }
    }

    fn on_end(&self, span: SpanData) {
        let store = locked(&self.open).remove(&span.span_context.span_id());
        match store {
            Some(store) => locked(&store.spans).push(CapturedSpan::of(&span)),
            None => {
                UNATTRIBUTED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}
