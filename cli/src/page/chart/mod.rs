//! Charts as SVG that the server draws: they are there without a script, and follow the theme by
//! the classes of the style sheet.
//!
//! A server does not know how wide a chart will be. So widths are percentages, heights are
//! pixels, and text is never stretched; lines are in a nested drawing that is. Under each chart
//! stands its data as a table, which is also what the script reads when a pointer moves over it.

mod histogram;
mod scale;
mod sparkline;
mod time;

pub(crate) use histogram::{Bucket, HeatMap, Histogram, quantile};
pub(crate) use sparkline::sparkline;
pub(crate) use time::{Kind, Series, TimeChart};

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
const COLOURS: u64 = 9;

/// The class of a name's colour: the same for the same name, in every view and after a restart.
pub(crate) fn colour(name: &str) -> String {
    if name.is_empty() {
        return "c9".to_owned();
    }
    // FNV-1a, since the standard library's hash may be another one with the next compiler.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("c{}", (hash ^ (hash >> 32)) % COLOURS)
}

/// Distinct classes for the series of one chart, in their order.
pub(crate) fn series_class(index: usize) -> String {
    format!("c{}", index as u64 % COLOURS)
}
