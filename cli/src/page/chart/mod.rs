//! Charts as SVG that the server draws: they are there without a script, and follow the theme by
//! the classes of the style sheet.
//!
//! A server does not know how wide a chart will be. So widths are percentages, heights are
//! pixels, and text is never stretched; lines are in a nested drawing that is. Under each chart
//! stands its data as a table, which is also what the script reads when a pointer moves over it.

mod data;
mod histogram;
mod scale;
mod scatter;
mod sparkline;
mod time;

use std::sync::{Mutex, PoisonError};

pub(crate) use histogram::{Bucket, HeatMap, Histogram, quantile};
pub(crate) use scatter::{Dot, scatter};
pub(crate) use sparkline::sparkline;
pub(crate) use time::{Kind, Series, TimeChart};

/// The unit of what is counted where the title names it: whole numbers, and no word beside them.
pub(crate) const COUNT: &str = "{}";

/// One measured value with the trace that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) value: f64,
    /// The address of its trace.
    pub(crate) href: String,
}

/// How many colours there are for names. The last, `c9`, is for what has no name.
const COLOURS: usize = 9;

/// Who has which colour.
static TAKEN: Mutex<[Option<String>; COLOURS]> = Mutex::new([const { None }; COLOURS]);

/// The class of a name's colour, the same in every view. As long as there are colours, no two
/// names have the same one: a name takes that of its hash, and if another has it, the next.
pub(crate) fn colour(name: &str) -> String {
    if name.is_empty() {
        return "c9".to_owned();
    }
    // FNV-1a, since the standard library's hash may be another one with the next compiler.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let own = ((hash ^ (hash >> 32)) % COLOURS as u64) as usize;
    // Whoever panicked with it has left it whole: it is only ever assigned to.
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let from_own = (0..COLOURS).map(|step| (own + step) % COLOURS);
    let mut free = None;
    for at in from_own {
        match &taken[at] {
            Some(other) if other == name => return format!("c{at}"),
            Some(_) => {}
            None => free = free.or(Some(at)),
        }
    }
    if let Some(at) = free {
        taken[at] = Some(name.to_owned());
    }
    format!("c{}", free.unwrap_or(own))
}

/// Distinct classes for the series of one chart, in their order.
pub(crate) fn series_class(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_and_shares_it_only_when_there_are_no_more() {
        let names: Vec<_> = (0..20).map(|index| format!("service-{index}")).collect();
        let first: Vec<_> = names.iter().map(|name| colour(name)).collect();
        let again: Vec<_> = names.iter().map(|name| colour(name)).collect();
        assert_eq!(first, again);
        let mut all = first;
        all.sort();
        all.dedup();
        assert_eq!(all.len(), COLOURS, "every colour is used");
        assert_eq!(colour(""), "c9");
    }
}
