//! What is on sale on the first day: the load knows it.

use crate::database::{Database, OpenError, on};

/// Each farm has each of these.
const KINDS: [(&str, &str, i64); 10] = [
    ("olive oil", "pantry", 1_290),
    ("sourdough", "bakery", 480),
    ("goat cheese", "dairy", 690),
    ("espresso", "drinks", 1_490),
    ("apple juice", "drinks", 320),
    ("honey", "pantry", 890),
    ("rye rolls", "bakery", 260),
    ("butter", "dairy", 350),
    ("tomatoes", "vegetables", 290),
    ("potatoes", "vegetables", 220),
];
const FARMS: [&str; 8] = [
    "Nordhof",
    "Lindenhof",
    "Bergblick",
    "Seegut",
    "Waldhaus",
    "Mühlbach",
    "Sonnenfeld",
    "Talhof",
];

pub(crate) const PRODUCTS: i64 = 80;
/// Sold out, and nobody fills it up: whoever wants to buy it cannot.
pub(crate) const SOLD_OUT: i64 = 80;
/// Nobody has reviewed it yet, which the rating does not expect.
pub(crate) const UNREVIEWED: i64 = 79;

/// Fills the catalogue where it is empty.
pub(super) async fn put_on_sale(database: &Database) -> Result<(), OpenError> {
    let known: i64 = on!(database, db => {
        sqlx::query_scalar("SELECT count(*) FROM products").fetch_one(db.sqlx()).await?
    });
    if known > 0 {
        return Ok(());
    }
    on!(database, db => {
        let mut transaction = db.sqlx().begin().await?;
        for id in 1..=PRODUCTS {
            let place = usize::try_from(id - 1).unwrap_or_default();
            let (kind, category, price) = KINDS[place % KINDS.len()];
            let farm = FARMS[place / KINDS.len() % FARMS.len()];
            let sold_out = id == SOLD_OUT;
            sqlx::query("INSERT INTO products VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(id)
                .bind(format!("{farm} {kind}"))
                .bind(category)
                .bind(price + id)
                .bind(if sold_out { 0 } else { 500_i64 })
                .bind(if sold_out { 0 } else { 500_i64 })
                .execute(&mut *transaction)
                .await?;
            let reviews = if id == UNREVIEWED { 0 } else { 1 + id % 4 };
            for number in 0..reviews {
                sqlx::query("INSERT INTO reviews VALUES ($1, $2, $3, $4, $5)")
                    .bind(format!("r-{id}-{number}"))
                    .bind(id)
                    .bind("u-house")
                    .bind(3 + (id + number) % 3)
                    .bind("as described, and quickly here")
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
    });
    Ok(())
}
