//! From single items to whole requests, and back into halves.
//!
//! The requests for spans and for log records have one shape: a resource, its scopes, and
//! their items, with the same field numbers at each level.

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;

use super::attribute::{attribute, attributes};
use super::wire::{self, Field};

// ExportTraceServiceRequest, ExportLogsServiceRequest
const RESOURCES: u32 = 1;
// ResourceSpans, ResourceLogs
const RESOURCE: u32 = 1;
const SCOPES: u32 = 2;
// ScopeSpans, ScopeLogs
const SCOPE: u32 = 1;
const ITEMS: u32 = 2;
// ResourceSpans, ResourceLogs, ScopeSpans, ScopeLogs
const SCHEMA_URL: u32 = 3;

/// What does not change from one request to the next.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    /// The `resource` field, whole.
    resource: Vec<u8>,
    /// The `schema_url` field, whole; empty where there is none.
    schema_url: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(resource: &Resource) -> Self {
        let mut encoded = Vec::new();
        wire::message(&mut encoded, RESOURCE, |out| {
            for (key, value) in resource {
                attribute(out, 1, key.as_str(), value);
            }
        });
        let mut schema_url = Vec::new();
        let url = resource.schema_url().unwrap_or_default();
        wire::bytes(&mut schema_url, SCHEMA_URL, url.as_bytes());
        Self {
            resource: encoded,
            schema_url,
        }
    }
}

/// Encoded items, one behind the other, each with its scope.
#[derive(Debug, Default)]
pub(crate) struct Items {
    bytes: Vec<u8>,
    index: Vec<Item>,
    scopes: Vec<Scope>,
    /// Where the last one was found; most come in a row.
    last: usize,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    scope: u32,
    length: u32,
}

/// A scope, as the fields of its `ScopeSpans` or `ScopeLogs`.
#[derive(Debug, PartialEq)]
struct Scope {
    identity: Identity,
    fields: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum Identity {
    Name(String),
    Whole(InstrumentationScope),
}

impl Items {
    pub(crate) fn clear(&mut self) {
        // A burst's memory is not kept.
        const KEEP: usize = 1 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.index.clear();
        self.index.shrink_to(KEEP / size_of::<Item>());
        self.scopes.clear();
        self.last = 0;
    }

    /// An item that is encoded already, of the scope with this name.
    pub(crate) fn add(&mut self, scope: &str, item: &[u8]) {
        let is = |known: &Scope| matches!(&known.identity, Identity::Name(name) if name == scope);
        let scope = self.scope_at(is, || {
            let mut fields = Vec::new();
            wire::message(&mut fields, SCOPE, |out| {
                wire::bytes(out, 1, scope.as_bytes());
            });
            Scope {
                identity: Identity::Name(scope.to_owned()),
                fields,
            }
        });
        self.bytes.extend_from_slice(item);
        self.close(scope, item.len());
    }

    /// A span that is encoded already, of this scope.
    pub(crate) fn add_span(&mut self, scope: &InstrumentationScope, span: &[u8]) {
        let is = |known: &Scope| matches!(&known.identity, Identity::Whole(it) if it == scope);
        let scope = self.scope_at(is, || Scope {
            identity: Identity::Whole(scope.clone()),
            fields: scope_fields(scope),
        });
        self.bytes.extend_from_slice(span);
        self.close(scope, span.len());
    }

    fn close(&mut self, scope: u32, length: usize) {
        self.index.push(Item {
            scope,
            // Nothing that is put in memory item by item is longer than 4 GB.
            length: u32::try_from(length).unwrap_or(u32::MAX),
        });
    }

    fn scope_at(&mut self, is: impl Fn(&Scope) -> bool, make: impl FnOnce() -> Scope) -> u32 {
        if !self.scopes.get(self.last).is_some_and(&is) {
            self.last = match self.scopes.iter().position(is) {
                Some(found) => found,
                None => {
                    self.scopes.push(make());
                    self.scopes.len() - 1
                }
            };
        }
        self.last as u32
    }

    /// Whole requests with at most so many items and about so many bytes each. `send` is
    /// given each with the number of its items.
    pub(crate) fn requests(
        &self,
        envelope: &Envelope,
        max_items: usize,
        max_bytes: usize,
        mut send: impl FnMut(Vec<u8>, usize),
    ) {
        let mut first = 0;
        let mut start = 0;
        while first < self.index.len() {
            let (mut items, mut bytes) = (0, 0);
            for item in &self.index[first..] {
                let length = item.length as usize;
                if items == max_items || (items > 0 && bytes + length > max_bytes) {
                    break;
                }
                items += 1;
                bytes += length;
            }
            let index = &self.index[first..first + items];
            let body = &self.bytes[start..start + bytes];
            send(self.request(envelope, index, body), items);
            first += items;
            start += bytes;
        }
    }

    fn request(&self, envelope: &Envelope, index: &[Item], body: &[u8]) -> Vec<u8> {
        let mut lengths = vec![0; self.scopes.len()];
        for item in index {
            lengths[item.scope as usize] += wire::bytes_len(item.length as usize);
        }
        let scopes: Vec<(usize, usize)> = lengths
            .iter()
            .enumerate()
            .filter(|(_, items)| **items > 0)
            .map(|(scope, items)| (scope, self.scopes[scope].fields.len() + items))
            .collect();
        let inner: usize = scopes.iter().map(|(_, it)| wire::bytes_len(*it)).sum();
        let length = envelope.resource.len() + inner + envelope.schema_url.len();
        let mut out = Vec::with_capacity(wire::bytes_len(length));
        wire::header(&mut out, RESOURCES, length);
        out.extend_from_slice(&envelope.resource);
        for (scope, length) in scopes {
            wire::header(&mut out, SCOPES, length);
            out.extend_from_slice(&self.scopes[scope].fields);
            let mut rest = body;
            for item in index {
                let (item_bytes, after) = rest.split_at(item.length as usize);
                if item.scope as usize == scope {
                    wire::bytes_always(&mut out, ITEMS, item_bytes);
                }
                rest = after;
            }
        }
        out.extend_from_slice(&envelope.schema_url);
        out
    }
}

fn scope_fields(scope: &InstrumentationScope) -> Vec<u8> {
    let mut fields = Vec::new();
    wire::message(&mut fields, SCOPE, |out| {
        wire::bytes(out, 1, scope.name().as_bytes());
        wire::bytes(out, 2, scope.version().unwrap_or_default().as_bytes());
        let all: Vec<&KeyValue> = scope.attributes().collect();
        attributes(out, 3, all);
    });
    let url = scope.schema_url().unwrap_or_default();
    wire::bytes(&mut fields, SCHEMA_URL, url.as_bytes());
    fields
}

/// The two halves of a request, for a receiver that refused the whole; `None` for a single
/// item.
pub(crate) fn halves(request: &[u8], items: usize) -> Option<[(Vec<u8>, usize); 2]> {
    let first = items / 2;
    if first == 0 {
        return None;
    }
    Some([
        (part(request, 0..first)?, first),
        (part(request, first..items)?, items - first),
    ])
}

/// The request with those of its items alone.
fn part(request: &[u8], wanted: std::ops::Range<usize>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(request.len());
    let mut seen = 0;
    let mut whole = true;
    for resource in wire::fields(request) {
        let Field::Bytes(RESOURCES, resource) = resource? else {
            continue;
        };
        wire::message(&mut out, RESOURCES, |out| {
            whole &= part_of_resource(out, resource, &wanted, &mut seen).is_some();
        });
    }
    whole.then_some(out)
}

fn part_of_resource(
    out: &mut Vec<u8>,
    resource: &[u8],
    wanted: &std::ops::Range<usize>,
    seen: &mut usize,
) -> Option<()> {
    for field in wire::fields(resource) {
        match field? {
            Field::Bytes(SCOPES, scope) => {
                let before = out.len();
                let mut kept = Some(false);
                wire::message(out, SCOPES, |out| {
                    kept = part_of_scope(out, scope, wanted, seen);
                });
                if !kept? {
                    out.truncate(before);
                }
            }
            Field::Bytes(number, value) => wire::bytes_always(out, number, value),
            Field::Other(field) => out.extend_from_slice(field),
        }
    }
    Some(())
}

/// Whether any of the wanted items is in it.
fn part_of_scope(
    out: &mut Vec<u8>,
    scope: &[u8],
    wanted: &std::ops::Range<usize>,
    seen: &mut usize,
) -> Option<bool> {
    let mut kept = false;
    for field in wire::fields(scope) {
        match field? {
            Field::Bytes(ITEMS, item) => {
                if wanted.contains(seen) {
                    wire::bytes_always(out, ITEMS, item);
                    kept = true;
                }
                *seen += 1;
            }
            Field::Bytes(number, value) => wire::bytes_always(out, number, value),
            Field::Other(field) => out.extend_from_slice(field),
        }
    }
    Some(kept)
}
