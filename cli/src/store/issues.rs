//! Errors as issues: PLACEHOLDER until the grouping is merged.

use bytes::Bytes;
use rusqlite::Connection;

use super::{StoreError, intern::Interner};
use crate::sentry::Event;

#[derive(Debug)]
pub(crate) struct SentryEnvelope {
    pub(crate) events: Vec<Event>,
    /// As it came, to be passed on.
    pub(crate) raw: Bytes,
    /// Nanoseconds since 1970.
    pub(crate) received: u64,
}

#[derive(Debug, Default)]
pub(super) struct Issues {
    changed: u64,
}

impl Issues {
    pub(super) fn event(
        &mut self,
        _: &Connection,
        _: &mut Interner,
        _: &Event,
        _: u64,
    ) -> Result<(), StoreError> {
        Ok(())
    }
    pub(super) fn record(
        &mut self,
        _: &Connection,
        _: &mut Interner,
        _: i64,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), StoreError> {
        Ok(())
    }
    pub(super) fn span(
        &mut self,
        _: &Connection,
        _: &mut Interner,
        _: i64,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), StoreError> {
        Ok(())
    }
    pub(super) fn resolve(&mut self, _: &Connection, _: i64, _: bool) -> Result<(), StoreError> {
        Ok(())
    }
    pub(super) fn take_changed(&mut self) -> u64 {
        std::mem::take(&mut self.changed)
    }
}
