//! A transaction that tells what is asked in it, and how it ended.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::pool::MaybePoolConnection;
use sqlx::{Connection as _, Database, Describe, Error, Execute, Executor, SqlStr};

use super::Pool;
use super::connections::Use;
use super::driver::{Driver, Step};
use super::executor::{self, Query};
use super::operation::Operation;
use super::pool::Told;

/// A transaction whose queries, and whose own `BEGIN`, `COMMIT` and `ROLLBACK`, are spans,
/// metrics and records.
///
/// `&mut Transaction` is an `Executor`: `sqlx::query("..").execute(&mut transaction)`, where
/// SQLx's own has to be dereferenced. Dropped without an end it is rolled back by SQLx when
/// the connection is used next, which is nobody's call and has no span.
pub struct Transaction<'c, DB: Database> {
    transaction: sqlx::Transaction<'c, DB>,
    told: Arc<Told>,
    /// Inside of another transaction, so that it is a savepoint.
    nested: bool,
    /// Dropped with the connection.
    _use: Option<Use>,
}

impl<DB: Database> Transaction<'static, DB> {
    pub(super) async fn of_pool(pool: &Pool<DB>, statement: Option<SqlStr>) -> Result<Self, Error> {
        let told = Arc::clone(&pool.database);
        let hold = pool.hold();
        let begun = executor::call(begins(&told, statement.as_ref(), false), async move {
            let (connection, in_use) = hold.await?.into_parts();
            let connection = connection.ok_or(Error::PoolClosed)?;
            let transaction = sqlx::Transaction::begin(connection, statement).await?;
            Ok((transaction, in_use))
        });
        let (transaction, in_use) = begun.await?;
        Ok(Self {
            transaction,
            told,
            nested: false,
            _use: in_use,
        })
    }
}

impl<'c, DB: Database> Transaction<'c, DB> {
    pub(super) async fn of_connection(
        connection: &'c mut DB::Connection,
        told: &Arc<Told>,
        statement: Option<SqlStr>,
    ) -> Result<Self, Error> {
        let nested = connection.is_in_transaction();
        let begins = begins(told, statement.as_ref(), nested);
        let connection = MaybePoolConnection::Connection(connection);
        let begun = executor::call(begins, sqlx::Transaction::begin(connection, statement));
        Ok(Self {
            transaction: begun.await?,
            told: Arc::clone(told),
            nested,
            _use: None,
        })
    }

    /// Begins a transaction within this one: a span `SAVEPOINT`.
    ///
    /// # Errors
    /// Those of `sqlx::Connection::begin`.
    pub async fn begin(&mut self) -> Result<Transaction<'_, DB>, Error> {
        Transaction::of_connection(&mut *self.transaction, &self.told, None).await
    }

    /// Makes what was done permanent: a span `COMMIT`, or `RELEASE SAVEPOINT` within another.
    ///
    /// # Errors
    /// Those of [`sqlx::Transaction::commit`].
    pub async fn commit(self) -> Result<(), Error> {
        let calls = &self.told.calls;
        let call = match self.nested {
            true => &calls.release,
            false => &calls.commit,
        };
        executor::call(self.told.call(call), self.transaction.commit()).await
    }

    /// Takes back what was done: a span `ROLLBACK`, or `ROLLBACK TO SAVEPOINT` within another.
    ///
    /// # Errors
    /// Those of [`sqlx::Transaction::rollback`].
    pub async fn rollback(self) -> Result<(), Error> {
        let calls = &self.told.calls;
        let call = match self.nested {
            true => &calls.rollback_to,
            false => &calls.rollback,
        };
        executor::call(self.told.call(call), self.transaction.rollback()).await
    }

    /// SQLx's own connection, for what is not to be told.
    pub fn sqlx(&mut self) -> &mut DB::Connection {
        &mut self.transaction
    }
}

/// A statement of the service's own is told like any other.
fn begins(told: &Told, statement: Option<&SqlStr>, nested: bool) -> Operation {
    match statement {
        Some(statement) => told.preparation(statement),
        None if nested => told.call(&told.calls.savepoint),
        None => told.call(&told.calls.begin),
    }
}

impl<DB: Database> fmt::Debug for Transaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("target", &self.told.target)
            .field("nested", &self.nested)
            .finish_non_exhaustive()
    }
}

impl<'t, DB: Driver> Executor<'t> for &'t mut Transaction<'_, DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.told.query(&query);
        executor::stream::<DB>(operation, DB::fetch_many(&mut self.transaction, query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.told.query(&query);
        let answer = DB::fetch_optional(&mut self.transaction, query);
        Box::pin(executor::optional(operation, answer))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        't: 'e,
    {
        let operation = self.told.preparation(&sql);
        let answer = DB::prepare_with(&mut self.transaction, sql, parameters);
        Box::pin(executor::call(operation, answer))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        't: 'e,
    {
        let operation = self.told.preparation(&sql);
        let answer = DB::describe(&mut self.transaction, sql);
        Box::pin(executor::call(operation, answer))
    }
}
