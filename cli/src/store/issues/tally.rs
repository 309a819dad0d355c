//! What a transaction changes of issues, in memory until its end: an error that happens ten
//! thousand times a second is one row that changes once.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Occurrence, StoreError, time};
use crate::{issue::Status, store::intern::Interner};

/// The slices of `issue_volume`, in nanoseconds.
pub(in crate::store) const MINUTE: i64 = 60_000_000_000;

/// How many issues are deleted at once where there are too many.
const SURPLUS: i64 = 100;

#[derive(Debug)]
pub(super) struct Tally {
    /// By their rows.
    issues: HashMap<i64, Entry>,
    by_fingerprint: HashMap<u64, i64>,
    /// Occurrences by issue and minute, to be added.
    volume: HashMap<(i64, i64), i64>,
    /// Issues whose last occurrence by time has left, so that what it said of them may be
    /// untrue.
    stale: HashSet<i64>,
    /// How many occurrences of an issue are kept, and how many issues.
    occurrences: i64,
    most: i64,
}

/// An issue as it will be written.
#[derive(Debug)]
struct Entry {
    title: String,
    subtitle: String,
    culprit: String,
    level: String,
    first_seen: i64,
    last_seen: i64,
    count: i64,
    status: Status,
    regressed_at: Option<i64>,
    regressed_in: Option<String>,
    first_release: Option<String>,
    last_release: Option<String>,
    /// When and in which release it was resolved; kept when it came back.
    resolved: Option<(i64, Option<String>)>,
    /// Whether occurrences were added, so that there may be too many.
    grew: bool,
}

const COLUMNS: &str = "title, subtitle, culprit, level, first_seen, last_seen, count, status, \
    resolved_at, resolved_in, regressed_at, regressed_in, first_release, last_release";

impl Entry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let at: Option<i64> = row.get(8)?;
        let resolved = match at {
            Some(at) => Some((at, row.get::<_, Option<String>>(9)?)),
            None => None,
        };
        let status: String = row.get(7)?;
        Ok(Self {
            title: row.get(0)?,
            subtitle: row.get(1)?,
            culprit: row.get(2)?,
            level: row.get(3)?,
            first_seen: row.get(4)?,
            last_seen: row.get(5)?,
            count: row.get(6)?,
            status: match (status.as_str(), &resolved) {
                ("resolved", Some((at, release))) => resolved_status(*at, release.as_deref()),
                ("regressed", _) => Status::Regressed,
                _ => Status::Unresolved,
            },
            regressed_at: row.get(10)?,
            regressed_in: row.get(11)?,
            first_release: row.get(12)?,
            last_release: row.get(13)?,
            resolved,
            grew: false,
        })
    }

    /// What an occurrence says of its issue.
    fn enter(&mut self, happened: i64, release: Option<&str>) {
        let after = self.status.after(happened.unsigned_abs(), release);
        if after == Status::Regressed && self.status != Status::Regressed {
            self.regressed_at = Some(happened);
            self.regressed_in = release.map(str::to_owned);
        }
        self.status = after;
    }
}

fn resolved_status(at: i64, release: Option<&str>) -> Status {
    Status::Resolved {
        at: at.unsigned_abs(),
        in_release: release.map(str::to_owned),
    }
}

impl Tally {
    pub(super) fn new(occurrences: i64, most: i64) -> Self {
        Self {
            issues: HashMap::new(),
            by_fingerprint: HashMap::new(),
            volume: HashMap::new(),
            stale: HashSet::new(),
            occurrences,
            most,
        }
    }

    pub(super) fn clear(&mut self) {
        self.issues.clear();
        self.by_fingerprint.clear();
        self.volume.clear();
        self.stale.clear();
    }

    /// The row of an occurrence's issue, which is made where there is none.
    pub(super) fn issue(
        &mut self,
        connection: &Connection,
        interner: &mut Interner,
        occurrence: &Occurrence,
    ) -> Result<i64, StoreError> {
        let fingerprint = occurrence.fingerprint.0;
        if let Some(id) = self.by_fingerprint.get(&fingerprint) {
            return Ok(*id);
        }
        let found = connection
            .prepare_cached("SELECT id FROM issue WHERE fingerprint = ?1")?
            .query_row([fingerprint.cast_signed()], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => {
                self.load(connection, id)?;
                id
            }
            None => {
                let happened = time(occurrence.time);
                let entry = Entry {
                    title: String::new(),
                    subtitle: String::new(),
                    culprit: String::new(),
                    level: String::new(),
                    first_seen: happened,
                    last_seen: happened,
                    count: 0,
                    status: Status::Unresolved,
                    regressed_at: None,
                    regressed_in: None,
                    first_release: occurrence.release.clone(),
                    last_release: None,
                    resolved: None,
                    grew: false,
                };
                let id = connection
                    .prepare_cached(
                        "INSERT INTO issue (fingerprint, title, subtitle, culprit, level, service,
                            first_seen, last_seen, count, status)
                         VALUES (?1, '', '', '', '', ?2, ?3, ?3, 0, 'open')",
                    )?
                    .insert(params![
                        fingerprint.cast_signed(),
                        interner.text(connection, &occurrence.service)?,
                        happened
                    ])?;
                self.issues.insert(id, entry);
                id
            }
        };
        self.by_fingerprint.insert(fingerprint, id);
        Ok(id)
    }

    /// Counts an occurrence in an issue that [`Self::issue`] has told.
    pub(super) fn enter(&mut self, id: i64, occurrence: &Occurrence) {
        let happened = time(occurrence.time);
        *self.volume.entry((id, happened / MINUTE)).or_default() += 1;
        let Some(issue) = self.issues.get_mut(&id) else {
            return;
        };
        issue.count += 1;
        issue.grew = true;
        let release = occurrence.release.as_deref();
        if happened < issue.first_seen {
            issue.first_seen = happened;
            issue.first_release = occurrence.release.clone();
        }
        if happened >= issue.last_seen || issue.count == 1 {
            issue.last_seen = happened;
            issue.title.clone_from(&occurrence.title);
            issue.subtitle.clone_from(&occurrence.subtitle);
            issue.culprit = occurrence.culprit.clone().unwrap_or_default();
            issue.level = occurrence.level.as_str().to_owned();
            if release.is_some() {
                issue.last_release = occurrence.release.clone();
            }
        }
        issue.enter(happened, release);
    }

    /// Takes back what an occurrence, which is deleted already, said of its issue.
    pub(super) fn leave(
        &mut self,
        connection: &Connection,
        id: i64,
        happened: i64,
    ) -> Result<(), StoreError> {
        self.load(connection, id)?;
        *self.volume.entry((id, happened / MINUTE)).or_default() -= 1;
        if let Some(issue) = self.issues.get_mut(&id) {
            issue.count -= 1;
            self.stale.insert(id);
        }
        Ok(())
    }

    fn load(&mut self, connection: &Connection, id: i64) -> Result<(), StoreError> {
        if self.issues.contains_key(&id) {
            return Ok(());
        }
        let found = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM issue WHERE id = ?1"))?
            .query_row([id], Entry::read)
            .optional()?;
        if let Some(entry) = found {
            self.issues.insert(id, entry);
        }
        Ok(())
    }

    /// Writes all, and forgets it.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.issues.is_empty() {
            return Ok(());
        }
        for id in std::mem::take(&mut self.stale) {
            if let Some(issue) = self.issues.get_mut(&id)
                && issue.count > 0
            {
                look_again(connection, id, issue)?;
            }
        }
        for ((id, minute), count) in &self.volume {
            connection
                .prepare_cached(
                    "INSERT INTO issue_volume (issue, minute, count) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET count = count + excluded.count",
                )?
                .execute([id, minute, count])?;
        }
        for (id, issue) in &self.issues {
            if issue.count <= 0 {
                delete(connection, *id)?;
            } else {
                update(connection, *id, issue)?;
                if issue.grew {
                    trim(connection, *id, self.occurrences)?;
                }
            }
        }
        self.clear();
        self.bound(connection)
    }

    /// Deletes issues where there are too many: the resolved ones first, then those that were
    /// not seen for longest.
    fn bound(&self, connection: &Connection) -> Result<(), StoreError> {
        let issues: i64 = connection
            .prepare_cached("SELECT count(*) FROM issue")?
            .query_row([], |row| row.get(0))?;
        if issues <= self.most {
            return Ok(());
        }
        let surplus = issues - self.most + SURPLUS.min(self.most / 10);
        let mut oldest = connection.prepare_cached(
            "SELECT id FROM issue ORDER BY status <> 'resolved', last_seen LIMIT ?1",
        )?;
        let oldest: Vec<i64> = oldest
            .query_map([surplus], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in oldest {
            connection
                .prepare_cached("DELETE FROM occurrence WHERE issue = ?1")?
                .execute([id])?;
            delete(connection, id)?;
        }
        connection
            .prepare_cached(
                "INSERT INTO fact (name, value) VALUES ('issues_dropped', ?1)
                 ON CONFLICT DO UPDATE SET value = value + excluded.value",
            )?
            .execute([surplus])?;
        tracing::warn!(
            deleted = surplus,
            kept = self.most,
            "deleted the oldest issues, as there are too many: do messages carry something that is another each time?"
        );
        Ok(())
    }
}

/// Works out from the occurrences that are left when an issue was seen, and how it stands.
fn look_again(connection: &Connection, id: i64, issue: &mut Entry) -> Result<(), StoreError> {
    let stored: i64 = connection
        .prepare_cached("SELECT count(*) FROM occurrence WHERE issue = ?1")?
        .query_row([id], |row| row.get(0))?;
    let seen = |order: &str| {
        connection
            .prepare_cached(&format!(
                "SELECT time, release FROM occurrence WHERE issue = ?1 ORDER BY time {order} LIMIT 1"
            ))?
            .query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
            .optional()
    };
    if let Some((time, release)) = seen("DESC")? {
        issue.last_seen = time;
        issue.last_release = release;
    }
    // Of the first ones nothing may be left.
    if stored == issue.count
        && let Some((time, release)) = seen("ASC")?
    {
        issue.first_seen = time;
        issue.first_release = release;
    }
    let Some((at, release)) = issue.resolved.clone() else {
        return Ok(());
    };
    issue.status = resolved_status(at, release.as_deref());
    (issue.regressed_at, issue.regressed_in) = (None, None);
    let mut later = connection.prepare_cached(
        "SELECT time, release FROM occurrence WHERE issue = ?1 AND time > ?2 ORDER BY time",
    )?;
    let mut rows = later.query([id, at])?;
    while let Some(row) = rows.next()? {
        let release: Option<String> = row.get(1)?;
        issue.enter(row.get(0)?, release.as_deref());
    }
    Ok(())
}

fn update(connection: &Connection, id: i64, issue: &Entry) -> Result<(), StoreError> {
    let status = match issue.status {
        Status::Unresolved => "open",
        Status::Resolved { .. } => "resolved",
        Status::Regressed => "regressed",
    };
    connection
        .prepare_cached(
            "UPDATE issue SET title = ?2, subtitle = ?3, culprit = ?4, level = ?5,
                first_seen = ?6, last_seen = ?7, count = ?8, status = ?9, regressed_at = ?10,
                regressed_in = ?11, first_release = ?12, last_release = ?13
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            issue.title,
            issue.subtitle,
            issue.culprit,
            issue.level,
            issue.first_seen,
            issue.last_seen,
            issue.count,
            status,
            issue.regressed_at,
            issue.regressed_in,
            issue.first_release,
            issue.last_release
        ])?;
    Ok(())
}

/// Deletes an issue of which no occurrence is left.
fn delete(connection: &Connection, id: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM issue_volume WHERE issue = ?1",
        "DELETE FROM issue WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Deletes the oldest occurrences of an issue where it has a quarter more than are kept.
fn trim(connection: &Connection, id: i64, kept: i64) -> Result<(), StoreError> {
    let stored: i64 = connection
        .prepare_cached("SELECT count(*) FROM occurrence WHERE issue = ?1")?
        .query_row([id], |row| row.get(0))?;
    if stored > kept + kept / 4 {
        connection
            .prepare_cached(
                "DELETE FROM occurrence WHERE id IN
                    (SELECT id FROM occurrence WHERE issue = ?1 ORDER BY time LIMIT ?2)",
            )?
            .execute([id, stored - kept])?;
    }
    Ok(())
}
