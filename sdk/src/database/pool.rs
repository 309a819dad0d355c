//! A pool that tells what is asked through it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Describe, Error, Execute, Executor, SqlSafeStr, SqlStr};

use super::connection::{Connection, Hold};
use super::connections::Connections;
use super::driver::{Driver, Step};
use super::executor::{self, Query};
use super::operation::Operation;
use super::statement::{Statement, Statements};
use super::target::Target;
use super::transaction::Transaction;

/// A pool of connections whose queries are spans, metrics and records. See the
/// [module](super) for what they carry. Clones share everything.
///
/// `&Pool` is an `Executor`, so it goes wherever `&sqlx::Pool` went:
/// `sqlx::query("..").fetch_all(&db)`.
pub struct Pool<DB: Database> {
    pool: sqlx::Pool<DB>,
    pub(super) database: Arc<Told>,
}

/// What a pool and all that comes from it tell.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) target: Arc<Target>,
    pub(super) statements: Statements,
    /// Of the pool, where there is one.
    pub(super) connections: Option<Arc<Connections>>,
    pub(super) calls: Calls,
}

/// The operations that SQLx has calls for.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) begin: Arc<Statement>,
    pub(super) commit: Arc<Statement>,
    pub(super) rollback: Arc<Statement>,
    pub(super) savepoint: Arc<Statement>,
    pub(super) release: Arc<Statement>,
    pub(super) rollback_to: Arc<Statement>,
}

impl Told {
    pub(super) fn new(target: Target, connections: Option<Arc<Connections>>) -> Self {
        let call = |name| Arc::new(Statement::operation(name, &target));
        Self {
            calls: Calls {
                begin: call("BEGIN"),
                commit: call("COMMIT"),
                rollback: call("ROLLBACK"),
                savepoint: call("SAVEPOINT"),
                release: call("RELEASE SAVEPOINT"),
                rollback_to: call("ROLLBACK TO SAVEPOINT"),
            },
            statements: Statements::default(),
            connections,
            target: Arc::new(target),
        }
    }

    pub(super) fn query<DB: Database>(&self, query: &Query<DB>) -> Operation {
        query.operation(&self.target, &self.statements)
    }

    pub(super) fn call(&self, statement: &Arc<Statement>) -> Operation {
        Operation::call(&self.target, Arc::clone(statement))
    }

    /// A statement that is sent without being run.
    pub(super) fn preparation(&self, sql: &SqlStr) -> Operation {
        let statement = self.statements.get(sql.as_str(), false, &self.target);
        Operation::call(&self.target, statement)
    }
}

impl<DB: Database> Pool<DB> {
    pub(super) fn new(pool: sqlx::Pool<DB>) -> Self {
        let options = format!("{:?}", pool.connect_options());
        let target = Target::of(DB::NAME, &options);
        let name = target.pool_name();
        Self::told(pool, target, name)
    }

    fn told(pool: sqlx::Pool<DB>, target: Target, name: String) -> Self {
        let connections = Connections::of(&pool, name);
        Self {
            pool,
            database: Arc::new(Told::new(target, Some(connections))),
        }
    }

    /// What tells this pool from others in the metrics: `db.client.connection.pool.name`.
    /// Default: address, port and database, such as `db.internal:5432/shop`, so two pools
    /// for one database need names.
    ///
    /// It counts for what is made from the pool afterwards, so name it before it is cloned.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        let target = Target::clone(&self.database.target);
        Self::told(self.pool, target, name.into())
    }

    /// What the database is, by an address such as `mariadb://db.internal:3307/shop`, for
    /// what SQLx cannot know: that behind its MySQL driver is a MariaDB, or behind a proxy
    /// another server. User and password in it are not looked at, and an address that is
    /// none changes nothing.
    ///
    /// Default: what the pool was told to connect to.
    #[must_use]
    pub fn at(self, url: &str) -> Self {
        match Target::of_url(url) {
            Some(target) => {
                let name = target.pool_name();
                Self::told(self.pool, target, name)
            }
            None => self,
        }
    }

    /// SQLx's own pool, for migrations, listeners and whatever else is not to be told.
    pub fn sqlx(&self) -> &sqlx::Pool<DB> {
        &self.pool
    }

    /// A connection, for as long as it is held.
    ///
    /// # Errors
    /// Those of [`sqlx::Pool::acquire`].
    pub async fn acquire(&self) -> Result<Connection<DB>, Error> {
        let hold = self.hold().await?;
        Ok(Connection::new(hold, Arc::clone(&self.database)))
    }

    /// Begins a transaction: a span `BEGIN`.
    ///
    /// # Errors
    /// Those of [`sqlx::Pool::begin`].
    pub async fn begin(&self) -> Result<Transaction<'static, DB>, Error> {
        Transaction::of_pool(self, None).await
    }

    /// Begins a transaction with a statement of your own, such as
    /// `BEGIN ISOLATION LEVEL SERIALIZABLE`.
    ///
    /// # Errors
    /// Those of [`sqlx::Pool::begin_with`].
    pub async fn begin_with(
        &self,
        statement: impl SqlSafeStr,
    ) -> Result<Transaction<'static, DB>, Error> {
        Transaction::of_pool(self, Some(statement.into_sql_str())).await
    }

    /// Closes the pool: [`sqlx::Pool::close`].
    ///
    /// With SQLite do so before telemetry shuts down: the thread of a connection lets go of a
    /// query's span a moment after it has answered, and a span that is still held is not sent.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection of the pool, its wait and its use measured.
    pub(super) fn hold(&self) -> impl Future<Output = Result<Hold<DB>, Error>> + Send + 'static {
        let connections = self.database.connections.clone();
        let connection = self.pool.acquire();
        async move { hold(connection, connections).await }
    }
}

async fn hold<DB: Database>(
    connection: impl Future<Output = Result<PoolConnection<DB>, Error>>,
    connections: Option<Arc<Connections>>,
) -> Result<Hold<DB>, Error> {
    let Some(connections) = connections else {
        return Ok(Hold::new(connection.await?, None));
    };
    let waiting = connections.wait();
    let outcome = connection.await;
    waiting.end(outcome.as_ref().map(drop));
    let connection = outcome?;
    let in_use = connections.begin_use(Instant::now());
    Ok(Hold::new(connection, Some(in_use)))
}

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            database: Arc::clone(&self.database),
        }
    }
}

impl<DB: Database> fmt::Debug for Pool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("pool", &self.pool)
            .field("target", &self.database.target)
            .finish()
    }
}

impl<'p, DB: Driver> Executor<'p> for &'_ Pool<DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.database.query(&query);
        executor::stream::<DB>(operation, executor::on_own_connection(self.hold(), query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let query = Query::of(query);
        let operation = self.database.query(&query);
        let hold = self.hold();
        Box::pin(executor::optional(operation, async move {
            DB::fetch_optional(hold.await?.as_mut(), query).await
        }))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        let operation = self.database.preparation(&sql);
        let hold = self.hold();
        Box::pin(executor::call(operation, async move {
            DB::prepare_with(hold.await?.as_mut(), sql, parameters).await
        }))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        let operation = self.database.preparation(&sql);
        let hold = self.hold();
        Box::pin(executor::call(operation, async move {
            DB::describe(hold.await?.as_mut(), sql).await
        }))
    }
}
