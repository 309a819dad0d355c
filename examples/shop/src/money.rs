//! The one currency of the shop. Amounts are in cents.

use throughline::streams::Money;

pub(crate) const CURRENCY: &str = "EUR";

pub(crate) const fn euros(cents: i64) -> Money<'static> {
    Money::minor(cents, CURRENCY)
}
