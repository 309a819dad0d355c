//! What many rows share is stored once: names, resources and scopes.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::wire::{self, ValueView};

/// How many of each kind stay in memory. With more of them, all are looked up again.
const KEPT: usize = 50_000;

/// The ids of what was stored already.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashMap<Box<str>, i64>,
    resources: HashMap<Box<[u8]>, Resource>,
    scopes: HashMap<Box<[u8]>, i64>,
}

/// A stored resource, and the service that it names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    pub(super) id: i64,
    pub(super) service: i64,
}

/// The first half of a SHA-256: what came from outside must not collide on purpose.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

impl Interner {
    /// Forgets everything, as a transaction that stored some of it was rolled back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn text(&mut self, connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let found = connection
            .prepare_cached("SELECT id FROM text WHERE text = ?1")?
            .query_row([text], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO text (text) VALUES (?1)")?
                .insert([text])?,
        };
        if self.texts.len() == KEPT {
            self.texts.clear();
        }
        self.texts.insert(text.into(), id);
        Ok(id)
    }

    pub(super) fn resource(
        &mut self,
        connection: &Connection,
        body: &[u8],
    ) -> rusqlite::Result<Resource> {
        if let Some(resource) = self.resources.get(body) {
            return Ok(*resource);
        }
        let service = self.text(connection, service_name(body))?;
        let id = stored(
            connection.prepare_cached("SELECT id FROM resource WHERE digest = ?1")?,
            &digest(&[body]),
            || {
                connection
                    .prepare_cached(
                        "INSERT INTO resource (digest, service, body) VALUES (?1, ?2, ?3)",
                    )?
                    .insert(params![digest(&[body]), service, body])
            },
        )?;
        let resource = Resource { id, service };
        if self.resources.len() == KEPT {
            self.resources.clear();
        }
        self.resources.insert(body.into(), resource);
        Ok(resource)
    }

    pub(super) fn scope(&mut self, connection: &Connection, body: &[u8]) -> rusqlite::Result<i64> {
        if let Some(id) = self.scopes.get(body) {
            return Ok(*id);
        }
        let id = stored(
            connection.prepare_cached("SELECT id FROM scope WHERE digest = ?1")?,
            &digest(&[body]),
            || {
                connection
                    .prepare_cached("INSERT INTO scope (digest, body) VALUES (?1, ?2)")?
                    .insert(params![digest(&[body]), body])
            },
        )?;
        if self.scopes.len() == KEPT {
            self.scopes.clear();
        }
        self.scopes.insert(body.into(), id);
        Ok(id)
    }
}

fn stored(
    mut select: CachedStatement<'_>,
    digest: &[u8; 16],
    insert: impl FnOnce() -> rusqlite::Result<i64>,
) -> rusqlite::Result<i64> {
    match select
        .query_row([digest.as_slice()], |row| row.get(0))
        .optional()?
    {
        Some(id) => Ok(id),
        None => insert(),
    }
}

/// `service.name`, or what OpenTelemetry calls a service that has none.
fn service_name(resource: &[u8]) -> &str {
    wire::attributes_of(resource, 1)
        .find(|attribute| attribute.key == "service.name")
        .and_then(|attribute| match attribute.value {
            ValueView::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        })
        .unwrap_or("unknown_service")
}

/// The part of `body`, as text. It was read as text when the request was.
pub(super) fn text_at<'a>(body: &'a Bytes, part: &super::parse::Part) -> &'a str {
    std::str::from_utf8(bytes_at(body, part)).unwrap_or_default()
}

pub(super) fn bytes_at<'a>(body: &'a Bytes, part: &super::parse::Part) -> &'a [u8] {
    body.get(part.start as usize..part.end as usize)
        .unwrap_or_default()
}
