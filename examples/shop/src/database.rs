//! SQLite or PostgreSQL, by setting: one set of statements for both, and the same telemetry.
//!
//! SQLx's `Any` would do without the two variants, but then a query could not say which
//! database it asked.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Postgres, Sqlite};
use throughline::database::{Driver, Pool, Transaction, instrument};

/// Runs the same work on whichever database it is: `on!(database, db => query.execute(db).await)`.
macro_rules! on {
    ($database:expr, $db:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite($db) => $work,
            $crate::database::Database::Postgres($db) => $work,
        }
    };
}
pub(crate) use on;

#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(Pool<Sqlite>),
    Postgres(Pool<Postgres>),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot make the folder {0} (--data, SHOP_DATA): {1}")]
    Folder(String, #[source] std::io::Error),
    #[error("cannot open {0}: {1}")]
    File(String, #[source] sqlx::Error),
    // The address is left out: it has a password in it.
    #[error("DATABASE_URL is no PostgreSQL address that can be reached: {0}")]
    Server(#[source] sqlx::Error),
    #[error("cannot set the database up: {0}")]
    Schema(#[from] sqlx::Error),
}

/// Services share a machine, and a server has a hundred connections for all.
const CONNECTIONS: u32 = 8;
/// How long a writer waits for another process to finish writing to the same file.
const BUSY_FOR: Duration = Duration::from_secs(10);

impl Database {
    /// The server of `url`, or else the file `{name}.db` in the folder.
    pub(crate) async fn open(
        url: Option<&str>,
        folder: &Path,
        name: &'static str,
    ) -> Result<Self, OpenError> {
        // A compose file cannot leave a variable away, only empty.
        match url.filter(|url| !url.is_empty()) {
            Some(url) => Self::server(url).await,
            None => Self::file(folder, name).await,
        }
    }

    async fn server(url: &str) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Server)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            // SQLx's own records of statements would have the values in them.
            .connect_with(options.disable_statement_logging())
            .await
            .map_err(OpenError::Server)?;
        Ok(Self::Postgres(instrument(pool)))
    }

    async fn file(folder: &Path, name: &'static str) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| OpenError::Folder(folder.display().to_string(), error))?;
        let file = folder.join(name).with_extension("db");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            // Readers and the writer do not wait for each other, and what a crash of the
            // machine takes is the last moment's orders of a demonstration.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_FOR)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
            .map_err(|error| OpenError::File(file.display().to_string(), error))?;
        Ok(Self::Sqlite(instrument(pool).named(name)))
    }

    /// Not told: a probe is no work of the shop.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        on!(self, db => sqlx::query("SELECT 1").execute(db.sqlx()).await.map(drop))
    }

    pub(crate) async fn close(&self) {
        on!(self, db => db.close().await);
    }
}

/// How a transaction begins that is going to write.
pub(crate) trait Write: Driver {
    const BEGIN: &'static str;
}

impl Write for Sqlite {
    // A transaction that begins by reading cannot wait for another writer: SQLite fails it.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
}

impl Write for Postgres {
    const BEGIN: &'static str = "BEGIN";
}

pub(crate) async fn begin<DB: Write>(
    db: &Pool<DB>,
) -> Result<Transaction<'static, DB>, sqlx::Error> {
    db.begin_with(DB::BEGIN).await
}
