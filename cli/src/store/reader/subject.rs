//! What else is known of a record, a request, a user or an address.

use rusqlite::params;

use super::Reader;
use crate::store::{StoreError, ids, token};

impl Reader {
    /// The errors, by their group and its title, that a record is one of, or that happened in its
    /// trace.
    pub(crate) fn issues_of(
        &self,
        record: i64,
        time: u64,
        trace: Option<u128>,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let (low, high) = trace.map_or((None, None), |trace| {
            let (low, high) = ids(trace);
            (Some(low), Some(high))
        });
        let mut select = self.connection.prepare_cached(
            "SELECT issue.id, issue.title FROM issue WHERE issue.id IN (
                SELECT issue FROM occurrence WHERE time = ?1 AND record = ?2
                UNION SELECT issue FROM occurrence WHERE trace = ?3 AND trace_high = ?4
            ) LIMIT 20",
        )?;
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        let found = select
            .query_map(params![time, record, low, high], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        Ok(found)
    }
}
