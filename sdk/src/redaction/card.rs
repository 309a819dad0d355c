//! Payment cards: a known issuer's prefix with a length that it issues, in a grouping that
//! is printed, and a Luhn sum that fits.
//!
//! Each condition rules look-alikes out. Epoch times in milli-, micro- and nanoseconds begin
//! with 1, which no issuer has. Of other random numbers of 16 digits nearly three in a hundred
//! pass for a card, of other lengths fewer.

use std::ops::Range;

/// The groupings in which cards are printed; longer ones first, since a shorter one may be
/// their beginning.
const GROUPINGS: [&[usize]; 11] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 4, 1],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 5],
    &[8, 8],
];

const MAX_DIGITS: usize = 19;

/// The card that begins at `start`, a digit, or where to look on.
pub(super) fn at(bytes: &[u8], start: usize) -> Result<Range<usize>, usize> {
    let end = digits_end(bytes, start);
    let length = end - start;
    // Most digits are short numbers in prose: no card begins with fewer than four.
    if length < 4 || !begins(bytes, start) {
        return Err(end);
    }
    if (13..=MAX_DIGITS).contains(&length) {
        let card = ends(bytes, end) && is_card(&bytes[start..end]);
        return if card { Ok(start..end) } else { Err(end) };
    }
    // Only these lengths begin a printed card, and four digits or more go on.
    let printed = matches!(length, 4 | 8)
        && matches!(bytes.get(end..end + 5), Some([separator, group @ ..])
            if is_separator(*separator) && group.iter().all(u8::is_ascii_digit));
    if !printed {
        return Err(end);
    }
    GROUPINGS
        .iter()
        .find_map(|grouping| grouped(bytes, start, grouping))
        .ok_or(end)
}

fn grouped(bytes: &[u8], start: usize, grouping: &[usize]) -> Option<Range<usize>> {
    let mut digits = [0; MAX_DIGITS];
    let mut count = 0;
    let mut at = start;
    for (index, length) in grouping.iter().enumerate() {
        if index > 0 {
            if !is_separator(*bytes.get(at)?) {
                return None;
            }
            at += 1;
        }
        let group = bytes.get(at..at + length)?;
        if !group.iter().all(u8::is_ascii_digit) {
            return None;
        }
        digits
            .get_mut(count..count + length)?
            .copy_from_slice(group);
        count += length;
        at += length;
    }
    let whole = !bytes.get(at).is_some_and(u8::is_ascii_digit) && ends(bytes, at);
    (whole && is_card(digits.get(..count)?)).then_some(start..at)
}

/// A number that is a value of its own. Up to 16 digits only: a random 64-bit id has 19.
pub(super) fn is_card_number(number: u64) -> bool {
    if !(1_000_000_000_000..10_000_000_000_000_000).contains(&number) {
        return false;
    }
    let mut digits = [0; 16];
    let mut rest = number;
    let mut first = digits.len();
    while rest > 0 && first > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    is_card(&digits[first..])
}

pub(super) fn digits_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .map_or(bytes.len(), |length| start + length)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-')
}

/// Not in the middle of an identifier, nor the decimals of a fraction.
fn begins(bytes: &[u8], start: usize) -> bool {
    match bytes[..start] {
        [.., digit, b'.'] => !digit.is_ascii_digit(),
        [.., before] => !before.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn ends(bytes: &[u8], end: usize) -> bool {
    match bytes[end..] {
        [b'.', digit, ..] => !digit.is_ascii_digit(),
        [after, ..] => !after.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// ASCII digits, 13 to 19 of them.
fn is_card(digits: &[u8]) -> bool {
    issued(digits) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit < 5 => 2 * digit,
                (_, digit) => 2 * digit - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Prefixes and lengths of the issuers, from ISO/IEC 7812 and the networks' own tables.
fn issued(digits: &[u8]) -> bool {
    let prefix = digits
        .iter()
        .take(6)
        .fold(0, |prefix, digit| prefix * 10 + u32::from(digit - b'0'));
    match (prefix, digits.len()) {
        // Visa, and the local schemes that share its range.
        (400_000..=499_999, 13 | 16 | 19) => true,
        // Mastercard.
        (510_000..=559_999 | 222_100..=272_099, 16) => true,
        // American Express.
        (340_000..=349_999 | 370_000..=379_999, 15) => true,
        // Diners Club.
        (300_000..=305_999 | 309_000..=309_999, 14 | 16) => true,
        (360_000..=369_999 | 380_000..=399_999, 14 | 16) => true,
        // Discover, RuPay, Troy.
        (601_100..=601_199 | 644_000..=659_999 | 608_001..=608_500, 16..=19) => true,
        (606_985..=607_984 | 508_500..=508_999 | 817_200..=820_199, 16) => true,
        (353_800..=353_999 | 979_200..=979_299, 16) => true,
        // UnionPay.
        (620_000..=629_999, 16..=19) => true,
        // JCB.
        (352_800..=358_999, 16..=19) => true,
        // Maestro, Dankort.
        (501_800..=502_099 | 503_800..=503_899 | 589_300..=589_399, 13..=19) => true,
        (630_400..=630_499 | 675_900..=675_999 | 676_100..=676_399, 13..=19) => true,
        // Mir.
        (220_000..=220_499, 16..=19) => true,
        // Elo, Hipercard, Verve, InstaPayment.
        (504_175 | 506_699..=506_778 | 509_000..=509_999, 16) => true,
        (606_282 | 636_297 | 636_368 | 637_000..=639_999, 16..=19) => true,
        (506_099..=506_198, 16..=19) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut cards = Vec::new();
        let mut at = 0;
        while let Some(digit) = text[at..].find(|c: char| c.is_ascii_digit()) {
            at += digit;
            at = match super::at(text.as_bytes(), at) {
                Ok(card) => {
                    cards.push(&text[card.clone()]);
                    card.end
                }
                Err(next) => next,
            };
        }
        cards
    }

    #[test]
    fn cards_of_every_issuer_are_found_in_every_printed_form() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "4222 2222 2222 2",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "3782-822463-10005",
            "30569309025904",
            "3056 930902 5904",
            "6011111111111117",
            "6011 0009 9013 9424",
            "3530111333300000",
            "6200000000000005",
            "6205500000000000004",
            "6205 5000 0000 0000 004",
            "2200000000000004",
            "6759649826438453",
            "5555 5555 5555 4444",
            "41111111 11111111",
        ] {
            assert_eq!(found(card), [card]);
            assert_eq!(found(&format!("paid with {card}, thanks")), [card]);
            assert_eq!(found(&format!("card={card};exp=1")), [card]);
            assert_eq!(found(&format!("{card} 12/27 123")), [card]);
            assert_eq!(found(&format!("order 2024 {card}")), [card], "2024 before");
        }
    }

    #[test]
    fn numbers_that_only_look_like_cards_stay() {
        for number in [
            // A wrong sum, an unknown issuer, a length that the issuer does not have.
            "4111111111111112",
            "9111111111111111",
            "411111111111111",
            "55555555555544440",
            // Epoch milli-, micro- and nanoseconds, of which every tenth fits Luhn.
            "1700000000000",
            "1700000000006",
            "1700000000000003",
            "1700000000000000006",
            // Part of an identifier, of a fraction, of a UUID.
            "a4111111111111111",
            "4111111111111111f",
            "0.4111111111111111",
            "4111111111111111.5",
            "41111111-1111-4111-8111-111111111111",
            "00000000000000000000000000000000",
            "12345678901234567890",
            "192.168.100.200",
            "2024-11-12 10:20:30",
            "+49 30 1234567",
            "4111 1111 1111 11111",
            "41 11 11 11 11 11 11 11",
        ] {
            assert_eq!(found(number), [""; 0], "{number}");
        }
    }

    #[test]
    fn a_number_is_a_card_up_to_sixteen_digits() {
        assert!(is_card_number(4_111_111_111_111_111));
        assert!(is_card_number(378_282_246_310_005));
        assert!(!is_card_number(4_111_111_111_111_112));
        assert!(!is_card_number(6_205_500_000_000_000_004));
        assert!(!is_card_number(0) && !is_card_number(u64::MAX));
    }

    #[test]
    fn no_epoch_time_is_ever_a_card() {
        for step in 0..10_000 {
            assert!(!is_card_number(1_600_000_000_000 + step * 31_536));
            assert!(!is_card_number(1_600_000_000_000_000 + step * 31_536_007));
        }
    }
}
