//! The nesting that spans and log records come in: requests, then resources, then scopes.
//!
//! `ExportTraceServiceRequest` and `ExportLogsServiceRequest` have the same numbers.

use super::{Fields, Malformed, value::attributes};

/// What lies under one scope of one resource, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    /// The encoded `Resource`; empty where there is none.
    pub(crate) resource: &'a [u8],
    /// The encoded `InstrumentationScope`; empty where there is none.
    pub(crate) scope: &'a [u8],
    /// The `ScopeSpans` or `ScopeLogs`, whose items [`Group::items`] goes through.
    message: &'a [u8],
}

impl<'a> Group<'a> {
    /// Calls `with` for each span or log record.
    pub(crate) fn items<E: From<Malformed>>(
        &self,
        mut with: impl FnMut(&'a [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fields = Fields::new(self.message);
        while let Some((field, wire)) = fields.next()? {
            match field {
                2 => with(wire.bytes(2)?)?,
                3 => {
                    wire.text(3)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Calls `with` for each scope of a request.
pub(crate) fn groups<'a, E: From<Malformed>>(
    request: &'a [u8],
    mut with: impl FnMut(Group<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut requests = Fields::new(request);
    while let Some((field, wire)) = requests.next()? {
        if field != 1 {
            continue;
        }
        let of_resource = wire.bytes(1)?;
        // The resource may stand behind its scopes: the order of fields means nothing.
        let resource = last(of_resource, 1)?.unwrap_or_default();
        validate_resource(resource)?;
        let mut scopes = Fields::new(of_resource);
        while let Some((field, wire)) = scopes.next()? {
            match field {
                2 => {
                    let message = wire.bytes(2)?;
                    let scope = last(message, 1)?.unwrap_or_default();
                    validate_scope(scope)?;
                    with(Group {
                        resource,
                        scope,
                        message,
                    })?;
                }
                3 => {
                    wire.text(3)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn last(message: &[u8], number: u32) -> Result<Option<&[u8]>, Malformed> {
    let mut found = None;
    let mut fields = Fields::new(message);
    while let Some((field, wire)) = fields.next()? {
        if field == number {
            found = Some(wire.bytes(number)?);
        }
    }
    Ok(found)
}

fn validate_resource(resource: &[u8]) -> Result<(), Malformed> {
    let mut fields = Fields::new(resource);
    while let Some((field, wire)) = fields.next()? {
        match field {
            2 => {
                wire.varint(2)?;
            }
            3 => validate_entity(wire.bytes(3)?)?,
            _ => {}
        }
    }
    attributes(resource, 1, |_| {})
}

fn validate_entity(entity: &[u8]) -> Result<(), Malformed> {
    let mut fields = Fields::new(entity);
    while let Some((field, wire)) = fields.next()? {
        if matches!(field, 1..=4) {
            wire.text(field)?;
        }
    }
    Ok(())
}

fn validate_scope(scope: &[u8]) -> Result<(), Malformed> {
    let mut fields = Fields::new(scope);
    while let Some((field, wire)) = fields.next()? {
        match field {
            1 | 2 => {
                wire.text(field)?;
            }
            4 => {
                wire.varint(4)?;
            }
            _ => {}
        }
    }
    attributes(scope, 3, |_| {})
}
