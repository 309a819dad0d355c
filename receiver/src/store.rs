//! The sink that remembers.

use std::time::Duration;

use tokio::sync::watch;

use crate::{
    contents::Contents,
    request::ExportRequest,
    sink::{Rejection, Sink},
};

/// Keeps everything in memory, without a bound: made for tests and short runs.
///
/// A clone is another handle on the same contents.
#[derive(Clone, Debug)]
pub struct Store {
    contents: watch::Sender<Contents>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            contents: watch::Sender::new(Contents::default()),
        }
    }
}

impl Store {
    /// A copy of everything that has arrived so far.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    /// Looks at the contents without a copy. Requests wait while `look` runs.
    pub fn with<R>(&self, look: impl FnOnce(&Contents) -> R) -> R {
        look(&self.contents.borrow())
    }

    /// Forgets everything that has arrived so far.
    pub fn clear(&self) {
        self.contents.send_replace(Contents::default());
    }

    /// Returns as soon as the contents satisfy `condition`, which is looked at now and
    /// after each request.
    ///
    /// # Errors
    /// [`WaitTimeout`], which says what did arrive, if that takes longer than `deadline`.
    pub async fn wait_until(
        &self,
        deadline: Duration,
        condition: impl FnMut(&Contents) -> bool,
    ) -> Result<(), WaitTimeout> {
        let mut contents = self.contents.subscribe();
        // The channel cannot close while `self` holds its sender.
        match tokio::time::timeout(deadline, contents.wait_for(condition)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.with(|contents| WaitTimeout {
                deadline,
                requests: contents.requests.len(),
                spans: contents.spans.len(),
                logs: contents.logs.len(),
                metrics: contents.metrics.len(),
            })),
        }
    }
}

impl Sink for Store {
    fn receive(&self, request: ExportRequest) -> Result<(), Rejection> {
        self.contents.send_modify(|contents| contents.add(request));
        Ok(())
    }
}

/// The condition did not come true in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the condition was not met within {deadline:?}; {requests} requests had brought {spans} spans, \
     {logs} log records and {metrics} metrics"
)]
pub struct WaitTimeout {
    pub deadline: Duration,
    pub requests: usize,
    pub spans: usize,
    pub logs: usize,
    pub metrics: usize,
}
