//! Finds what was stored. Each question is answered within a bound on rows and on time, and
//! says where it stopped, so that no question is too much for a page.

mod chunks;
mod issue;
mod item;
mod metric;
mod query;
mod record;
mod rows;
mod seen;
mod span;
mod subject;
mod thrown;
mod trace;
mod traffic;

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::Message;
use rusqlite::{Connection, OptionalExtension};

use super::{StoreError, schema};

pub(crate) use issue::{
    Issue, IssueFilter, IssueState, OccurrenceBody, OccurrenceRow, Shares, TraceIssue,
};
pub(super) use item::decode;
pub(crate) use item::{Stored, attribute, attribute_text};
pub(crate) use metric::{MetricName, Point, Series, SeriesFilter};
pub(crate) use query::{Page, Query, Term, parse_duration, parse_query};
pub(crate) use record::{RecordFilter, RecordRow};
pub(crate) use seen::{Order, SubjectFilter, SubjectRow};
pub(crate) use span::{SpanFilter, SpanRow, Status};
pub(crate) use subject::{Lag, LastSeen, UserIssue};
pub(crate) use trace::{Trace, TraceSummary};
#[cfg(test)]
pub(crate) use traffic::EndpointSlice;
pub(crate) use traffic::{Endpoint, Sizes, Volume};

/// How many looked-up names and resources a reader remembers.
const KEPT: usize = 20_000;

/// Reads the database, beside its writer.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
    texts: RefCell<HashMap<i64, Arc<str>>>,
    resources: RefCell<HashMap<i64, Arc<Resource>>>,
    scopes: RefCell<HashMap<i64, Arc<InstrumentationScope>>>,
    /// The chunk that was opened last: lists are of neighbours.
    opened: RefCell<Option<(i64, Arc<Vec<u8>>)>>,
    /// Of spans, and of records.
    newest: [RefCell<rows::Newest>; 2],
}

impl Reader {
    /// Opens the database at `path`, which must be there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: schema::open_reader(path)?,
            texts: RefCell::default(),
            resources: RefCell::default(),
            scopes: RefCell::default(),
            opened: RefCell::default(),
            newest: Default::default(),
        })
    }

    /// Asks so that all that is read is of one moment, whatever is written meanwhile.
    ///
    /// # Errors
    /// Those of `question`, and of the database.
    pub(crate) fn at_one_moment<T, E: From<StoreError>>(
        &self,
        question: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let execute = |sql| {
            self.connection
                .execute_batch(sql)
                .map_err(StoreError::Database)
        };
        // A chunk may be another one since, by the same id.
        *self.opened.borrow_mut() = None;
        execute("BEGIN")?;
        let answer = question(self);
        execute("ROLLBACK")?;
        answer
    }

    /// For questions of one view only, in SQL.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A stored name by its id.
    pub(crate) fn text(&self, id: i64) -> Result<Arc<str>, StoreError> {
        if let Some(text) = self.texts.borrow().get(&id) {
            return Ok(Arc::clone(text));
        }
        let text: Option<Arc<str>> = self
            .connection
            .prepare_cached("SELECT text FROM text WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let text = text.unwrap_or_else(|| "".into());
        remember(&self.texts, id, &text);
        Ok(text)
    }

    /// The id of a stored name, if there is one.
    pub(crate) fn id_of(&self, text: &str) -> Result<Option<i64>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT id FROM text WHERE text = ?1")?
            .query_row([text], |row| row.get(0))
            .optional()?)
    }

    /// The names of all services that sent something, in the order of the alphabet.
    pub(crate) fn services(&self) -> Result<Vec<Arc<str>>, StoreError> {
        let mut names = self.connection.prepare_cached(
            "SELECT DISTINCT text.text FROM resource JOIN text ON text.id = resource.service
             ORDER BY text.text LIMIT 1000",
        )?;
        let names = names
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(names)
    }

    pub(super) fn resource(&self, id: Option<i64>) -> Result<Arc<Resource>, StoreError> {
        self.shared(
            &self.resources,
            "SELECT body FROM resource WHERE id = ?1",
            id,
        )
    }

    pub(super) fn scope(&self, id: Option<i64>) -> Result<Arc<InstrumentationScope>, StoreError> {
        self.shared(&self.scopes, "SELECT body FROM scope WHERE id = ?1", id)
    }

    fn shared<M: Message + Default>(
        &self,
        kept: &RefCell<HashMap<i64, Arc<M>>>,
        select: &str,
        id: Option<i64>,
    ) -> Result<Arc<M>, StoreError> {
        let Some(id) = id else {
            return Ok(Arc::default());
        };
        if let Some(message) = kept.borrow().get(&id) {
            return Ok(Arc::clone(message));
        }
        let body: Option<Vec<u8>> = self
            .connection
            .prepare_cached(select)?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let message = Arc::new(M::decode(body.unwrap_or_default().as_slice())?);
        remember(kept, id, &message);
        Ok(message)
    }

    /// The bytes of a chunk; nothing where it was deleted meanwhile.
    fn chunk(&self, id: i64) -> Result<Option<Arc<Vec<u8>>>, StoreError> {
        if let Some((opened, body)) = &*self.opened.borrow()
            && *opened == id
        {
            return Ok(Some(Arc::clone(body)));
        }
        let found: Option<(i64, Vec<u8>)> = self
            .connection
            .prepare_cached("SELECT length, body FROM chunk WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((length, body)) = found else {
            return Ok(None);
        };
        let body = Arc::new(super::chunk::open(
            &body,
            usize::try_from(length).unwrap_or_default(),
        )?);
        *self.opened.borrow_mut() = Some((id, Arc::clone(&body)));
        Ok(Some(body))
    }
}

fn remember<V: ?Sized>(kept: &RefCell<HashMap<i64, Arc<V>>>, id: i64, value: &Arc<V>) {
    let mut kept = kept.borrow_mut();
    if kept.len() == KEPT {
        kept.clear();
    }
    kept.insert(id, Arc::clone(value));
}

/// Readers that are opened as they are needed, and used again.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            idle: Arc::default(),
        }
    }

    /// Answers a question on a thread that may wait for the disk.
    ///
    /// # Errors
    /// Those of `question`, and where the database cannot be opened.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.clone();
        tokio::task::spawn_blocking(move || {
            let idle = readers.idle().pop();
            let reader = match idle {
                Some(reader) => reader,
                None => Reader::open(&readers.path)?,
            };
            let answer = reader.at_one_moment(question);
            if reader.connection.is_autocommit() {
                readers.idle().push(reader);
            }
            answer
        })
        .await
        .unwrap_or(Err(StoreError::Ended))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
