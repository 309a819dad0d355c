//! Which spans have a row: what the reader opened and closed, and how much a page holds.

use std::collections::BTreeSet;

use super::Waterfall;
use crate::page::PageRequest;

/// Rows that a page has at most without being asked for more.
pub(super) const ROWS: usize = 600;
/// And when asked for all. More than that no one reads; the JSON download has them.
pub(super) const MOST_ROWS: usize = 5_000;

/// What of a trace is open, as the URL has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folding {
    /// The chosen span, whose details are shown.
    pub(crate) span: Option<String>,
    /// Folded by the reader: `closed=`, ids of spans.
    pub(crate) closed: BTreeSet<String>,
    /// Opened though the trace is large: `open=`, ids of spans.
    pub(crate) open: BTreeSet<String>,
    /// `open=all`.
    pub(crate) all: bool,
    /// `records=all`: records of every level among the spans, and not just of WARN and above.
    pub(crate) records: bool,
}

impl Folding {
    pub(crate) fn of(request: &PageRequest) -> Self {
        let set = |key| {
            request
                .query
                .all(key)
                .flat_map(|ids| ids.split(','))
                .map(str::to_owned)
                .collect()
        };
        Self {
            span: request.query.get("span").map(str::to_owned),
            closed: set("closed"),
            open: set("open"),
            all: request.query.get("open") == Some("all"),
            records: request.query.get("records") == Some("all"),
        }
    }

    /// The address that closes what is open below a span, or opens what is closed.
    pub(super) fn turned(&self, request: &PageRequest, id: &str, open: bool) -> String {
        let mut closed = self.closed.clone();
        let mut opened = self.open.clone();
        if open {
            closed.insert(id.to_owned());
            opened.remove(id);
        } else {
            closed.remove(id);
            opened.insert(id.to_owned());
        }
        let join = |ids: BTreeSet<String>| ids.into_iter().collect::<Vec<_>>().join(",");
        request
            .query
            .with("closed", &join(closed))
            .with("open", &join(opened))
            .at(&request.path)
    }
}

impl Waterfall<'_> {
    /// For each node whether it has a row, and if so, whether its children do; and how many
    /// spans are left out. Level by level, until the page is full.
    pub(super) fn shown(&self, folding: &Folding) -> (Vec<Option<bool>>, usize) {
        let nodes = &self.tree.nodes;
        let ids = |index: &usize| self.spans[nodes[*index].span].id();
        // The way to the chosen span is always open.
        let mut chosen_way = BTreeSet::new();
        let chosen = folding
            .span
            .as_deref()
            .and_then(|id| self.tree.find(self.spans, id));
        let mut at = chosen;
        while let Some(index) = at {
            chosen_way.insert(index);
            at = nodes[index].parent;
        }

        let mut shown = vec![None; nodes.len()];
        let mut room = if folding.all { MOST_ROWS } else { ROWS };
        let mut level: Vec<usize> = self.tree.roots.clone();
        let mut rows = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for index in level {
                // A parent of many thousands shows the first; and what was asked for.
                if room == 0 && !chosen_way.contains(&index) {
                    continue;
                }
                room = room.saturating_sub(1);
                rows += 1;
                let has_ids = !folding.closed.is_empty() || !folding.open.is_empty();
                let id = if has_ids { ids(&index) } else { String::new() };
                let wanted = chosen_way.contains(&index) && Some(index) != chosen;
                let open = wanted
                    || !folding.closed.contains(&id) && (room > 0 || folding.open.contains(&id));
                if open && folding.open.contains(&id) {
                    room = room.max(nodes[index].children.len().min(ROWS));
                }
                let has_children = !nodes[index].children.is_empty();
                shown[index] = Some(open && has_children);
                if open {
                    next.extend(&nodes[index].children);
                }
            }
            level = next;
        }
        // What was closed on purpose is not missed.
        let closed: usize = nodes
            .iter()
            .zip(&shown)
            .filter(|(_, shown)| **shown == Some(false))
            .map(|(node, _)| node.descendants)
            .sum();
        (
            shown,
            (nodes.len() - rows).saturating_sub(if folding.closed.is_empty() { 0 } else { closed }),
        )
    }
}
