//! Issues, and the occurrences that are kept of them.

use std::{collections::HashMap, sync::Arc};

use opentelemetry_proto::tonic::{logs::v1::LogRecord, trace::v1::Span};
use rusqlite::{OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{Page, Query, Reader, Stored, rows::AMONG};
use crate::{
    issue::{Fingerprint, Source, Sources},
    sentry::{Event, Limits},
    store::{StoreError, chunk::Kind, ids, issues, trace_of},
};

/// How it stands with an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IssueState {
    Open,
    Resolved,
    /// It was resolved, and happened again.
    Regressed,
}

impl IssueState {
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::Regressed];

    /// As the database and the addresses have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Regressed => "regressed",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Which issues are looked for. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssueFilter {
    /// None of them is any.
    pub(crate) states: Vec<IssueState>,
    pub(crate) service: Option<String>,
    /// Seen at or after this, in nanoseconds since 1970.
    pub(crate) since: Option<i64>,
    /// Words of the title, the subtitle and the culprit; the terms are `release`,
    /// `environment`, `user`, `level` and `type` of an occurrence.
    pub(crate) query: Query,
}

/// An issue. Times are in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) id: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) culprit: String,
    pub(crate) level: String,
    pub(crate) service: Arc<str>,
    pub(crate) first_seen: u64,
    pub(crate) last_seen: u64,
    /// Of all occurrences, also of those that are not kept.
    pub(crate) count: u64,
    /// Different users of the occurrences that are kept.
    pub(crate) users: u64,
    pub(crate) state: IssueState,
    pub(crate) resolved_at: Option<u64>,
    pub(crate) resolved_in: Option<String>,
    pub(crate) regressed_at: Option<u64>,
    pub(crate) regressed_in: Option<String>,
    pub(crate) first_release: Option<String>,
    pub(crate) last_release: Option<String>,
}

const ISSUE: &str = "issue.id, fingerprint, title, subtitle, culprit, level, service, first_seen, \
    last_seen, count, status, resolved_at, resolved_in, regressed_at, regressed_in, \
    first_release, last_release, (SELECT count(DISTINCT user) FROM occurrence \
    WHERE occurrence.issue = issue.id)";

/// An occurrence as its row has it.
#[derive(Clone, Debug)]
pub(crate) struct OccurrenceRow {
    pub(crate) id: i64,
    pub(crate) issue: i64,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) source: Source,
    /// All who told of it.
    pub(crate) sources: Sources,
    /// The id of Sentry's event.
    pub(crate) event: Option<String>,
    pub(crate) trace: Option<u128>,
    pub(crate) span: Option<u64>,
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
    pub(crate) log_message: Option<String>,
    pub(crate) culprit: Option<String>,
    pub(crate) level: String,
    pub(crate) handled: Option<bool>,
    pub(crate) service: Arc<str>,
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) record: Option<i64>,
    of_span: Option<i64>,
}

const OCCURRENCE: &str = "id, issue, time, source, sources, event, trace, trace_high, span, kind, \
    message, log_message, culprit, level, handled, service, release, environment, user, record, \
    of_span";

/// All that is still there of an occurrence; records and spans may have been deleted as too old.
#[derive(Clone, Debug, Default)]
pub(crate) struct OccurrenceBody {
    pub(crate) event: Option<Box<Event>>,
    pub(crate) record: Option<Box<Stored<LogRecord>>>,
    pub(crate) span: Option<Box<Stored<Span>>>,
}

/// An error of a trace.
#[derive(Clone, Debug)]
pub(crate) struct TraceIssue {
    pub(crate) issue: Fingerprint,
    pub(crate) occurrence: i64,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// In which it happened.
    pub(crate) span: Option<u64>,
    pub(crate) service: Arc<str>,
}

/// How the newest occurrences of an issue are spread, each with its number, the most first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    /// Of so many occurrences.
    pub(crate) of: u64,
    pub(crate) releases: Vec<(String, u64)>,
    pub(crate) environments: Vec<(String, u64)>,
    pub(crate) services: Vec<(String, u64)>,
    pub(crate) users: Vec<(String, u64)>,
    pub(crate) routes: Vec<(String, u64)>,
}

/// So many occurrences tell how they are spread.
const SPREAD: i64 = 200;
/// And so many values of each kind are told.
const VALUES: i64 = 8;

/// A trace with more errors than this is shown in part.
const OF_TRACE: i64 = 500;

impl Reader {
    /// Issues that fit, the last seen first; `from` is how many are left out at the front.
    pub(crate) fn issues(
        &self,
        filter: &IssueFilter,
        from: i64,
        limit: usize,
    ) -> Result<Page<Issue>, StoreError> {
        let Some((conditions, mut values)) = self.issue_conditions(filter)? else {
            return Ok(Page::default());
        };
        values.push(Value::Integer(i64::try_from(limit + 1).unwrap_or(i64::MAX)));
        values.push(Value::Integer(from));
        let mut items = self.issues_of(
            &format!("{conditions} ORDER BY last_seen DESC, id DESC LIMIT ? OFFSET ?"),
            values,
        )?;
        let mut page = Page::default();
        if items.len() > limit {
            items.truncate(limit);
            page.next = Some(from + i64::try_from(limit).unwrap_or(i64::MAX));
        }
        page.items = items;
        Ok(page)
    }

    /// An issue by what its address has.
    pub(crate) fn issue(&self, fingerprint: Fingerprint) -> Result<Option<Issue>, StoreError> {
        let values = vec![Value::Integer(fingerprint.0.cast_signed())];
        Ok(self.issues_of("fingerprint = ?", values)?.pop())
    }

    /// Others of the same type or at the same place, the last seen first.
    pub(crate) fn similar_issues(
        &self,
        issue: &Issue,
        limit: usize,
    ) -> Result<Vec<Issue>, StoreError> {
        let text = |text: &str| Value::Text(text.to_owned());
        self.issues_of(
            "issue.id <> ? AND (title = ? OR (culprit = ? AND culprit <> ''))
             ORDER BY last_seen DESC LIMIT ?",
            vec![
                Value::Integer(issue.id),
                text(&issue.title),
                text(&issue.culprit),
                Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)),
            ],
        )
    }

    /// How many issues were deleted since the database was made, as there were too many.
    pub(crate) fn issues_dropped(&self) -> Result<u64, StoreError> {
        let dropped: Option<i64> = self
            .connection
            .prepare_cached("SELECT value FROM fact WHERE name = 'issues_dropped'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(dropped.unwrap_or(0).unsigned_abs())
    }

    /// Occurrences of an issue by minute since a moment, each with the beginning of the minute,
    /// in nanoseconds since 1970.
    pub(crate) fn issue_volume(
        &self,
        issue: i64,
        since: i64,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT minute, count FROM issue_volume
             WHERE issue = ?1 AND minute >= ?2 AND count > 0 ORDER BY minute",
        )?;
        let volume = select
            .query_map([issue, since / issues::MINUTE], |row| {
                let (minute, count): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((
                    (minute * issues::MINUTE).unsigned_abs(),
                    count.unsigned_abs(),
                ))
            })?
            .collect::<Result<_, _>>()?;
        Ok(volume)
    }

    /// Occurrences that are kept of an issue, the newest first.
    pub(crate) fn occurrences(
        &self,
        issue: i64,
        limit: usize,
    ) -> Result<Vec<OccurrenceRow>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.occurrence_rows(
            "issue = ?1 ORDER BY time DESC, id DESC LIMIT ?2",
            params![issue, limit],
        )
    }

    /// The occurrences before and after one, by their time.
    pub(crate) fn occurrences_beside(
        &self,
        row: &OccurrenceRow,
    ) -> Result<(Option<i64>, Option<i64>), StoreError> {
        let time = i64::try_from(row.time).unwrap_or(i64::MAX);
        let beside = |sql: &str| {
            self.connection
                .prepare_cached(sql)?
                .query_row([row.issue, time, row.id], |row| row.get(0))
                .optional()
        };
        Ok((
            beside(
                "SELECT id FROM occurrence WHERE issue = ?1 AND (time, id) < (?2, ?3)
                 ORDER BY time DESC, id DESC LIMIT 1",
            )?,
            beside(
                "SELECT id FROM occurrence WHERE issue = ?1 AND (time, id) > (?2, ?3)
                 ORDER BY time, id LIMIT 1",
            )?,
        ))
    }

    /// One occurrence by its row.
    pub(crate) fn occurrence(&self, id: i64) -> Result<Option<OccurrenceRow>, StoreError> {
        Ok(self.occurrence_rows("id = ?1", [id])?.pop())
    }

    /// The event, the record and the span that told of an occurrence.
    pub(crate) fn occurrence_body(
        &self,
        row: &OccurrenceRow,
    ) -> Result<OccurrenceBody, StoreError> {
        let body: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT body FROM occurrence WHERE id = ?1")?
            .query_row([row.id], |row| row.get(0))
            .optional()?
            .flatten();
        let event = match body {
            Some(body) => {
                let json =
                    zstd::stream::decode_all(body.as_slice()).map_err(StoreError::Compress)?;
                Event::from_json(&json, &Limits::default())
                    .ok()
                    .map(Box::new)
            }
            None => None,
        };
        let record = match row.record {
            Some(record) => self
                .record(record)?
                // After all records were deleted their rows are given anew.
                .filter(|(found, _)| found.trace == row.trace && found.service == row.service),
            None => None,
        };
        let span = match row.of_span {
            Some(span) => self
                .span_of_row(span)?
                .filter(|(found, _)| Some(found.trace) == row.trace),
            None => None,
        };
        Ok(OccurrenceBody {
            event,
            record: record.map(|(_, record)| Box::new(record)),
            span: span.map(|(_, span)| Box::new(span)),
        })
    }

    /// The errors of a trace, by their time.
    pub(crate) fn issues_of_trace(&self, trace: u128) -> Result<Vec<TraceIssue>, StoreError> {
        let (low, high) = ids(trace);
        self.trace_issues(
            "occurrence.trace = ?1 AND occurrence.trace_high = ?2
             ORDER BY occurrence.time, occurrence.id LIMIT ?3",
            params![low, high, OF_TRACE],
        )
    }

    /// The issue of Sentry's event.
    pub(crate) fn issue_of_event(&self, event: &str) -> Result<Option<TraceIssue>, StoreError> {
        Ok(self
            .trace_issues("occurrence.event = ?1 LIMIT 1", [event])?
            .pop())
    }

    /// How the newest occurrences of an issue are spread.
    pub(crate) fn shares(&self, issue: i64) -> Result<Shares, StoreError> {
        let newest = "FROM occurrence WHERE issue = ?1 ORDER BY time DESC, id DESC LIMIT ?2";
        let count = |value: &str| -> Result<Vec<(String, u64)>, StoreError> {
            let mut select = self.connection.prepare_cached(&format!(
                "SELECT value, count(*) FROM (SELECT {value} AS value {newest})
                 WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT ?3"
            ))?;
            let counts = select
                .query_map([issue, SPREAD, VALUES], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
                })?
                .collect::<Result<_, _>>()?;
            Ok(counts)
        };
        let of: i64 = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM (SELECT 1 {newest})"))?
            .query_row([issue, SPREAD], |row| row.get(0))?;
        let text = |id: &str| format!("(SELECT text FROM text WHERE text.id = {id})");
        Ok(Shares {
            of: of.unsigned_abs(),
            releases: count("release")?,
            environments: count("environment")?,
            services: count(&text("service"))?,
            users: count("user")?,
            routes: self.routes_of(issue)?,
        })
    }

    /// The routes of the requests in which an issue's newest occurrences happened.
    fn routes_of(&self, issue: i64) -> Result<Vec<(String, u64)>, StoreError> {
        let mut traces = self.connection.prepare_cached(
            "SELECT trace, trace_high FROM occurrence WHERE issue = ?1
             ORDER BY time DESC, id DESC LIMIT ?2",
        )?;
        // Of a huge trace only the first spans are looked at.
        let mut route = self.connection.prepare_cached(&format!(
            "SELECT coalesce(route, name) FROM
                (SELECT route, name, kind FROM span
                    WHERE {AMONG} AND trace = ? AND trace_high = ? LIMIT 100)
             WHERE kind = 2 LIMIT 1"
        ))?;
        let mut counts: HashMap<Arc<str>, u64> = HashMap::new();
        let mut of_traces: HashMap<u128, Option<Arc<str>>> = HashMap::new();
        let mut rows = traces.query([issue, SPREAD])?;
        while let Some(row) = rows.next()? {
            let (Some(low), Some(high)) = (row.get(0)?, row.get(1)?) else {
                continue;
            };
            let trace = trace_of(low, high);
            let name = match of_traces.get(&trace) {
                Some(known) => known.clone(),
                None => {
                    let rows = self.rows_of_trace(Kind::Spans, trace)?;
                    let found: Option<i64> = route
                        .query_row(params![rows, low, high], |row| row.get(0))
                        .optional()?;
                    let name = found.map(|id| self.text(id)).transpose()?;
                    of_traces.insert(trace, name.clone());
                    name
                }
            };
            if let Some(name) = name {
                *counts.entry(name).or_default() += 1;
            }
        }
        let mut counts: Vec<(String, u64)> = counts
            .into_iter()
            .map(|(name, count)| (name.to_string(), count))
            .collect();
        counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        counts.truncate(usize::try_from(VALUES).unwrap_or(usize::MAX));
        Ok(counts)
    }

    fn issue_conditions(
        &self,
        filter: &IssueFilter,
    ) -> Result<Option<(String, Vec<Value>)>, StoreError> {
        let mut sql = String::from("1");
        let mut values = Vec::new();
        if !filter.states.is_empty() {
            let states: Vec<_> = filter
                .states
                .iter()
                .map(|state| format!("'{}'", state.as_str()))
                .collect();
            sql.push_str(&format!(" AND status IN ({})", states.join(", ")));
        }
        if let Some(service) = &filter.service {
            let Some(id) = self.id_of(service)? else {
                return Ok(None);
            };
            // An issue that a program named itself may be of several services.
            sql.push_str(
                " AND (service = ? OR EXISTS (SELECT 1 FROM occurrence
                    WHERE occurrence.issue = issue.id AND occurrence.service = ?))",
            );
            values.extend([Value::Integer(id), Value::Integer(id)]);
        }
        if let Some(since) = filter.since {
            sql.push_str(" AND last_seen >= ?");
            values.push(Value::Integer(since));
        }
        for word in &filter.query.words {
            says(&mut sql, &mut values, word.trim_end_matches('*'));
        }
        for term in &filter.query.terms {
            let column = match term.key.as_str() {
                "release" => "release",
                "environment" => "environment",
                "user" | "user.id" => "user",
                "level" => "level",
                "type" | "exception.type" => "kind",
                _ => {
                    says(
                        &mut sql,
                        &mut values,
                        &format!("{}={}", term.key, term.value),
                    );
                    continue;
                }
            };
            sql.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM occurrence
                    WHERE occurrence.issue = issue.id AND occurrence.{column} = ?)"
            ));
            values.push(Value::Text(term.value.clone()));
        }
        Ok(Some((sql, values)))
    }

    fn issues_of(&self, rest: &str, values: Vec<Value>) -> Result<Vec<Issue>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached(&format!("SELECT {ISSUE} FROM issue WHERE {rest}"))?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut issues = Vec::new();
        while let Some(row) = rows.next()? {
            issues.push(self.read_issue(row)?);
        }
        Ok(issues)
    }

    fn read_issue(&self, row: &Row<'_>) -> Result<Issue, StoreError> {
        let time = |column| {
            row.get::<_, Option<i64>>(column)
                .map(|time| time.map(i64::unsigned_abs))
        };
        Ok(Issue {
            id: row.get(0)?,
            fingerprint: Fingerprint(row.get::<_, i64>(1)?.cast_unsigned()),
            title: row.get(2)?,
            subtitle: row.get(3)?,
            culprit: row.get(4)?,
            level: row.get(5)?,
            service: self.text(row.get(6)?)?,
            first_seen: time(7)?.unwrap_or_default(),
            last_seen: time(8)?.unwrap_or_default(),
            count: time(9)?.unwrap_or_default(),
            state: IssueState::named(row.get_ref(10)?.as_str()?).unwrap_or(IssueState::Open),
            resolved_at: time(11)?,
            resolved_in: row.get(12)?,
            regressed_at: time(13)?,
            regressed_in: row.get(14)?,
            first_release: row.get(15)?,
            last_release: row.get(16)?,
            users: time(17)?.unwrap_or_default(),
        })
    }

    fn occurrence_rows(
        &self,
        rest: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<OccurrenceRow>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached(&format!("SELECT {OCCURRENCE} FROM occurrence WHERE {rest}"))?;
        let mut rows = select.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let low: Option<i64> = row.get(6)?;
            let high: Option<i64> = row.get(7)?;
            found.push(OccurrenceRow {
                id: row.get(0)?,
                issue: row.get(1)?,
                time: row.get::<_, i64>(2)?.unsigned_abs(),
                source: issues::source(row.get(3)?),
                sources: Sources(row.get(4)?),
                event: row.get(5)?,
                trace: low.map(|low| trace_of(low, high.unwrap_or(0))),
                span: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
                kind: row.get(9)?,
                message: row.get(10)?,
                log_message: row.get(11)?,
                culprit: row.get(12)?,
                level: row.get(13)?,
                handled: row.get(14)?,
                service: self.text(row.get(15)?)?,
                release: row.get(16)?,
                environment: row.get(17)?,
                user: row.get(18)?,
                record: row.get(19)?,
                of_span: row.get(20)?,
            });
        }
        Ok(found)
    }

    fn trace_issues(
        &self,
        rest: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<TraceIssue>, StoreError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT issue.fingerprint, occurrence.id, issue.title, issue.subtitle,
                occurrence.time, occurrence.span, occurrence.service
             FROM occurrence JOIN issue ON issue.id = occurrence.issue WHERE {rest}"
        ))?;
        let mut rows = select.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(TraceIssue {
                issue: Fingerprint(row.get::<_, i64>(0)?.cast_unsigned()),
                occurrence: row.get(1)?,
                title: row.get(2)?,
                subtitle: row.get(3)?,
                time: row.get::<_, i64>(4)?.unsigned_abs(),
                span: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
                service: self.text(row.get(6)?)?,
            });
        }
        Ok(found)
    }
}

/// The condition that an issue's lines say a word.
fn says(sql: &mut String, values: &mut Vec<Value>, word: &str) {
    sql.push_str(" AND (title || ' ' || subtitle || ' ' || culprit) LIKE ? ESCAPE '\\'");
    let mut pattern = String::from("%");
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    values.push(Value::Text(pattern));
}
