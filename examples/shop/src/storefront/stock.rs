//! How much there is of everything, as a gauge.

use std::time::Duration;

use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

use crate::database::{Database, on};
use crate::measures::STOCK;

const EVERY: Duration = Duration::from_secs(5);

/// Measures until the process is told to end.
pub(super) async fn watch(database: &Database) {
    let mut ended = std::pin::pin!(throughline::shutdown_signal());
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut ended => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = measure(database).await {
            tracing::warn!(error = throughline::error(&error), "stock was not measured");
        }
    }
}

/// By SQLx's own pool: nobody asked for this.
async fn measure(database: &Database) -> Result<(), sqlx::Error> {
    let stock: Vec<(String, i64)> = on!(database, db => {
        sqlx::query_as("SELECT category, CAST(sum(stock) AS BIGINT) FROM products GROUP BY category")
            .fetch_all(db.sqlx())
            .await?
    });
    for (category, items) in stock {
        gauge!(STOCK, "product.category" => category).set(items as f64);
    }
    Ok(())
}
