//! The rows of a trace, from the runs and from what is in none yet.

use super::Reader;
use crate::store::{StoreError, chunk::Kind, traces};

/// A condition on a row's id: that it is in a list of [`Reader::rows_of_trace`].
pub(super) const AMONG: &str = "id IN (SELECT value FROM json_each(?))";

/// The rows that are in no run, by their traces, and for which moment that is so.
#[derive(Debug, Default)]
pub(super) struct Newest {
    version: i64,
    rows: Vec<(u128, i64)>,
}

impl Reader {
    /// The rows that may be of a trace, in their order, as JSON for [`AMONG`]. Whoever asks compares the
    /// row's trace, as these are found by half a hash, and some may be deleted.
    pub(super) fn rows_of_trace(&self, kind: Kind, trace: u128) -> Result<String, StoreError> {
        let mut found = traces::look_up(kind, &self.connection, trace)?;
        let mut newest = self.newest[kind as usize - 1].borrow_mut();
        let version: i64 = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if newest.version != version {
            newest.version = version;
            newest.rows.clear();
            let sealed = traces::sealed(kind, &self.connection)?;
            traces::each_newest(kind, &self.connection, sealed, |row, trace| {
                newest.rows.extend(trace.map(|trace| (trace, row)));
            })?;
            newest.rows.sort_unstable();
        }
        let from = newest.rows.partition_point(|(other, _)| *other < trace);
        found.extend(
            newest.rows[from..]
                .iter()
                .take_while(|(other, _)| *other == trace)
                .map(|(_, row)| *row),
        );
        let mut rows = String::from("[");
        let mut number = itoa::Buffer::new();
        for row in found {
            if rows.len() > 1 {
                rows.push(',');
            }
            rows.push_str(number.format(row));
        }
        rows.push(']');
        Ok(rows)
    }
}
