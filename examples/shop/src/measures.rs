//! The shop's own metrics, in one place, so that their units are described before their first
//! use.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// What a basket was worth when it was paid, in euros.
pub(crate) const CHECKOUT_VALUE: &str = "shop.checkout.value";
/// Checkouts by how they ended.
pub(crate) const CHECKOUTS: &str = "shop.checkouts";
/// Searches, by whether anything was found.
pub(crate) const SEARCHES: &str = "shop.searches";
/// Items in stock by category.
pub(crate) const STOCK: &str = "shop.stock";
/// Payments by what became of them.
pub(crate) const PAYMENTS: &str = "shop.payments";
/// Money paid back, in euros.
pub(crate) const REFUNDED: &str = "shop.refund.value";
/// Jobs that wait, and those that nobody will try again.
pub(crate) const QUEUE: &str = "shop.queue.jobs";

pub(crate) fn describe() {
    describe_histogram!(
        CHECKOUT_VALUE,
        "What a basket was worth when it was paid, in EUR"
    );
    describe_counter!(CHECKOUTS, Unit::Count, "Checkouts by how they ended");
    describe_counter!(
        SEARCHES,
        Unit::Count,
        "Searches by whether anything was found"
    );
    describe_gauge!(STOCK, Unit::Count, "Items in stock by category");
    describe_counter!(PAYMENTS, Unit::Count, "Payments by what became of them");
    describe_histogram!(REFUNDED, "Money paid back, in EUR");
    describe_gauge!(QUEUE, Unit::Count, "Jobs by their state");
}

/// Cents as euros: a histogram's values are binary fractions anyway.
pub(crate) fn euros(cents: i64) -> f64 {
    cents as f64 / 100.0
}
