//! A connection that tells what is asked through it.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Describe, Error, Execute, Executor, SqlSafeStr, SqlStr};

use super::connections::Use;
use super::driver::{Driver, Step};
use super::executor::{self, Query};
use super::pool::Told;
use super::target::Target;
use super::transaction::Transaction;

/// A connection whose queries are spans, metrics and records, from
/// [`Pool::acquire`](super::Pool::acquire) or [`instrument_connection`](super::instrument_connection).
///
/// `&mut Connection` is an `Executor`: `sqlx::query("..").execute(&mut connection)`.
pub struct Connection<DB: Database> {
    hold: Hold<DB>,
    told: Arc<Told>,
}

/// A connection, for as long as it is held.
pub(super) struct Hold<DB: Database> {
    connection: Held<DB>,
    /// Dropped with the connection.
    _use: Option<Use>,
}

enum Held<DB: Database> {
    Pooled(PoolConnection<DB>),
    Own(DB::Connection),
}

impl<DB: Database> Hold<DB> {
    pub(super) fn new(connection: PoolConnection<DB>, in_use: Option<Use>) -> Self {
        Self {
            connection: Held::Pooled(connection),
            _use: in_use,
        }
    }

    /// Both apart, for a transaction that takes the connection.
    pub(super) fn into_parts(self) -> (Option<PoolConnection<DB>>, Option<Use>) {
        match self.connection {
            Held::Pooled(connection) => (Some(connection), self._use),
            Held::Own(_) => (None, self._use),
        }
    }
}

impl<DB: Database> AsRef<DB::Connection> for Hold<DB> {
    fn as_ref(&self) -> &DB::Connection {
        match &self.connection {
            Held::Pooled(connection) => connection,
            Held::Own(connection) => connection,
        }
    }
}

impl<DB: Database> AsMut<DB::Connection> for Hold<DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        match &mut self.connection {
            Held::Pooled(connection) => connection,
            Held::Own(connection) => connection,
        }
    }
}

impl<DB: Database> Connection<DB> {
    pub(super) fn new(hold: Hold<DB>, told: Arc<Told>) -> Self {
        Self { hold, told }
    }

    pub(super) fn own(
        connection: DB::Connection,
        options: &<DB::Connection as sqlx::Connection>::Options,
    ) -> Self {
        let target = Target::of(DB::NAME, &format!("{options:?}"));
        let hold = Hold {
            connection: Held::Own(connection),
            _use: None,
        };
        Self::new(hold, Arc::new(Told::new(target, None)))
    }

    /// Closes the connection, also one of a pool.
    ///
    /// # Errors
    /// Those of `sqlx::Connection::close`.
    pub async fn close(self) -> Result<(), Error> {
        match self.hold.connection {
            Held::Pooled(connection) => connection.close().await,
            Held::Own(connection) => sqlx::Connection::close(connection).await,
        }
    }

    /// SQLx's own connection, for what is not to be told.
    pub fn sqlx(&mut self) -> &mut DB::Connection {
        self.hold.as_mut()
    }

    /// Begins a transaction: a span `BEGIN`, or `SAVEPOINT` inside of one that was begun by a
    /// statement.
    ///
    /// # Errors
    /// Those of `sqlx::Connection::begin`.
    pub async fn begin(&mut self) -> Result<Transaction<'_, DB>, Error> {
        Transaction::of_connection(self.hold.as_mut(), &self.told, None).await
    }

    /// Begins a transaction with a statement of your own.
    ///
    /// # Errors
    /// Those of `sqlx::Connection::begin_with`.
    pub async fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> Result<Transaction<'_, DB>, Error> {
        let statement = Some(statement.into_sql_str());
        Transaction::of_connection(self.hold.as_mut(), &self.told, statement).await
    }
}

impl<DB: Database> fmt::Debug for Connection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("target", &self.told.target)
            .finish_non_exhaustive()
    }
}

impl<'c, DB: Driver> Executor<'c> for &'c mut Connection<DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.told.query(&query);
        executor::stream::<DB>(operation, DB::fetch_many(self.hold.as_mut(), query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.told.query(&query);
        let answer = DB::fetch_optional(self.hold.as_mut(), query);
        Box::pin(executor::optional(operation, answer))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'c: 'e,
    {
        let operation = self.told.preparation(&sql);
        let answer = DB::prepare_with(self.hold.as_mut(), sql, parameters);
        Box::pin(executor::call(operation, answer))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'c: 'e,
    {
        let operation = self.told.preparation(&sql);
        let answer = DB::describe(self.hold.as_mut(), sql);
        Box::pin(executor::call(operation, answer))
    }
}
