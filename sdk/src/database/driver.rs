//! What is needed of a database to run a query on one of its connections.
//!
//! SQLx says it of the connection: `for<'c> &'c mut DB::Connection: Executor<'c>`. Asked of a type
//! that has to be inferred, the compiler would look for an answer in our own executors, which
//! ask the same again, without end; that is why SQLx has no executor for its transaction. Asked
//! of the database it waits until the type is known.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Database, Describe, Either, Error, Execute, Executor, SqlStr};

/// What a call that returns rows gives, one at a time.
pub(super) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// A database that queries can be run on: every one that SQLx has a driver for. There is no need
/// to implement it, nor to call it; it is a bound, as in
/// `fn load<DB: Driver>(db: &Pool<DB>)`.
pub trait Driver: Database {
    #[doc(hidden)]
    fn fetch_many<'e, 'q: 'e, 'c: 'e, E>(
        connection: &'c mut Self::Connection,
        query: E,
    ) -> BoxStream<'e, Result<Step<Self>, Error>>
    where
        E: 'q + Execute<'q, Self>;

    #[doc(hidden)]
    fn fetch_optional<'e, 'q: 'e, 'c: 'e, E>(
        connection: &'c mut Self::Connection,
        query: E,
    ) -> BoxFuture<'e, Result<Option<Self::Row>, Error>>
    where
        E: 'q + Execute<'q, Self>;

    #[doc(hidden)]
    fn prepare_with<'e, 'c: 'e>(
        connection: &'c mut Self::Connection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, Result<Self::Statement, Error>>;

    #[doc(hidden)]
    fn describe<'e, 'c: 'e>(
        connection: &'c mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<Describe<Self>, Error>>;
}

impl<DB: Database> Driver for DB
where
    for<'a> &'a mut DB::Connection: Executor<'a, Database = DB>,
{
    fn fetch_many<'e, 'q: 'e, 'c: 'e, E>(
        connection: &'c mut DB::Connection,
        query: E,
    ) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        connection.fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, 'c: 'e, E>(
        connection: &'c mut DB::Connection,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        connection.fetch_optional(query)
    }

    fn prepare_with<'e, 'c: 'e>(
        connection: &'c mut DB::Connection,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>> {
        connection.prepare_with(sql, parameters)
    }

    fn describe<'e, 'c: 'e>(
        connection: &'c mut DB::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<Describe<DB>, Error>> {
        connection.describe(sql)
    }
}
