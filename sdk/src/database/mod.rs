//! Databases through [SQLx](sqlx): every query a span, measured, and where it was slow a
//! record.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sqlx::Error> {
//! let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
//! let db = throughline::database::instrument(pool);
//!
//! sqlx::query("CREATE TABLE users (id INTEGER, name TEXT)").execute(&db).await?;
//! let mut transaction = db.begin().await?;
//! sqlx::query("INSERT INTO users VALUES (?, ?)")
//!     .bind(7)
//!     .bind("ada")
//!     .execute(&mut transaction)
//!     .await?;
//! transaction.commit().await?;
//! let name: String = sqlx::query_scalar("SELECT name FROM users WHERE id = ?")
//!     .bind(7)
//!     .fetch_one(&db)
//!     .await?;
//! assert_eq!(name, "ada");
//! # Ok(())
//! # }
//! ```
//!
//! It is there with the feature `sqlx`, for SQLx 0.9, which needs Rust 1.94. PostgreSQL,
//! MySQL and SQLite, the runtime and TLS are features of your own `sqlx` dependency; its
//! `macros` come with ours, since they change the trait that is implemented here.
//!
//! # What is told
//! By the [conventions for databases], with the names that stand there:
//!
//! * A span of kind client for each query, each preparation, and each beginning and end of a
//!   transaction. Its name is the `db.query.summary`, such as `SELECT users`. The operation and
//!   the table are not told apart from it: the conventions do not want them to be read out of
//!   a text that may have several. A stream ends its span when it ends or is dropped.
//! * `db.query.text` as it stands where values are bound, and else with a `?` for each value;
//!   4 KiB at most, and nothing after what cannot be read for certain. Of a system whose rules
//!   are not known, only with bound values.
//! * `db.namespace`, `server.address` and a `server.port` that is not the usual one, as the pool
//!   was told to connect, whatever a connection has changed since. PostgreSQL's schema is in
//!   the namespace where it was given as an option; SQLite's namespace is the file.
//! * `error.type` with `db.response.status_code` (PostgreSQL's SQLSTATE, MySQL's number, SQLite's
//!   extended code), or the variant of [`sqlx::Error`], or `cancelled` where the caller went away
//!   before the answer. Neither the database's message, which may hold values, nor a Sentry
//!   event: the error is the caller's, who knows what it means. No row is no error.
//! * `db.client.operation.duration`, and of the pool the `db.client.connection.*` metrics. SQLx
//!   does not tell how long a connection takes to open, and has no bound for idle ones.
//! * `query.slow` from `THROUGHLINE_SLOW_QUERY_MS` (100) on.
//! * For each request `query.storm` above `THROUGHLINE_QUERY_COUNT_WARN` (50) or
//!   `THROUGHLINE_QUERY_TIME_WARN_MS` (500), see [`conclude`].
//!
//! SQLx's own records of statements have the values in them, and those of slow ones are
//! warnings: switch them off with `disable_statement_logging()` of the connection's options.
//!
//! [conventions for databases]: https://opentelemetry.io/docs/specs/semconv/db/
//!
//! # Redis
//! There is no wrapper for it. The `redis` crate (2.0.0-rc.2) has neither a hook around its
//! commands nor a feature for tracing, and `otel-instrumentation-redis` (0.1.1), the one that
//! wraps it, is for `redis` 0.32 and OpenTelemetry 0.30. `fred` (10.1) makes spans of its own
//! with its feature `partial-tracing`; they arrive like any other, without the names of the
//! conventions. Around a call that matters, a span with `otel.kind = "client"` and
//! `db.system.name = "redis"` does.

mod connection;
mod connections;
mod driver;
mod executor;
mod failure;
mod measured;
mod operation;
mod pool;
mod sql;
mod statement;
mod tally;
mod target;
mod transaction;

use sqlx::Database;

pub use connection::Connection;
pub(crate) use connections::observe;
pub use driver::Driver;
pub(crate) use measured::describe;
pub use pool::Pool;
#[cfg(fuzzing)]
pub(crate) use sql::fuzzing::statements as fuzz_statements;
#[cfg(feature = "http")]
pub(crate) use tally::Asked;
pub use tally::{Queries, SlowestQuery, begin, conclude, queries};
pub(crate) use tally::{Tally, asked};
pub use transaction::Transaction;

/// The target of the spans and records that are made here.
pub(crate) const TARGET: &str = "throughline::database";

/// Wraps a pool, so that what is asked through it is told. See the [module](self).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let db = throughline::database::instrument(pool).named("orders");
/// let (one,): (i64,) = sqlx::query_as("SELECT 1").fetch_one(&db).await?;
/// assert_eq!(one, 1);
/// # Ok(())
/// # }
/// ```
pub fn instrument<DB: Database>(pool: sqlx::Pool<DB>) -> Pool<DB> {
    Pool::new(pool)
}

/// Wraps a connection that belongs to no pool, with the options that it was made with.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// use sqlx::{ConnectOptions, Sqlite, sqlite::SqliteConnectOptions};
///
/// let options = SqliteConnectOptions::new().in_memory(true);
/// let connection = options.connect().await?;
/// let mut db = throughline::database::instrument_connection::<Sqlite>(connection, &options);
/// sqlx::query("CREATE TABLE users (id INTEGER)").execute(&mut db).await?;
/// # Ok(())
/// # }
/// ```
pub fn instrument_connection<DB: Database>(
    connection: DB::Connection,
    options: &<DB::Connection as sqlx::Connection>::Options,
) -> Connection<DB> {
    Connection::own(connection, options)
}
