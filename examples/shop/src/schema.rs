//! The tables.
//!
//! Made before there is any request, so nothing of it is observed.

use sqlx::{Postgres, Sqlite};
use throughline::database::Pool;

use crate::database::{Database, OpenError};

pub(crate) const SHOP: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS users (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL,
        email TEXT, password TEXT NOT NULL, role TEXT NOT NULL,
        enabled BIGINT NOT NULL, failed_logins BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sessions (
        id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
        started_at BIGINT NOT NULL, ended_at BIGINT, pages BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS products (
        id BIGINT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL,
        price BIGINT NOT NULL, stock BIGINT NOT NULL, restock BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS reviews (
        id TEXT PRIMARY KEY, product_id BIGINT NOT NULL, user_id TEXT NOT NULL,
        stars BIGINT NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS reviews_of_product ON reviews (product_id)",
    "CREATE TABLE IF NOT EXISTS basket_items (
        user_id TEXT NOT NULL, product_id BIGINT NOT NULL, quantity BIGINT NOT NULL,
        PRIMARY KEY (user_id, product_id))",
    "CREATE TABLE IF NOT EXISTS orders (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, status TEXT NOT NULL,
        amount BIGINT NOT NULL, payment_id TEXT NOT NULL, placed_at BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user_id)",
    "CREATE TABLE IF NOT EXISTS order_items (
        order_id TEXT NOT NULL, product_id BIGINT NOT NULL, quantity BIGINT NOT NULL,
        price BIGINT NOT NULL, PRIMARY KEY (order_id, product_id))",
    "CREATE TABLE IF NOT EXISTS subscriptions (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, plan TEXT NOT NULL,
        begun_at BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS invoices (
        id TEXT PRIMARY KEY, order_id TEXT NOT NULL, amount BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, context TEXT NOT NULL,
        state TEXT NOT NULL, attempt BIGINT NOT NULL, due_at BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS jobs_due ON jobs (state, due_at)",
];

pub(crate) const PAYMENTS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS payments (
        id TEXT PRIMARY KEY, order_id TEXT NOT NULL, amount BIGINT NOT NULL,
        status TEXT NOT NULL, card_last_four TEXT NOT NULL, asked_at BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS refunds (
        id TEXT PRIMARY KEY, payment_id TEXT NOT NULL, amount BIGINT NOT NULL,
        reason TEXT NOT NULL)",
];

/// Makes the tables that are not there yet.
pub(crate) async fn create(
    database: &Database,
    tables: &'static [&'static str],
) -> Result<(), OpenError> {
    match database {
        Database::Sqlite(db) => create_in_file(db, tables).await?,
        Database::Postgres(db) => create_in_server(db, tables).await?,
    }
    Ok(())
}

async fn create_in_file(
    db: &Pool<Sqlite>,
    tables: &'static [&'static str],
) -> Result<(), sqlx::Error> {
    let mut transaction = db.sqlx().begin_with("BEGIN IMMEDIATE").await?;
    for table in tables {
        sqlx::query(*table).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

async fn create_in_server(
    db: &Pool<Postgres>,
    tables: &'static [&'static str],
) -> Result<(), sqlx::Error> {
    let mut transaction = db.sqlx().begin().await?;
    // Of two that find no table, PostgreSQL lets one fail: one after the other, then.
    sqlx::query("SELECT pg_advisory_xact_lock(7140)")
        .execute(&mut *transaction)
        .await?;
    for table in tables {
        sqlx::query(*table).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
