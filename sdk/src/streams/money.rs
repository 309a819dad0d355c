//! Amounts that stay exact. A binary fraction holds no cents: summed up, or compared, it is
//! off; and minor units alone cannot be read without knowing the currency's digits.

use std::fmt;

/// An amount in a currency, for `payment.amount` and `payment.currency`.
///
/// It is recorded as an exact decimal text with the currency's own number of digits
/// (`99.99` EUR, `1200` JPY), which people read as it stands and a query takes for a number.
/// The currency is its ISO 4217 code.
///
/// ```
/// use throughline::streams::Money;
///
/// assert_eq!(Money::minor(9_999, "EUR").to_string(), "99.99 EUR");
/// assert_eq!(Money::minor(-5, "USD").to_string(), "-0.05 USD");
/// assert_eq!(Money::minor(1_200, "JPY").to_string(), "1200 JPY");
/// assert_eq!(Money::minor(1_500, "KWD").to_string(), "1.500 KWD");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money<'a> {
    minor: i64,
    currency: &'a str,
}

/// The currencies that do not have two digits, by ISO 4217.
const DIGITS: [(&str, u32); 26] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

impl<'a> Money<'a> {
    /// So many of the currency's smallest unit: cents, pence, yen. A service that keeps
    /// decimals multiplies them first, by 100 for most currencies.
    pub const fn minor(units: i64, currency: &'a str) -> Self {
        Self {
            minor: units,
            currency,
        }
    }

    /// `payment.amount`.
    pub(crate) fn amount(self) -> Amount {
        let known = DIGITS
            .iter()
            .find(|(code, _)| code.eq_ignore_ascii_case(self.currency));
        Amount {
            minor: self.minor,
            digits: known.map_or(2, |(_, digits)| *digits),
        }
    }

    /// `payment.currency`.
    pub(crate) fn currency(self) -> &'a str {
        self.currency
    }
}

impl fmt::Display for Money<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

/// The number of a [`Money`], as an exact decimal.
pub(crate) struct Amount {
    minor: i64,
    digits: u32,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits == 0 {
            return self.minor.fmt(f);
        }
        let one = 10_u64.pow(self.digits);
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        let width = self.digits as usize;
        write!(f, "{sign}{}.{:0width$}", minor / one, minor % one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_to_the_last_unit() {
        let text = |minor, currency| Money::minor(minor, currency).amount().to_string();
        assert_eq!(text(0, "EUR"), "0.00");
        assert_eq!(text(10, "eur"), "0.10");
        assert_eq!(text(i64::MAX, "USD"), "92233720368547758.07");
        assert_eq!(text(i64::MIN, "USD"), "-92233720368547758.08");
        assert_eq!(text(i64::MIN, "jpy"), i64::MIN.to_string());
        assert_eq!(text(-1, "CLF"), "-0.0001");
    }

    #[test]
    fn the_list_of_currencies_is_sorted_and_has_each_once() {
        assert!(DIGITS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(DIGITS.iter().all(|(_, digits)| *digits != 2));
    }
}
