//! In place of the Sentry client where the feature `sentry` is not built: there is never one.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;

use crate::InitError;
use crate::export::{ExportRuntime, Ledger};
use crate::redaction::Redactor;
use crate::settings::SentrySettings;

#[derive(Debug)]
pub(crate) enum Client {}

impl Client {
    pub(crate) fn flush(&self, _timeout: Option<Duration>) -> bool {
        match *self {}
    }

    pub(crate) fn close(&self, _timeout: Option<Duration>) -> bool {
        match *self {}
    }
}

pub(crate) fn client(
    settings: SentrySettings,
    _resource: &Resource,
    _runtime: &ExportRuntime,
    _ledger: Arc<Ledger>,
    _redactor: &Arc<Redactor>,
) -> Result<Arc<Client>, InitError> {
    match settings {}
}
