//! Who and what was seen, from what was counted as it came.

use rusqlite::params;

use super::Reader;
use crate::store::{
    Others, StoreError, SubjectKind,
    subjects::{DAY, HOUR, REQUESTS},
};

/// Which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Newest,
    MostFrequent,
}

/// Which are looked for.
#[derive(Clone, Debug)]
pub(crate) struct SubjectFilter<'a> {
    pub(crate) kind: SubjectKind,
    /// Seen at or after this, in nanoseconds since 1970.
    pub(crate) since: i64,
    pub(crate) service: Option<&'a str>,
    /// By this event only; for the kinds that are counted by event.
    pub(crate) event: Option<&'a str>,
    /// Part of the name, whatever its case.
    pub(crate) part: &'a str,
    pub(crate) order: Order,
}

/// One of them, with its counts from the hour on in which the range begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubjectRow {
    pub(crate) value: String,
    pub(crate) requests: u64,
    /// Requests that failed.
    pub(crate) failed: u64,
    pub(crate) records: u64,
    /// Of the records, those of the stream `security`.
    pub(crate) security: u64,
    pub(crate) others: Others,
    /// Nanoseconds since 1970.
    pub(crate) last: u64,
}

/// The first of those that fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubjectRows {
    pub(crate) items: Vec<SubjectRow>,
    /// How many fit.
    pub(crate) all: u64,
    /// So many times one was left out, as too many came at once.
    pub(crate) left_out: u64,
}

impl Reader {
    /// The subjects that were seen, complete but for what was left out.
    pub(crate) fn subjects(
        &self,
        filter: &SubjectFilter<'_>,
        limit: usize,
    ) -> Result<SubjectRows, StoreError> {
        let mut ids = [None, None];
        for (id, name) in ids.iter_mut().zip([filter.service, filter.event]) {
            if let Some(name) = name {
                match self.id_of(name)? {
                    Some(found) => *id = Some(found),
                    None => return Ok(SubjectRows::default()),
                }
            }
        }
        // Hours until the next day begins, then days.
        let first = filter.since.max(0) / HOUR;
        let day = (first + DAY - 1) / DAY;
        let (order, kind) = (
            match filter.order {
                Order::Newest => "max(last)",
                Order::MostFrequent => "sum(count)",
            },
            filter.kind as i64,
        );
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT value, sum(iif(stream = ?1, count, 0)), sum(errors),
                sum(iif(stream = ?1, 0, count)), sum(iif(stream = ?2, count, 0)),
                count(*) OVER (), max(last) FROM (
                SELECT * FROM subject WHERE width = 1 AND kind = ?3 AND hour >= ?4 AND hour < ?5
                UNION ALL
                SELECT * FROM subject WHERE width = ?6 AND kind = ?3 AND hour >= ?7
             ) WHERE (?8 IS NULL OR service = ?8) AND (?9 IS NULL OR event = ?9)
                AND instr(lower(value), lower(?10)) > 0
             GROUP BY value HAVING max(last) >= ?11 ORDER BY {order} DESC, max(last) DESC LIMIT {limit}"
        ))?;
        let security = self.id_of("security")?.unwrap_or(i64::MIN);
        let mut rows = select.query(params![
            REQUESTS,
            security,
            kind,
            first,
            day * DAY,
            DAY,
            day,
            ids[0],
            ids[1],
            filter.part,
            filter.since
        ])?;
        let mut found = SubjectRows::default();
        while let Some(row) = rows.next()? {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            found.all = number(5)?;
            found.items.push(SubjectRow {
                value: row.get(0)?,
                requests: number(1)?,
                failed: number(2)?,
                records: number(3)?,
                security: number(4)?,
                others: Others::default(),
                last: number(6)?,
            });
        }
        // Sets do not add up in SQL: only of those that are shown, each by its key.
        let mut others = self.connection.prepare_cached(
            "SELECT others FROM subject WHERE width = ?1 AND kind = ?2 AND hour = ?3 AND value = ?4
                AND (?5 IS NULL OR service = ?5) AND (?6 IS NULL OR event = ?6)",
        )?;
        let last: i64 = self.connection.query_row(
            "SELECT coalesce(max(hour), 0) FROM subject WHERE width = ?1 AND kind = ?2",
            [DAY, kind],
            |row| row.get(0),
        )?;
        let oldest: i64 = self.connection.query_row(
            "SELECT coalesce(min(hour), 0) FROM subject WHERE width = ?1 AND kind = ?2",
            [DAY, kind],
            |row| row.get(0),
        )?;
        let parts: Vec<(i64, i64)> = (first..day * DAY)
            .map(|hour| (1, hour))
            .chain((day.max(oldest)..=last).map(|day| (DAY, day)))
            .collect();
        for item in &mut found.items {
            for (width, hour) in &parts {
                let mut rows =
                    others.query(params![width, kind, hour, item.value, ids[0], ids[1]])?;
                while let Some(row) = rows.next()? {
                    item.others
                        .merge(&Others::unpack(row.get_ref(0)?.as_blob()?));
                }
            }
        }
        let left_out: i64 = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(subjects), 0) FROM subject_left_out WHERE kind = ?1 AND (
                    (width = 1 AND hour >= ?2 AND hour < ?3) OR (width = ?4 AND hour >= ?5))",
            )?
            .query_row([kind, first, day * DAY, DAY, day], |row| row.get(0))?;
        found.left_out = left_out.unsigned_abs();
        Ok(found)
    }
}
