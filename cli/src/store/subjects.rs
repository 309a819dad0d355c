//! Users, addresses and whoever else a list is of, counted as they come: no list of a long range
//! can read all of its spans and records.
//!
//! They are counted in hours and in days, written with the counts of requests and in the same
//! transaction, or of many at once only every few seconds. What was not written when a process was
//! killed is read again from the items themselves. An attack brings more addresses than anybody reads: of one kind and hour, or day,
//! the newest and the most frequent are kept, and what was left out is counted.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, params};
use xxhash_rust::xxh3::xxh3_64;

use super::{StoreError, chunk, red};
use crate::wire::{AttributeView, RecordView, SpanView, ValueView};

/// How many hours one row is of.
pub(super) const WIDTHS: [i64; 2] = [1, DAY];
pub(super) const DAY: i64 = 24;
pub(super) const HOUR: i64 = 3_600_000_000_000;

/// Rows of one kind and time beyond which some are left out, and what is kept of them then.
const MOST: usize = 20_000;
const NEWEST: usize = 10_000;
const FREQUENT: usize = 5_000;

/// So many are written every second; more of them wait this long, as most come again meanwhile.
const SOON: usize = 4_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Of those that a subject was seen with, so many are told apart.
pub(crate) const OTHERS: usize = 32;

/// A longer name is cut, as names are.
const LONGEST: usize = 200;

/// The facts that tell how far is counted.
const SPANS: &str = "subject_spans";
const RECORDS: &str = "subject_records";

/// What the requests of somebody are counted as, beside the streams of records.
pub(super) const REQUESTS: i64 = -1;

/// What is counted by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SubjectKind {
    /// `user.id`, seen with addresses.
    User = 1,
    /// `client.address`, seen with users.
    Address = 2,
    /// Who logged in, or tried to, by the name that was given; seen with addresses.
    Login = 3,
    /// Where somebody logged in from, or tried to; seen with names.
    LoginAddress = 4,
    /// Who did what is audited.
    Actor = 5,
    Action = 6,
    ResourceType = 7,
    Outcome = 8,
}

/// The attributes of one item that name somebody, or something.
#[derive(Clone, Debug, Default)]
pub(super) struct Named([Option<Box<str>>; 8]);

const USER: usize = 0;
const ADDRESS: usize = 1;
const NAME: usize = 2;
const EMAIL: usize = 3;
const ACTOR: usize = 4;
const ACTION: usize = 5;
const RESOURCE_TYPE: usize = 6;
const OUTCOME: usize = 7;

/// Most items have none of these attributes, and pay nothing.
pub(super) type MaybeNamed = Option<Box<Named>>;

/// Notes an attribute that names somebody.
pub(super) fn note(named: &mut MaybeNamed, attribute: &AttributeView<'_>) {
    // This is asked of every attribute that comes.
    let place = match attribute.key {
        "user.id" => USER,
        "client.address" => ADDRESS,
        "user.name" => NAME,
        "user.email" => EMAIL,
        "audit.actor" => ACTOR,
        "audit.action" => ACTION,
        "audit.resource.type" => RESOURCE_TYPE,
        "audit.outcome" => OUTCOME,
        _ => return,
    };
    let value: Box<str> = match attribute.value {
        ValueView::Text(text) if !text.is_empty() => {
            let mut end = text.len().min(LONGEST);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text[..end].into()
        }
        ValueView::Int(number) => itoa::Buffer::new().format(number).into(),
        _ => return,
    };
    named.get_or_insert_default().0[place] = Some(value);
}

impl Named {
    fn of(&self, key: usize) -> &str {
        self.0[key].as_deref().unwrap_or_default()
    }

    fn first_of(&self, keys: &[usize]) -> &str {
        let found = keys.iter().find_map(|key| self.0[*key].as_deref());
        found.unwrap_or_default()
    }
}

/// What is counted apart: the hour, the kind, the service, the stream and the event, where that
/// matters.
type Group = (i64, SubjectKind, i64, i64, i64);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    count: i64,
    errors: i64,
    first: i64,
    last: i64,
    others: Others,
}

impl Seen {
    fn add(&mut self, time: i64, failed: bool, other: &str) {
        self.first = if self.count == 0 {
            time
        } else {
            self.first.min(time)
        };
        self.last = self.last.max(time);
        self.count += 1;
        self.errors += i64::from(failed);
        if !other.is_empty() {
            // The lower half of a hash is one.
            #[allow(clippy::cast_possible_truncation)]
            self.others.add(xxh3_64(other.as_bytes()) as u32);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.first = if self.count == 0 {
            other.first
        } else {
            self.first.min(other.first)
        };
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.errors += other.errors;
        self.others.merge(&other.others);
    }
}

/// Which others a subject was seen with, told apart by their hashes, up to [`OTHERS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others(Vec<u32>);

impl Others {
    fn add(&mut self, hash: u32) {
        if let Err(place) = self.0.binary_search(&hash)
            && self.0.len() < OTHERS
        {
            self.0.insert(place, hash);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for hash in &other.0 {
            self.add(*hash);
        }
    }

    fn pack(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    pub(super) fn unpack(packed: &[u8]) -> Self {
        let (hashes, _) = packed.as_chunks::<4>();
        Self(
            hashes
                .iter()
                .map(|hash| u32::from_le_bytes(*hash))
                .collect(),
        )
    }

    /// How many; as many as are told apart may be more.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Where and when something was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) time: u64,
    pub(super) service: i64,
    /// The ids, 0 for none.
    pub(super) stream: i64,
    pub(super) event: i64,
    /// The names, for what only some have.
    pub(super) stream_name: &'a str,
    pub(super) event_name: &'a str,
}

/// What is counted and not yet written.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    seen: HashMap<Group, HashMap<Box<str>, Seen>>,
    /// How many rows there are of a width, a part and a kind; those that were written lately.
    rows: HashMap<(i64, i64, SubjectKind), usize>,
    left_out: BTreeMap<(i64, SubjectKind), (i64, i64)>,
    /// When it was written last, if that was not long ago.
    written: Option<Instant>,
}

impl Subjects {
    /// A request that was answered.
    pub(super) fn span(&mut self, time: u64, service: i64, failed: bool, named: &Named) {
        let hour = chunk::time(time) / HOUR;
        let (user, address) = (named.of(USER), named.of(ADDRESS));
        for (kind, one, other) in [
            (SubjectKind::User, user, address),
            (SubjectKind::Address, address, user),
        ] {
            self.add((hour, kind, service, REQUESTS, 0), one, other, time, failed);
        }
    }

    pub(super) fn record(&mut self, sight: &Sight<'_>, named: &Named) {
        let Sight {
            time,
            service,
            stream,
            event,
            ..
        } = *sight;
        let hour = chunk::time(time) / HOUR;
        let mut add = |kind, event, one, other| {
            self.add(
                (hour, kind, service, stream, event),
                one,
                other,
                time,
                false,
            );
        };
        let (user, address) = (named.of(USER), named.of(ADDRESS));
        add(SubjectKind::User, 0, user, address);
        add(SubjectKind::Address, 0, address, user);
        if matches!(
            sight.event_name,
            "auth.login.failed" | "auth.login.succeeded"
        ) {
            let login = named.first_of(&[NAME, USER, EMAIL]);
            add(SubjectKind::Login, event, login, address);
            add(SubjectKind::LoginAddress, event, address, login);
        }
        if sight.stream_name == "audit" {
            add(SubjectKind::Actor, 0, named.first_of(&[USER, ACTOR]), "");
            add(SubjectKind::Action, 0, named.of(ACTION), "");
            add(SubjectKind::ResourceType, 0, named.of(RESOURCE_TYPE), "");
            add(SubjectKind::Outcome, 0, named.of(OUTCOME), "");
        }
    }

    fn add(&mut self, group: Group, one: &str, other: &str, time: u64, failed: bool) {
        if one.is_empty() {
            return;
        }
        let of_group = self.seen.entry(group).or_default();
        if let Some(seen) = of_group.get_mut(one) {
            seen.add(chunk::time(time), failed, other);
            return;
        }
        if of_group.len() >= MOST {
            let left_out = self.left_out.entry((group.0, group.1)).or_default();
            trim(of_group, left_out);
        }
        let mut seen = Seen::default();
        seen.add(chunk::time(time), failed, other);
        of_group.insert(one.into(), seen);
    }

    /// Has the next write write all.
    pub(super) fn hurry(&mut self) {
        self.written = None;
    }

    /// Writes what was counted, in the transaction that is open and in which [`red::Red`] has
    /// written what it counted of the same items.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let many = self.seen.values().map(HashMap::len).sum::<usize>() > SOON;
        if many && self.written.is_some_and(|at| at.elapsed() < PATIENCE) {
            return Ok(());
        }
        self.written = Some(Instant::now());
        for (ours, theirs) in [(SPANS, "counted_spans"), (RECORDS, "counted_records")] {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO fact (name, value)
                     SELECT ?1, value FROM fact WHERE name = ?2",
                )?
                .execute([ours, theirs])?;
        }
        for ((hour, kind), (subjects, count)) in std::mem::take(&mut self.left_out) {
            for width in WIDTHS {
                leave_out(connection, (width, hour / width, kind), subjects, count)?;
            }
        }
        for ((hour, kind, service, stream, event), subjects) in self.seen.drain() {
            for (value, seen) in subjects {
                for width in WIDTHS {
                    let part = (width, hour / width, kind);
                    let new = add_row(connection, part, (service, stream, event), &value, &seen)?;
                    if new {
                        let rows = match self.rows.get_mut(&part) {
                            Some(rows) => rows,
                            None => self
                                .rows
                                .entry(part)
                                .or_insert(count_rows(connection, part)? - 1),
                        };
                        *rows += 1;
                    }
                }
            }
        }
        for (part, rows) in &mut self.rows {
            if *rows > MOST {
                trim_rows(connection, *part)?;
                *rows = count_rows(connection, *part)?;
            }
        }
        // Those of past hours are counted again when one comes late.
        if self.rows.len() > 100 {
            self.rows.clear();
        }
        Ok(())
    }

    /// Forgets what is not written, and counts what is stored and not counted yet, from the items
    /// themselves.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), StoreError> {
        *self = Self::default();
        let mut bodies = Bodies::default();
        let mut spans = connection.prepare(
            "SELECT chunk, position, length, start, service, kind, status, parent IS NOT NULL,
                coalesce(http_status, 0) FROM span WHERE id > ?1",
        )?;
        let mut rows = spans.query([red::counted(connection, SPANS)?])?;
        while let Some(row) = rows.next()? {
            if !red::is_entry(row.get(5)?, row.get(7)?) {
                continue;
            }
            let bytes = bodies.bytes(connection, (row.get(0)?, row.get(1)?, row.get(2)?))?;
            let mut named = None;
            SpanView::read(bytes, |attribute| note(&mut named, &attribute))?;
            if let Some(named) = named {
                let failed = row.get::<_, i64>(6)? == 2 || row.get::<_, i64>(8)? >= 500;
                let time = row.get::<_, i64>(3)?.unsigned_abs();
                self.span(time, row.get(4)?, failed, &named);
            }
        }
        let mut records = connection.prepare(
            "SELECT chunk, position, length, time, service, coalesce(stream, 0),
                coalesce(event, 0),
                coalesce((SELECT text FROM text WHERE id = stream), ''),
                coalesce((SELECT text FROM text WHERE id = event), '')
             FROM record WHERE id > ?1",
        )?;
        let mut rows = records.query([red::counted(connection, RECORDS)?])?;
        while let Some(row) = rows.next()? {
            let bytes = bodies.bytes(connection, (row.get(0)?, row.get(1)?, row.get(2)?))?;
            let mut named = None;
            RecordView::read(bytes, |attribute| note(&mut named, &attribute))?;
            if let Some(named) = named {
                let sight = Sight {
                    time: row.get::<_, i64>(3)?.unsigned_abs(),
                    service: row.get(4)?,
                    stream: row.get(5)?,
                    event: row.get(6)?,
                    stream_name: row.get_ref(7)?.as_str()?,
                    event_name: row.get_ref(8)?.as_str()?,
                };
                self.record(&sight, &named);
            }
        }
        Ok(())
    }
}

/// The chunk that was opened last, as neighbours lie in one.
#[derive(Debug, Default)]
struct Bodies {
    id: i64,
    body: Vec<u8>,
}

impl Bodies {
    fn bytes(
        &mut self,
        connection: &Connection,
        (chunk, position, length): (i64, i64, i64),
    ) -> Result<&[u8], StoreError> {
        if self.id != chunk {
            let (whole, body): (i64, Vec<u8>) = connection
                .prepare_cached("SELECT length, body FROM chunk WHERE id = ?1")?
                .query_row([chunk], |row| Ok((row.get(0)?, row.get(1)?)))?;
            self.body = chunk::open(&body, usize::try_from(whole).unwrap_or_default())?;
            self.id = chunk;
        }
        let from = usize::try_from(position).unwrap_or_default();
        let to = from.saturating_add(usize::try_from(length).unwrap_or_default());
        Ok(self.body.get(from..to).unwrap_or_default())
    }
}

type Part = (i64, i64, SubjectKind);

/// Adds to a row, and tells whether it is new.
fn add_row(
    connection: &Connection,
    (width, hour, kind): Part,
    (service, stream, event): (i64, i64, i64),
    value: &str,
    seen: &Seen,
) -> Result<bool, StoreError> {
    let stored = connection
        .prepare_cached(
            "SELECT count, errors, first, last, others FROM subject
             WHERE width = ?1 AND hour = ?2 AND kind = ?3 AND value = ?4
                AND service = ?5 AND stream = ?6 AND event = ?7",
        )?
        .query_row(
            params![width, hour, kind as i64, value, service, stream, event],
            |row| {
                Ok(Seen {
                    count: row.get(0)?,
                    errors: row.get(1)?,
                    first: row.get(2)?,
                    last: row.get(3)?,
                    others: Others::unpack(row.get_ref(4)?.as_blob()?),
                })
            },
        )
        .optional()?;
    let new = stored.is_none();
    let mut all = stored.unwrap_or_default();
    all.merge(seen);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO subject
                (width, hour, kind, value, service, stream, event, count, errors, first, last, others)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            width,
            hour,
            kind as i64,
            value,
            service,
            stream,
            event,
            all.count,
            all.errors,
            all.first,
            all.last,
            all.others.pack()
        ])?;
    Ok(new)
}

fn count_rows(connection: &Connection, (width, hour, kind): Part) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM subject WHERE width = ?1 AND hour = ?2 AND kind = ?3",
        )?
        .query_row([width, hour, kind as i64], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

fn leave_out(
    connection: &Connection,
    (width, hour, kind): Part,
    subjects: i64,
    count: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO subject_left_out (width, hour, kind, subjects, count)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET subjects = subjects + excluded.subjects,
                count = count + excluded.count",
        )?
        .execute(params![width, hour, kind as i64, subjects, count])?;
    Ok(())
}

/// Leaves out, in memory, what is neither among the newest nor among the most frequent.
fn trim(subjects: &mut HashMap<Box<str>, Seen>, left_out: &mut (i64, i64)) {
    let bound = |mut values: Vec<i64>, most: usize| {
        values.sort_unstable_by_key(|value| std::cmp::Reverse(*value));
        values.get(most).copied().unwrap_or(i64::MIN)
    };
    let newest = bound(subjects.values().map(|seen| seen.last).collect(), NEWEST);
    let frequent = bound(subjects.values().map(|seen| seen.count).collect(), FREQUENT);
    subjects.retain(|_, seen| {
        let stays = seen.last > newest || seen.count > frequent;
        if !stays {
            left_out.0 += 1;
            left_out.1 += seen.count;
        }
        stays
    });
}

/// The same, in the database.
fn trim_rows(connection: &Connection, part: Part) -> Result<(), StoreError> {
    let (width, hour, kind) = part;
    let bound = |column: &str, most: usize| {
        connection
            .prepare_cached(&format!(
                "SELECT {column} FROM subject WHERE width = ?1 AND hour = ?2 AND kind = ?3
                 ORDER BY {column} DESC LIMIT 1 OFFSET {most}"
            ))?
            .query_row([width, hour, kind as i64], |row| row.get::<_, i64>(0))
    };
    let values = [
        width,
        hour,
        kind as i64,
        bound("last", NEWEST)?,
        bound("count", FREQUENT)?,
    ];
    let gone = "FROM subject WHERE width = ?1 AND hour = ?2 AND kind = ?3
        AND last <= ?4 AND count <= ?5";
    let (subjects, count) = connection
        .prepare_cached(&format!("SELECT count(*), coalesce(sum(count), 0) {gone}"))?
        .query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    connection
        .prepare_cached(&format!("DELETE {gone}"))?
        .execute(values)?;
    leave_out(connection, part, subjects, count)
}

/// Deletes what ended before a moment, by whole hours and days.
pub(super) fn sweep(connection: &Connection, before: i64) -> Result<(), StoreError> {
    for table in ["subject", "subject_left_out"] {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE width = ?1 AND kind = ?2 AND hour < ?3"
        ))?;
        for width in WIDTHS {
            for kind in SubjectKind::User as i64..=SubjectKind::Outcome as i64 {
                delete.execute([width, kind, before / HOUR / width])?;
            }
        }
    }
    Ok(())
}
