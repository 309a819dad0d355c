//! What is due without anybody asking: the stock is filled up.

use std::time::Duration;

use throughline::jobs::{self, Schedule};
use throughline::streams::audit;
use tokio::time::{MissedTickBehavior, interval};

use crate::database::{Database, on};

/// Sentry's schedules are in whole minutes.
const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn until_told_to_end(database: &Database) {
    let mut ended = std::pin::pin!(throughline::shutdown_signal());
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut ended => return,
            _ = tick.tick() => {}
        }
        // Its error is told by the job, and the next minute is another try.
        jobs::builder("fill_up_stock")
            .check_in(Schedule::every(EVERY))
            .run(fill_up(database))
            .await
            .ok();
    }
}

async fn fill_up(database: &Database) -> Result<(), sqlx::Error> {
    let filled: Vec<i64> = on!(database, db => {
        sqlx::query_scalar(
            "UPDATE products SET stock = restock WHERE stock < restock / 2 RETURNING id",
        )
        .fetch_all(db)
        .await?
    });
    if !filled.is_empty() {
        throughline::business!(
            "stock.filled_up",
            product.count = filled.len(),
            "stock was filled up"
        );
    }
    for product in filled {
        audit::updated("product", product)
            .system("fill_up_stock")
            .changes("stock")
            .emit();
    }
    Ok(())
}
