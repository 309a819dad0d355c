//! Counts of ten seconds, of five minutes and of an hour: a week is read as some hundred hours,
//! and says what its sixty thousand slices say.
//!
//! All widths are written in one transaction and deleted together, so that any range that begins
//! with a slice is a few slices, then a few longer parts, then hours, and adds up to the same.

use rusqlite::Connection;

use super::{StoreError, red};

/// How many slices one row is of. Each is a multiple of the one before.
pub(super) const WIDTHS: [i64; 3] = [1, FIVE_MINUTES, HOUR];
pub(super) const FIVE_MINUTES: i64 = 30;
pub(super) const HOUR: i64 = 360;

/// Rows of one width: `from` and `to` count in that width, and the end is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) width: i64,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// The rows to read for everything from the slice `since` on, where no row may be longer than
/// the intervals of so many slices that they are added up in, nor lie in two of them.
pub(super) fn pieces(since: i64, interval: i64) -> Vec<Piece> {
    let since = since.max(0);
    let widths: Vec<i64> = WIDTHS
        .into_iter()
        .filter(|width| interval % width == 0)
        .collect();
    let mut pieces = Vec::new();
    let mut from = since;
    for (index, &width) in widths.iter().enumerate() {
        let to = match widths.get(index + 1) {
            Some(wider) => (from + wider - 1) / wider * wider,
            None => i64::MAX,
        };
        if from < to {
            pieces.push(Piece {
                width,
                from: from / width,
                to: if to == i64::MAX { to } else { to / width },
            });
            from = to;
        }
    }
    pieces
}

/// Deletes the counts from before a slice, to five minutes; what is left of the hour in which that
/// lies is added up again.
pub(super) fn sweep(connection: &Connection, before: i64) -> Result<(), StoreError> {
    let first = before / FIVE_MINUTES * FIVE_MINUTES;
    let mut gone = 0;
    for table in ["red", "volume"] {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE width = ?1 AND slice < ?2"
        ))?;
        for width in WIDTHS {
            gone += delete.execute([width, first / width])?;
        }
    }
    // An hour that had no part deleted is right as it is.
    if gone > 0 && first % HOUR != 0 {
        let hour = first / HOUR;
        red::again(
            connection,
            (HOUR, hour),
            &Piece {
                width: FIVE_MINUTES,
                from: first / FIVE_MINUTES,
                to: (hour + 1) * (HOUR / FIVE_MINUTES),
            },
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(width: i64, from: i64, to: i64) -> Piece {
        Piece { width, from, to }
    }

    #[test]
    fn a_range_is_slices_then_minutes_then_hours_without_a_gap() {
        let hours = pieces(HOUR * 7 + 31, 6 * HOUR);
        assert_eq!(
            hours,
            [
                piece(1, HOUR * 7 + 31, HOUR * 7 + 60),
                piece(FIVE_MINUTES, 86, 96),
                piece(HOUR, 8, i64::MAX)
            ]
        );
        for (since, interval) in [(0, 1), (17, 30), (359, 90), (360, 360), (100_001, 8640)] {
            let mut next = since;
            for piece in pieces(since, interval) {
                assert_eq!(piece.from * piece.width, next, "{since} {interval}");
                assert_eq!(interval % piece.width, 0, "{since} {interval}");
                next = piece.to.saturating_mul(piece.width);
            }
            assert_eq!(next, i64::MAX, "{since} {interval}");
        }
    }

    #[test]
    fn short_intervals_are_read_from_slices_alone() {
        assert_eq!(pieces(5, 6), [piece(1, 5, i64::MAX)]);
        assert_eq!(pieces(-5, HOUR), [piece(HOUR, 0, i64::MAX)]);
    }
}
