//! Sums of amounts that are exact decimal texts, so that the cents of a page are right.

use std::{collections::BTreeMap, fmt};

/// A sum, as units of the last digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    units: i128,
    digits: u32,
    pub(super) count: u64,
}

impl Sum {
    /// Adds an amount such as `99.99`; one that is none is not counted.
    fn add(&mut self, amount: &str) {
        let Some((units, digits)) = parse(amount) else {
            return;
        };
        let most = self.digits.max(digits);
        let raised = |units: i128, digits: u32| units.checked_mul(10_i128.pow(most - digits));
        let sum = raised(self.units, self.digits)
            .zip(raised(units, digits))
            .and_then(|(left, right)| left.checked_add(right));
        if let Some(sum) = sum {
            (self.units, self.digits) = (sum, most);
            self.count += 1;
        }
    }
}

fn parse(amount: &str) -> Option<(i128, u32)> {
    let (whole, rest) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = u32::try_from(rest.len())
        .ok()
        .filter(|digits| *digits <= 12)?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole.trim_start_matches('-')) || !plain(rest) {
        return None;
    }
    Some((format!("{whole}{rest}").parse().ok()?, digits))
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u128.pow(self.digits);
        let size = self.units.unsigned_abs();
        let sign = if self.units < 0 { "-" } else { "" };
        let whole = crate::page::format::count(u64::try_from(size / unit).unwrap_or(u64::MAX));
        match self.digits {
            0 => write!(formatter, "{sign}{whole}"),
            digits => {
                let rest = size % unit;
                write!(
                    formatter,
                    "{sign}{whole}.{rest:0width$}",
                    width = digits as usize
                )
            }
        }
    }
}

/// Sums by currency: what is in two of them cannot be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<String, Sum>);

impl Sums {
    pub(super) fn add(&mut self, amount: &str, currency: &str) {
        self.0.entry(currency.to_owned()).or_default().add(amount);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Sum)> {
        self.0
            .iter()
            .filter(|(_, sum)| sum.count > 0)
            .map(|(currency, sum)| (currency.as_str(), sum))
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (currency, sum)) in self.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(formatter, "{comma}{sum}\u{a0}{currency}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added_to_the_cent_and_by_currency() {
        let mut sums = Sums::default();
        for (amount, currency) in [
            ("0.10", "EUR"),
            ("0.20", "EUR"),
            ("1200", "JPY"),
            ("99999.99", "EUR"),
            ("-0.30", "EUR"),
            ("1.500", "BHD"),
            ("free", "EUR"),
            ("1e9", "EUR"),
            ("", "EUR"),
            ("1.", "USD"),
        ] {
            sums.add(amount, currency);
        }
        let shown = sums.to_string().replace('\u{a0}', " ");
        assert_eq!(shown, "1.500 BHD, 99,999.99 EUR, 1,200 JPY, 1 USD");
        let (_, euros) = sums
            .iter()
            .find(|(currency, _)| *currency == "EUR")
            .unwrap();
        assert_eq!(euros.count, 4);
    }

    #[test]
    fn a_sum_that_is_too_large_stays_what_it_was() {
        let mut sums = Sums::default();
        sums.add(&"9".repeat(38), "EUR");
        sums.add(&"9".repeat(38), "EUR");
        sums.add("0.000000000001", "EUR");
        assert_eq!(sums.iter().next().map(|(_, sum)| sum.count), Some(1));
    }
}
