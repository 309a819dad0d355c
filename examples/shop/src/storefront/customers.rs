//! Who has an account on the first day: the load knows them.

use sqlx::Error;

use super::passwords;
use crate::database::{Database, on};
use crate::process::Ended;

/// As many customers as there are users of the load.
pub(crate) const CUSTOMERS: u32 = 200;
/// Accounts that nobody uses, for administrators to disable and enable.
pub(crate) const DORMANT: u32 = 10;

/// The first order of all, which is nobody's who comes.
pub(crate) const HOUSE_ORDER: &str = "o-house";

/// The password of an account of the first day. Public, as is everything about the shop's
/// users; nobody else has it.
pub(crate) fn password_of(name: &str) -> String {
    format!("{name} likes 12 fresh eggs")
}

struct Account {
    name: String,
    role: &'static str,
    has_address: bool,
}

fn accounts() -> impl Iterator<Item = Account> {
    let account = |name: String, role, has_address| Account {
        name,
        role,
        has_address,
    };
    let customers = (0..CUSTOMERS).map(move |number| {
        let name = format!("customer-{number}");
        // One in twenty has given no address: their digests fail.
        account(name, "customer", number % 20 != 19)
    });
    let dormant =
        (0..DORMANT).map(move |number| account(format!("dormant-{number}"), "customer", true));
    let staff = ["admin-0", "admin-1"].map(|name| account(name.to_owned(), "admin", true));
    customers.chain(dormant).chain(staff)
}

/// Makes the accounts that are not there yet.
pub(super) async fn invite(database: &Database) -> Ended {
    let known: i64 = on!(database, db => {
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(db.sqlx()).await?
    });
    if known > 0 {
        return Ok(());
    }
    let mut hashed = Vec::new();
    for account in accounts() {
        let hash = passwords::hash(&password_of(&account.name))?;
        hashed.push((account, hash));
    }
    on!(database, db => {
        let mut transaction = db.sqlx().begin().await?;
        for (account, hash) in &hashed {
            let email = account.has_address.then(|| format!("{}@shop.example", account.name));
            sqlx::query(
                "INSERT INTO users VALUES ($1, $2, $2, $3, $4, $5, 1, 0)",
            )
            .bind(format!("u-{}", account.name))
            .bind(&account.name)
            .bind(email)
            .bind(hash)
            .bind(account.role)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("INSERT INTO orders VALUES ($1, 'u-house', 'paid', 4200, 'p-house', 0)")
            .bind(HOUSE_ORDER)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok::<_, Error>(())
    })?;
    Ok(())
}
