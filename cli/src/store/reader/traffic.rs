//! Requests by endpoint, records by stream, and how much is stored.

use std::sync::Arc;

use rusqlite::params;

use super::Reader;
use crate::store::{Durations, SLICE_SECONDS, StoreError};

/// What one endpoint of one service answered.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) service: Arc<str>,
    /// The span's name: by the conventions `GET /orders/{id}`.
    pub(crate) name: Arc<str>,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) durations: Durations,
    /// By time, ascending; slices without a request are not here.
    pub(crate) slices: Vec<EndpointSlice>,
}

/// Ten seconds of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct EndpointSlice {
    /// Seconds since 1970, of its beginning.
    pub(crate) at: i64,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) durations: Durations,
}

/// Records of one kind in ten seconds.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    /// Seconds since 1970, of their beginning.
    pub(crate) at: i64,
    /// `log.category`; empty for the application's own log.
    pub(crate) stream: Arc<str>,
    /// `event_name`; empty where there is none.
    pub(crate) event: Arc<str>,
    /// The first number of the severity's range: 1, 5, 9, 13, 17, 21, or 0 for none.
    pub(crate) level: i64,
    pub(crate) count: u64,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) spans: u64,
    pub(crate) records: u64,
    pub(crate) series: u64,
    pub(crate) issues: u64,
    /// Of the database's file, in bytes, and of that what is in use.
    pub(crate) file: u64,
    pub(crate) used: u64,
    /// When the oldest that is stored was received, in nanoseconds since 1970.
    pub(crate) oldest: Option<i64>,
    /// Requests that wait to be passed on.
    pub(crate) outbox: u64,
}

impl Reader {
    /// What each endpoint answered since then (in nanoseconds since 1970), the busiest first.
    pub(crate) fn endpoints(
        &self,
        since: i64,
        service: Option<&str>,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let service = match service {
            Some(name) => match self.id_of(name)? {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut select = self.connection.prepare_cached(
            "SELECT service, name, kind, slice, count, errors, durations FROM red
             WHERE slice >= ?1 AND (?2 IS NULL OR service = ?2)
             ORDER BY service, name, kind, slice",
        )?;
        let mut rows = select.query(params![since / 1_000_000_000 / SLICE_SECONDS, service])?;
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            let key: (i64, i64, i32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if last != Some(key) {
                last = Some(key);
                endpoints.push(Endpoint {
                    service: self.text(key.0)?,
                    name: self.text(key.1)?,
                    count: 0,
                    errors: 0,
                    durations: Durations::default(),
                    slices: Vec::new(),
                });
            }
            let slice = EndpointSlice {
                at: row.get::<_, i64>(3)? * SLICE_SECONDS,
                count: row.get::<_, i64>(4)?.unsigned_abs(),
                errors: row.get::<_, i64>(5)?.unsigned_abs(),
                durations: Durations::unpack(row.get_ref(6)?.as_blob()?),
            };
            if let Some(endpoint) = endpoints.last_mut() {
                endpoint.count += slice.count;
                endpoint.errors += slice.errors;
                endpoint.durations.merge(&slice.durations);
                endpoint.slices.push(slice);
            }
        }
        endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.count));
        Ok(endpoints)
    }

    /// How many records of each kind there were since then, by time, in intervals of so many
    /// seconds, so that a week is no more than an hour.
    pub(crate) fn volumes_in(
        &self,
        since: i64,
        seconds: i64,
        service: Option<&str>,
        stream: Option<&str>,
    ) -> Result<Vec<Volume>, StoreError> {
        let mut ids = [None, None];
        for (id, name) in ids.iter_mut().zip([service, stream]) {
            if let Some(name) = name {
                match self.id_of(name)? {
                    Some(found) => *id = Some(found),
                    None => return Ok(Vec::new()),
                }
            }
        }
        let width = (seconds / SLICE_SECONDS).max(1);
        let mut select = self.connection.prepare_cached(
            "SELECT slice / ?4 * ?4, stream, event, level, sum(count) FROM volume
             WHERE slice >= ?1 AND (?2 IS NULL OR service = ?2) AND (?3 IS NULL OR stream = ?3)
             GROUP BY 1, 2, 3, 4",
        )?;
        let first = since / 1_000_000_000 / SLICE_SECONDS;
        let mut rows = select.query(params![first, ids[0], ids[1], width])?;
        let mut volumes = Vec::new();
        while let Some(row) = rows.next()? {
            let name = |id: i64| match id {
                0 => Ok(Arc::from("")),
                id => self.text(id),
            };
            volumes.push(Volume {
                at: row.get::<_, i64>(0)? * SLICE_SECONDS,
                stream: name(row.get(1)?)?,
                event: name(row.get(2)?)?,
                level: row.get(3)?,
                count: row.get::<_, i64>(4)?.unsigned_abs(),
            });
        }
        Ok(volumes)
    }

    /// When the first record that is counted happened, in seconds since 1970.
    pub(crate) fn first_volume(&self) -> Result<Option<i64>, StoreError> {
        let slice: Option<i64> =
            self.connection
                .query_row("SELECT min(slice) FROM volume", [], |row| row.get(0))?;
        Ok(slice.map(|slice| slice * SLICE_SECONDS))
    }

    /// The names of endpoints that were called since then, in the order of the alphabet.
    pub(crate) fn routes(
        &self,
        since: i64,
        service: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let service = match service {
            Some(name) => match self.id_of(name)? {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut select = self.connection.prepare_cached(
            "SELECT DISTINCT text.text FROM red JOIN text ON text.id = red.name
             WHERE slice >= ?1 AND (?2 IS NULL OR service = ?2) ORDER BY text.text LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names = select
            .query_map(
                params![since / 1_000_000_000 / SLICE_SECONDS, service, limit],
                |row| row.get(0),
            )?
            .collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// Whether nothing was ever stored, or all of it has been deleted.
    pub(crate) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.connection.query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM chunk) AND NOT EXISTS (SELECT 1 FROM series)
             AND NOT EXISTS (SELECT 1 FROM issue)",
            [],
            |row| row.get(0),
        )?)
    }

    /// How much is stored.
    pub(crate) fn sizes(&self) -> Result<Sizes, StoreError> {
        let number = |sql: &str| {
            self.connection
                .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
        };
        let count = |sql: &str| number(sql).map(|count| count.unwrap_or(0).unsigned_abs());
        let pragma = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
        };
        let page = pragma("page_size")?;
        let pages = pragma("page_count")?;
        Ok(Sizes {
            // Counting a million rows takes long, and the oldest go first: there are no gaps.
            spans: count("SELECT (SELECT max(id) FROM span) - (SELECT min(id) FROM span) + 1")?,
            records: count(
                "SELECT (SELECT max(id) FROM record) - (SELECT min(id) FROM record) + 1",
            )?,
            series: count("SELECT count(*) FROM series")?,
            issues: count("SELECT count(*) FROM issue")?,
            file: page * pages,
            used: page * (pages - pragma("freelist_count")?.min(pages)),
            oldest: number("SELECT received FROM chunk ORDER BY id LIMIT 1").or_else(|error| {
                match error {
                    rusqlite::Error::QueryReturnedNoRows => Ok(None),
                    other => Err(other),
                }
            })?,
            outbox: count("SELECT count(*) FROM outbox")?,
        })
    }
}
