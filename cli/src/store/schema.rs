//! The database: its tables, and how a connection to it is opened.
//!
//! Spans and log records are kept as the bytes that came, many to a compressed chunk. A narrow
//! row for each holds what lists and filters need, so that a scan over a million of them stays
//! in memory's reach, and each chunk has a sorted list of hashes of all `key=value` pairs in
//! it, which tells in which chunks a search has to look. The text of log records is in a
//! full-text index that holds no second copy of it.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::StoreError;

/// What `user_version` says of a database that has these tables.
const VERSION: i64 = 2;

/// How long a reader waits while a checkpoint has the file for itself.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE text (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE resource (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    service INTEGER NOT NULL REFERENCES text, body BLOB NOT NULL);
CREATE TABLE scope (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);

-- `first` and `last` are rows of span or of record, as `signal` says (1 or 2).
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, signal INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    received INTEGER NOT NULL, earliest INTEGER NOT NULL, latest INTEGER NOT NULL,
    length INTEGER NOT NULL,
    tokens BLOB, body BLOB NOT NULL);
CREATE INDEX chunk_latest ON chunk (signal, latest, first);

CREATE TABLE span (
    id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, position INTEGER NOT NULL, length INTEGER NOT NULL,
    trace INTEGER NOT NULL, trace_high INTEGER NOT NULL, span INTEGER NOT NULL, parent INTEGER,
    start INTEGER NOT NULL, duration INTEGER NOT NULL,
    service INTEGER NOT NULL, name INTEGER NOT NULL, route INTEGER,
    kind INTEGER NOT NULL, status INTEGER NOT NULL, http_status INTEGER,
    resource INTEGER, scope INTEGER);
CREATE INDEX span_error ON span (id) WHERE status = 2;
CREATE INDEX span_slow ON span (id) WHERE duration >= 100000000;

CREATE TABLE record (
    id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, position INTEGER NOT NULL, length INTEGER NOT NULL,
    time INTEGER NOT NULL, severity INTEGER NOT NULL, service INTEGER NOT NULL,
    stream INTEGER, event INTEGER,
    trace INTEGER, trace_high INTEGER, span INTEGER,
    resource INTEGER, scope INTEGER);
CREATE INDEX record_service ON record (service);
CREATE INDEX record_stream ON record (stream, event) WHERE stream IS NOT NULL;
CREATE INDEX record_warn ON record (id) WHERE severity >= 13;
CREATE VIRTUAL TABLE record_text USING fts5(
    body, attributes, content='', contentless_delete=1, tokenize='unicode61');

-- Which rows are of a trace, in sorted pieces. What is newer than the last of them is looked
-- through. A bucket's id begins with its run's.
CREATE TABLE run (
    id INTEGER PRIMARY KEY, signal INTEGER NOT NULL, level INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE bucket (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Requests by endpoint, and records by stream, in slices of ten seconds; again in longer parts of
-- so many slices as `width` says, each counted from 1970.
CREATE TABLE red (
    width INTEGER NOT NULL, slice INTEGER NOT NULL, service INTEGER NOT NULL, name INTEGER NOT NULL, kind INTEGER NOT NULL,
    count INTEGER NOT NULL, errors INTEGER NOT NULL, total INTEGER NOT NULL, durations BLOB NOT NULL,
    PRIMARY KEY (width, slice, service, name, kind)) WITHOUT ROWID;
CREATE TABLE volume (
    width INTEGER NOT NULL, slice INTEGER NOT NULL, service INTEGER NOT NULL, stream INTEGER NOT NULL, event INTEGER NOT NULL,
    level INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (width, slice, service, stream, event, level)) WITHOUT ROWID;

-- Who and what was seen, by the hour or the day as `width` says in hours; `stream` is -1 for
-- requests. What was left out of a kind, as there was too much of it, is counted.
CREATE TABLE subject (
    width INTEGER NOT NULL, hour INTEGER NOT NULL, kind INTEGER NOT NULL, value TEXT NOT NULL,
    service INTEGER NOT NULL, stream INTEGER NOT NULL, event INTEGER NOT NULL,
    count INTEGER NOT NULL, errors INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    others BLOB NOT NULL,
    PRIMARY KEY (width, kind, hour, value, service, stream, event)) WITHOUT ROWID;
CREATE TABLE subject_left_out (
    width INTEGER NOT NULL, hour INTEGER NOT NULL, kind INTEGER NOT NULL,
    subjects INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (width, kind, hour)) WITHOUT ROWID;

CREATE TABLE series (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    service INTEGER NOT NULL REFERENCES text, name INTEGER NOT NULL REFERENCES text,
    unit TEXT NOT NULL, description TEXT NOT NULL,
    -- 1 gauge, 2 sum, 3 histogram, 4 exponential histogram, 5 summary
    kind INTEGER NOT NULL,
    -- 0 none, 1 delta, 2 cumulative
    temporality INTEGER NOT NULL, monotonic INTEGER NOT NULL,
    attributes BLOB NOT NULL, resource INTEGER, scope INTEGER);
CREATE INDEX series_name ON series (name, service);
CREATE TABLE point (
    series INTEGER NOT NULL, time INTEGER NOT NULL, start INTEGER NOT NULL,
    value REAL, body BLOB,
    PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE TABLE exemplar (
    series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL,
    trace INTEGER, trace_high INTEGER, span INTEGER,
    PRIMARY KEY (series, time, value)) WITHOUT ROWID;

-- `fingerprint` is what the page's addresses have, as 16 hexadecimal digits. The count is of
-- all occurrences that there were; of those only the newest are kept.
CREATE TABLE issue (
    id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL UNIQUE,
    title TEXT NOT NULL, subtitle TEXT NOT NULL, culprit TEXT NOT NULL, level TEXT NOT NULL,
    service INTEGER NOT NULL REFERENCES text,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
    -- 'open', 'resolved' or 'regressed'
    status TEXT NOT NULL, resolved_at INTEGER, resolved_in TEXT,
    regressed_at INTEGER, regressed_in TEXT,
    first_release TEXT, last_release TEXT);
CREATE INDEX issue_last ON issue (last_seen);
-- Occurrences by minute.
CREATE TABLE issue_volume (
    issue INTEGER NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (issue, minute)) WITHOUT ROWID;
CREATE TABLE occurrence (
    id INTEGER PRIMARY KEY, issue INTEGER NOT NULL REFERENCES issue,
    -- Who told what is kept (1 span, 2 record, 4 Sentry's event), and the sum of all who told.
    time INTEGER NOT NULL, source INTEGER NOT NULL, sources INTEGER NOT NULL, event TEXT,
    trace INTEGER, trace_high INTEGER, span INTEGER,
    kind TEXT, message TEXT NOT NULL, log_message TEXT, culprit TEXT, level TEXT NOT NULL,
    handled INTEGER, service INTEGER NOT NULL REFERENCES text,
    release TEXT, environment TEXT, user TEXT,
    -- Sentry's event as compressed JSON; the rows of the record and of the span that told, and
    -- the times that they told: one that comes again has the same.
    body BLOB, record INTEGER, of_span INTEGER, record_time INTEGER, span_time INTEGER);
CREATE INDEX occurrence_issue ON occurrence (issue, time, user);
CREATE INDEX occurrence_trace ON occurrence (trace) WHERE trace IS NOT NULL;
CREATE INDEX occurrence_event ON occurrence (event) WHERE event IS NOT NULL;
CREATE INDEX occurrence_record ON occurrence (record) WHERE record IS NOT NULL;

-- What is still to be passed on, in the order of arrival.
CREATE TABLE outbox (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, items INTEGER NOT NULL, body BLOB NOT NULL);
-- Single facts: the last span and record that `red` and `volume` have counted, and so on.
CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// Opens the database for its one writer, and makes its tables where it is new.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Each commit writes the pages of the indexes that it touched, which are many and random:
    // larger ones cost more than chunks gain by them.
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit is written before it is acknowledged, and survives this process; only a loss
    // of power may take the last ones, and never the rest.
    connection.pragma_update(None, "synchronous", "normal")?;
    // Checkpoints wait for the disk, so that they have a thread of their own.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Else a statement is compiled anew each time that its limit is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        VERSION => {}
        0 => {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(TABLES)?;
            connection.pragma_update(None, "user_version", VERSION)?;
            connection.execute_batch("COMMIT")?;
        }
        other => {
            return Err(StoreError::Version {
                found: other,
                expected: VERSION,
            });
        }
    }
    Ok(connection)
}

/// Opens the database for reading only, beside whoever writes to it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -8 * 1024)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Else a statement is compiled anew each time that its limit is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        return Err(StoreError::Version {
            found: version,
            expected: VERSION,
        });
    }
    Ok(connection)
}
