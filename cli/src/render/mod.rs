//! What arrived, as text. Pure functions from received data to strings, styled always:
//! the stream that prints them strips the style where there is no terminal.

use std::{collections::BTreeMap, fmt::Write};

use owo_colors::OwoColorize;
use throughline_receiver::Contents;

#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod log;
mod metric;
pub(crate) mod trace;
pub(crate) mod value;

/// The whole report: up to `per_route` traces of each root, the records outside of any
/// trace, and the metrics.
pub(crate) fn report(received: &Contents, per_route: usize) -> String {
    let mut out = String::new();
    let parts = parts(received);
    let traces = trace::assemble(&parts);
    let mut routes: BTreeMap<&str, Vec<&trace::Trace<'_>>> = BTreeMap::new();
    for trace in &traces {
        routes.entry(trace.name()).or_default().push(trace);
    }
    for (route, traces) in routes {
        for trace in traces.iter().take(per_route) {
            section(&mut out, &trace::render(trace));
        }
        if let Some(more) = traces.len().checked_sub(per_route).filter(|more| *more > 0) {
            let more = format!("… and {more} more of {}", value::text(route));
            section(&mut out, &format!("{}\n", more.dimmed()));
        }
    }
    let outside: Vec<_> = received
        .logs
        .iter()
        .filter(|log| log.trace_id().is_none())
        .collect();
    if !outside.is_empty() {
        let mut block = format!("{}\n", "outside of any trace".bold());
        for record in outside {
            writeln!(block, "  {}", log::render(record)).ok();
        }
        section(&mut out, &block);
    }
    if !received.metrics.is_empty() {
        section(&mut out, &metric::table(&received.metrics));
    }
    out
}

/// What the receiver has, for a tree.
fn parts(received: &Contents) -> trace::Parts<'_> {
    let spans = received.spans.iter().map(|span| trace::SpanOf {
        service: span.service_name().unwrap_or_default(),
        span: &span.item,
    });
    trace::Parts {
        spans: spans.collect(),
        records: received.logs.iter().map(|record| &record.item).collect(),
        notes: Vec::new(),
    }
}

fn section(out: &mut String, block: &str) {
    out.push_str(block);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{fixture::Fixture, *};

    #[test]
    fn a_report_groups_by_route_and_counts_what_it_leaves_out() {
        let received = Fixture::default()
            .span(1, 1, 0, "GET /b", 0, 1.0, |_| {})
            .span(2, 1, 0, "GET /a", 1, 1.0, |_| {})
            .span(3, 1, 0, "GET /a", 2, 1.0, |_| {})
            .log(0, 0, 9, "listening", 0, &[])
            .contents();
        let report = anstream::adapter::strip_str(&report(&received, 1)).to_string();
        assert_eq!(
            report,
            "\
GET /a  1.00 ms  shop  trace 02020202020202020202020202020202

… and 1 more of GET /a

GET /b  1.00 ms  shop  trace 01010101010101010101010101010101

outside of any trace
  INFO  listening

"
        );
    }

    #[test]
    fn nothing_received_is_an_empty_report() {
        assert_eq!(report(&Contents::default(), 2), "");
    }
}
