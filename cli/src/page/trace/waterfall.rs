//! The waterfall: a row a span, its place in time as a bar, and what was recorded on the way.

mod folding;
mod legend;
mod note;
mod notices;
mod row;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::HashMap;

use super::{TraceError, TraceRecord, TraceSpan, Tree, critical::Segment};
use crate::page::{PageRequest, markup::Markup, record::happened};
pub(crate) use folding::Folding;
pub(super) use row::indent;

/// Records that stand among the spans at most.
const MOST_RECORDS: usize = 300;

/// A trace to be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waterfall<'a> {
    pub(crate) request: &'a PageRequest,
    pub(crate) spans: &'a [TraceSpan],
    pub(crate) tree: &'a Tree,
    pub(crate) records: &'a [TraceRecord],
    pub(crate) errors: &'a [TraceError],
}

/// What belongs to one span.
#[derive(Clone, Debug, Default)]
struct Beside<'a> {
    records: Vec<&'a TraceRecord>,
    errors: Vec<&'a TraceError>,
    critical: Vec<Segment>,
}

impl Waterfall<'_> {
    pub(crate) fn render(&self, folding: &Folding) -> Markup {
        let critical = self.tree.critical_path();
        let mut markup = Markup::new();
        self.legend(&mut markup, &critical);
        let beside = self.beside(critical);
        let (shown, hidden) = self.shown(folding);
        self.notices(&mut markup, &beside, folding, hidden);

        markup.open("table", &[("class", &"waterfall")]);
        markup.element(
            "caption",
            &[("class", &"quiet")],
            &"Spans of the trace, each under its parent",
        );
        markup.open("thead", &[]).open("tr", &[]);
        markup.element("th", &[("scope", &"col")], &"Span");
        markup.element(
            "th",
            &[("scope", &"col"), ("class", &"number")],
            &"Duration",
        );
        markup.element(
            "th",
            &[("scope", &"col"), ("class", &"number self")],
            &"Self",
        );
        markup.open("th", &[("scope", &"col"), ("class", &"time-line")]);
        self.ruler(&mut markup);
        markup
            .close("th")
            .close("tr")
            .close("thead")
            .open("tbody", &[]);
        let mut records_left = MOST_RECORDS;
        for (index, node) in self.tree.nodes.iter().enumerate() {
            if let Some(open) = shown[index] {
                self.row(&mut markup, node, &beside[index], folding, open);
                self.records(
                    &mut markup,
                    node,
                    &beside[index],
                    folding,
                    &mut records_left,
                );
            }
        }
        markup.close("tbody").close("table");
        markup
    }

    /// Sorts what came along to the spans that it belongs to; what names no span of the trace
    /// goes to the first root.
    fn beside(&self, critical: Vec<Segment>) -> Vec<Beside<'_>> {
        let mut beside = vec![Beside::default(); self.tree.nodes.len()];
        if beside.is_empty() {
            return beside;
        }
        let mut nodes: HashMap<&[u8], usize> = HashMap::new();
        for (index, node) in self.tree.nodes.iter().enumerate() {
            nodes
                .entry(&self.spans[node.span].span.span_id)
                .or_insert(index);
        }
        for segment in critical {
            beside[segment.node].critical.push(segment);
        }
        for record in self.records {
            let node = nodes
                .get(record.record.span_id.as_slice())
                .copied()
                .unwrap_or(0);
            beside[node].records.push(record);
        }
        for error in self.errors {
            let node = nodes.get(error.span_id.as_slice()).copied().unwrap_or(0);
            beside[node].errors.push(error);
        }
        for of_span in &mut beside {
            of_span
                .records
                .sort_by_key(|record| happened(&record.record));
            of_span.errors.sort_by_key(|error| error.time);
        }
        beside
    }
}
