//! Requests by endpoint, records by stream, and how much is stored.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::Arc,
};

use rusqlite::{OptionalExtension, params};

use super::Reader;
use crate::store::{
    Durations, SLICE_SECONDS, StoreError,
    rollup::{FIVE_MINUTES, HOUR, pieces},
};

/// What one endpoint of one service answered.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) service: Arc<str>,
    /// The span's name: by the conventions `GET /orders/{id}`.
    pub(crate) name: Arc<str>,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) durations: Durations,
    /// By time, ascending; those without a request are not here.
    pub(crate) slices: Vec<EndpointSlice>,
}

/// Ten seconds of an endpoint, or five minutes, or an hour.
#[derive(Clone, Debug)]
pub(crate) struct EndpointSlice {
    /// Seconds since 1970, of its beginning.
    pub(crate) at: i64,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) durations: Durations,
}

/// Records of one kind in one interval.
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

/// The slice of a moment in nanoseconds since 1970.
fn slice_of(since: i64) -> i64 {
    since / 1_000_000_000 / SLICE_SECONDS
}

fn slices_in(seconds: i64) -> i64 {
    (seconds / SLICE_SECONDS).max(1)
}

impl Reader {
    /// What each endpoint answered since then (in nanoseconds since 1970), the busiest first, in
    /// parts none of which lies in two intervals of so many seconds. The first slice is counted
    /// whole, whatever the parts are.
    pub(crate) fn endpoints(
        &self,
        since: i64,
        seconds: i64,
        service: Option<&str>,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let Some(service) = self.chosen(service)? else {
            return Ok(Vec::new());
        };
        let mut select = self.connection.prepare_cached(
            "SELECT service, name, kind, slice, count, errors, durations FROM red
             WHERE width = ?1 AND slice >= ?2 AND slice < ?3 AND (?4 IS NULL OR service = ?4)",
        )?;
        let mut endpoints: BTreeMap<(i64, i64, i32), Endpoint> = BTreeMap::new();
        for piece in pieces(slice_of(since), slices_in(seconds)) {
            let mut rows = select.query(params![piece.width, piece.from, piece.to, service])?;
            while let Some(row) = rows.next()? {
                let key: (i64, i64, i32) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let slice = EndpointSlice {
                    at: row.get::<_, i64>(3)? * piece.width * SLICE_SECONDS,
                    count: row.get::<_, i64>(4)?.unsigned_abs(),
                    errors: row.get::<_, i64>(5)?.unsigned_abs(),
                    durations: Durations::unpack(row.get_ref(6)?.as_blob()?),
                };
                let endpoint = match endpoints.entry(key) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(Endpoint {
                        service: self.text(key.0)?,
                        name: self.text(key.1)?,
                        count: 0,
                        errors: 0,
                        durations: Durations::default(),
                        slices: Vec::new(),
                    }),
                };
                endpoint.count += slice.count;
                endpoint.errors += slice.errors;
                endpoint.durations.merge(&slice.durations);
                endpoint.slices.push(slice);
            }
        }
        let mut endpoints: Vec<_> = endpoints.into_values().collect();
        endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.count));
        Ok(endpoints)
    }

    /// When the first slice since then began that has a request, in seconds since 1970.
    pub(crate) fn first_request(
        &self,
        since: i64,
        service: Option<&str>,
    ) -> Result<Option<i64>, StoreError> {
        let Some(service) = self.chosen(service)? else {
            return Ok(None);
        };
        let mut first = self.connection.prepare_cached(
            "SELECT slice FROM red
             WHERE width = ?1 AND slice >= ?2 AND slice < ?3 AND (?4 IS NULL OR service = ?4)
             ORDER BY slice LIMIT 1",
        )?;
        for piece in pieces(slice_of(since), HOUR) {
            let found: Option<i64> = first
                .query_row(params![piece.width, piece.from, piece.to, service], |row| {
                    row.get(0)
                })
                .optional()?;
            if let Some(found) = found {
                // Among the slices of the part: what is deleted goes by these.
                let (from, to) = (found * piece.width, (found + 1) * piece.width);
                let slice: Option<i64> = first
                    .query_row(params![1, from, to, service], |row| row.get(0))
                    .optional()?;
                return Ok(Some(slice.unwrap_or(from) * SLICE_SECONDS));
            }
        }
        Ok(None)
    }

    /// The last slice since then in which each service, by its id, answered a request.
    pub(super) fn last_requests(&self, since: i64) -> Result<HashMap<i64, i64>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT service, max(slice) FROM red WHERE width = ?1 AND slice >= ?2 AND slice < ?3
             GROUP BY service",
        )?;
        let mut within = self.connection.prepare_cached(
            "SELECT max(slice) FROM red
             WHERE width = 1 AND slice >= ?1 AND slice < ?2 AND service = ?3",
        )?;
        let mut last = HashMap::new();
        for piece in pieces(slice_of(since), FIVE_MINUTES) {
            let mut rows = select.query([piece.width, piece.from, piece.to])?;
            while let Some(row) = rows.next()? {
                let (service, part): (i64, i64) = (row.get(0)?, row.get(1)?);
                let (from, to) = (part * piece.width, (part + 1) * piece.width);
                let slice: Option<i64> = within.query_row([from, to, service], |row| row.get(0))?;
                // The pieces are in the order of time.
                last.insert(service, slice.unwrap_or(from));
            }
        }
        Ok(last)
    }

    /// The service's id, or none where none is chosen; nothing where it is not known.
    fn chosen(&self, service: Option<&str>) -> Result<Option<Option<i64>>, StoreError> {
        match service {
            Some(name) => Ok(self.id_of(name)?.map(Some)),
            None => Ok(Some(None)),
        }
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
        let width = slices_in(seconds);
        let mut select = self.connection.prepare_cached(
            "SELECT slice * ?1 / ?6 * ?6, stream, event, level, sum(count) FROM volume
             WHERE width = ?1 AND slice >= ?2 AND slice < ?3
                AND (?4 IS NULL OR service = ?4) AND (?5 IS NULL OR stream = ?5)
             GROUP BY 1, 2, 3, 4",
        )?;
        // The range may begin within the first interval, which is then of slices and of hours.
        let mut counts: BTreeMap<(i64, i64, i64, i64), i64> = BTreeMap::new();
        for piece in pieces(slice_of(since), width) {
            let mut rows = select.query(params![
                piece.width,
                piece.from,
                piece.to,
                ids[0],
                ids[1],
                width
            ])?;
            while let Some(row) = rows.next()? {
                let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                *counts.entry(key).or_default() += row.get::<_, i64>(4)?;
            }
        }
        let mut volumes = Vec::new();
        for ((slice, stream, event, level), count) in counts {
            let name = |id: i64| match id {
                0 => Ok(Arc::from("")),
                id => self.text(id),
            };
            volumes.push(Volume {
                at: slice * SLICE_SECONDS,
                stream: name(stream)?,
                event: name(event)?,
                level,
                count: count.unsigned_abs(),
            });
        }
        Ok(volumes)
    }

    /// When the first record that is counted happened, in seconds since 1970.
    pub(crate) fn first_volume(&self) -> Result<Option<i64>, StoreError> {
        let slice: Option<i64> = self.connection.query_row(
            "SELECT min(slice) FROM volume WHERE width = 1",
            [],
            |row| row.get(0),
        )?;
        Ok(slice.map(|slice| slice * SLICE_SECONDS))
    }

    /// The names of endpoints that were called since then, in the order of the alphabet.
    pub(crate) fn routes(
        &self,
        since: i64,
        service: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let Some(service) = self.chosen(service)? else {
            return Ok(Vec::new());
        };
        let mut select = self.connection.prepare_cached(
            "SELECT DISTINCT name FROM red
             WHERE width = ?1 AND slice >= ?2 AND slice < ?3 AND (?4 IS NULL OR service = ?4)",
        )?;
        let mut names = BTreeSet::new();
        for piece in pieces(slice_of(since), HOUR) {
            let mut rows = select.query(params![piece.width, piece.from, piece.to, service])?;
            while let Some(row) = rows.next()? {
                names.insert(row.get::<_, i64>(0)?);
            }
        }
        let mut texts = Vec::with_capacity(names.len());
        for name in names {
            texts.push(self.text(name)?.to_string());
        }
        texts.sort_unstable();
        texts.truncate(limit);
        Ok(texts)
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
