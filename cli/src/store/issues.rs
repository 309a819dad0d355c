//! Errors as issues: PLACEHOLDER until the grouping is merged.

use bytes::Bytes;
use rusqlite::Connection;

use super::{StoreError, intern::Interner};

#[derive(Debug)]
pub(crate) struct SentryEvent {
    pub(crate) raw: Bytes,
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
        _: &SentryEvent,
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
