//! A database through SQLx: queries as spans, a slow one, too many of them, and a
//! transaction.
//!
//! ```sh
//! cargo run -p throughline --example database --features sqlx
//! ```
//!
//! It needs no server: SQLite lives in memory, and without a receiver at `localhost:4318` the
//! records are on the console all the same.

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use throughline::database::{self, Pool};
use tracing::Instrument;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = throughline::builder("database-example").init()?;

    // SQLx's own records of statements would have the values in them.
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .disable_statement_logging();
    // Each connection would have a database of its own.
    let pool = SqlitePoolOptions::new().max_connections(1);
    let db = database::instrument(pool.connect_with(options).await?).named("shop");

    let request = tracing::info_span!("GET /orders", request.id = "r-1");
    orders(&db).instrument(request).await?;

    // First, so that no connection's thread still holds a span of its last query.
    db.close().await;
    telemetry.shutdown_async().await;
    Ok(())
}

async fn orders(db: &Pool<sqlx::Sqlite>) -> Result<(), sqlx::Error> {
    let create = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT)";
    sqlx::query(create).execute(db).await?;

    // BEGIN, the insert and COMMIT are spans of one transaction.
    let mut transaction = db.begin().await?;
    sqlx::query("INSERT INTO orders (customer) VALUES (?), (?)")
        .bind("ada")
        .bind("grace")
        .execute(&mut transaction)
        .await?;
    transaction.commit().await?;

    // One query for each row, where one for all would do: a storm of 60.
    for id in 0..60_i64 {
        sqlx::query("SELECT customer FROM orders WHERE id = ?")
            .bind(id)
            .fetch_optional(db)
            .await?;
    }

    // A slow one. Its literals are not told: the text has `?` for them.
    sqlx::query(
        "WITH RECURSIVE counter(n) AS (
             SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 300000
         ) SELECT count(*) FROM counter WHERE 'a secret' <> ''",
    )
    .fetch_one(db)
    .await?;

    // What ends a request asks for the sum, and says so where it was too much.
    let queries = database::conclude();
    println!(
        "{} queries in {:?}, the slowest: {:?}",
        queries.count,
        queries.total,
        queries.slowest.map(|query| query.summary)
    );
    Ok(())
}
