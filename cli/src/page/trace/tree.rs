//! The spans of a trace as a tree, whatever they say of themselves.
//!
//! Spans come from several programs with several clocks, some never come, and some are made up.
//! So a parent may be missing, may be the span itself or one of its children, ids may occur
//! twice, and times may be zero or the wrong way round. All of it is shown, and said. Nothing here
//! recurses, since a trace may be as deep as it has spans.

use std::collections::HashMap;

use super::{Oddity, TraceSpan, hex};

#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// In the spans that the tree was made from.
    pub(crate) span: usize,
    /// In the tree's nodes, as the children are.
    pub(crate) parent: Option<usize>,
    /// By their start.
    pub(crate) children: Vec<usize>,
    pub(crate) depth: usize,
    /// How many are below it.
    pub(crate) descendants: usize,
    /// Of how many of these, and of itself, the status is an error.
    pub(crate) failed: usize,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Never before the start.
    pub(crate) end: u64,
    /// Nanoseconds in which none of its children ran.
    pub(crate) self_time: u64,
    pub(crate) oddities: Vec<Oddity>,
}

impl Node {
    pub(crate) fn duration(&self) -> u64 {
        self.end - self.start
    }
}

/// Its nodes stand in the order in which they are shown: each before its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) roots: Vec<usize>,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Whether the way up from a span has been looked at.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    No,
    OnThisWay,
    Yes,
}

impl Tree {
    pub(crate) fn of(spans: &[TraceSpan]) -> Self {
        let mut oddities = vec![Vec::new(); spans.len()];
        let mut parents = parents(spans, &mut oddities);
        cut_cycles(&mut parents, &mut oddities);

        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for (index, parent) in parents.iter().enumerate() {
            match parent {
                Some(parent) => children[*parent].push(index),
                None => roots.push(index),
            }
        }
        let order = |index: &usize| (spans[*index].span.start_time_unix_nano, *index);
        for siblings in &mut children {
            siblings.sort_by_key(order);
        }
        // What says that it is the root goes before what has lost its parent.
        roots.sort_by_key(|index| (!spans[*index].span.parent_span_id.is_empty(), order(index)));

        let mut tree = Self::default();
        // From the last, since what is pushed last is taken first.
        let mut waiting: Vec<(usize, Option<usize>)> =
            roots.iter().rev().map(|root| (*root, None)).collect();
        while let Some((index, parent)) = waiting.pop() {
            let at = tree.nodes.len();
            let odd = std::mem::take(&mut oddities[index]);
            let node = tree.node(spans, index, parent, odd);
            tree.nodes.push(node);
            match parent {
                Some(parent) => tree.nodes[parent].children.push(at),
                None => tree.roots.push(at),
            }
            waiting.extend(children[index].iter().rev().map(|child| (*child, Some(at))));
        }
        tree.sum_up();
        let timed = || tree.nodes.iter().filter(|node| node.start > 0);
        tree.start = timed().map(|node| node.start).min().unwrap_or(0);
        tree.end = timed().map(|node| node.end).max().unwrap_or(tree.start);
        tree
    }

    pub(crate) fn duration(&self) -> u64 {
        self.end - self.start
    }

    /// The node of a span by its id in hexadecimal.
    pub(crate) fn find(&self, spans: &[TraceSpan], id: &str) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| spans[node.span].id() == id)
    }

    /// Where a moment is, from 0 to 1.
    pub(crate) fn share(&self, time: u64) -> f64 {
        let length = self.duration().max(1) as f64;
        (time.saturating_sub(self.start) as f64 / length).clamp(0.0, 1.0)
    }

    fn node(
        &self,
        spans: &[TraceSpan],
        index: usize,
        parent: Option<usize>,
        mut oddities: Vec<Oddity>,
    ) -> Node {
        let span = &spans[index].span;
        let above = parent.map(|parent| &self.nodes[parent]);
        let (mut start, mut end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        if start == 0 {
            oddities.push(Oddity::NoTime);
            start = above.map_or(end, |above| above.start);
        } else if let Some(above) = above
            && start < above.start
            && spans[above.span].service != spans[index].service
        {
            oddities.push(Oddity::ClockSkew(above.start - start));
        }
        if end < start {
            // One that has not ended, as far as is known, is not backwards.
            if end > 0 {
                oddities.push(Oddity::Backwards);
            }
            end = start;
        }
        Node {
            span: index,
            parent,
            children: Vec::new(),
            depth: above.map_or(0, |above| above.depth + 1),
            descendants: 0,
            failed: usize::from(spans[index].failed()),
            start,
            end,
            self_time: 0,
            oddities,
        }
    }

    fn sum_up(&mut self) {
        // Children stand after their parents, so from the end each is complete when it is added.
        for index in (0..self.nodes.len()).rev() {
            self.nodes[index].self_time = self.self_time(index);
            let Node {
                parent,
                descendants,
                failed,
                ..
            } = self.nodes[index];
            if let Some(parent) = parent {
                self.nodes[parent].descendants += descendants + 1;
                self.nodes[parent].failed += failed;
            }
        }
    }

    /// The length of a span without what its children cover of it.
    fn self_time(&self, index: usize) -> u64 {
        let node = &self.nodes[index];
        let mut intervals: Vec<_> = node
            .children
            .iter()
            .map(|child| &self.nodes[*child])
            .map(|child| (child.start.max(node.start), child.end.min(node.end)))
            .filter(|(start, end)| start < end)
            .collect();
        intervals.sort_unstable();
        let (mut covered, mut until) = (0, node.start);
        for (start, end) in intervals {
            covered += end.saturating_sub(start.max(until));
            until = until.max(end);
        }
        node.duration() - covered
    }
}

fn parents(spans: &[TraceSpan], oddities: &mut [Vec<Oddity>]) -> Vec<Option<usize>> {
    let mut by_id: HashMap<&[u8], usize> = HashMap::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        let id = span.span.span_id.as_slice();
        if *by_id.entry(id).or_insert(index) != index {
            oddities[index].push(Oddity::DuplicateId);
        }
    }
    let found = spans.iter().enumerate().map(|(index, span)| {
        let parent = span.span.parent_span_id.as_slice();
        if parent.iter().all(|byte| *byte == 0) {
            return None;
        }
        let found = by_id.get(parent).copied();
        if found.is_none() {
            oddities[index].push(Oddity::MissingParent(hex(parent)));
        }
        found
    });
    found.collect()
}

fn cut_cycles(parents: &mut [Option<usize>], oddities: &mut [Vec<Oddity>]) {
    let mut seen = vec![Seen::No; parents.len()];
    for first in 0..parents.len() {
        let mut way = Vec::new();
        let mut at = Some(first);
        while let Some(index) = at {
            match seen[index] {
                Seen::Yes => break,
                Seen::OnThisWay => {
                    parents[index] = None;
                    oddities[index].push(Oddity::Cycle);
                    break;
                }
                Seen::No => {
                    seen[index] = Seen::OnThisWay;
                    way.push(index);
                    at = parents[index];
                }
            }
        }
        for index in way {
            seen[index] = Seen::Yes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::span, *};

    fn shape(spans: &[TraceSpan]) -> Vec<(String, usize, Vec<Oddity>)> {
        let tree = Tree::of(spans);
        assert_eq!(tree.nodes.len(), spans.len(), "no span is lost");
        tree.nodes
            .into_iter()
            .map(|node| {
                (
                    spans[node.span].span.name.clone(),
                    node.depth,
                    node.oddities,
                )
            })
            .collect()
    }

    fn names(spans: &[TraceSpan]) -> Vec<(String, usize)> {
        shape(spans)
            .into_iter()
            .map(|(name, depth, _)| (name, depth))
            .collect()
    }

    #[test]
    fn children_follow_their_parent_by_their_start() {
        let spans = [
            span("late", 3, 1, 50, 60),
            span("root", 1, 0, 10, 100),
            span("early", 2, 1, 20, 40),
            span("below", 4, 2, 25, 30),
        ];
        assert_eq!(
            names(&spans),
            [("root", 0), ("early", 1), ("below", 2), ("late", 1)]
                .map(|(name, depth)| (name.to_owned(), depth))
        );
        let tree = Tree::of(&spans);
        assert_eq!((tree.start, tree.end), (10, 100));
        assert_eq!(tree.nodes[0].descendants, 3);
        assert_eq!(tree.nodes[0].self_time, 60);
        assert_eq!(tree.nodes[1].self_time, 15);
    }

    #[test]
    fn children_that_overlap_are_taken_off_once() {
        let spans = [
            span("root", 1, 0, 10, 110),
            span("a", 2, 1, 20, 60),
            span("b", 3, 1, 40, 80),
            span("within b", 4, 1, 45, 50),
            span("beyond", 5, 1, 100, 200),
            span("outside", 6, 1, 300, 400),
        ];
        assert_eq!(Tree::of(&spans).nodes[0].self_time, 30);
    }

    #[test]
    fn a_missing_parent_and_a_second_root_are_shown() {
        let spans = [span("orphan", 2, 9, 5, 6), span("root", 1, 0, 10, 20)];
        let shape = shape(&spans);
        assert_eq!(shape[0].0, "root");
        assert_eq!(
            shape[1].2,
            [Oddity::MissingParent("0000000000000009".to_owned())]
        );
    }

    #[test]
    fn circles_are_cut_once_and_nothing_in_them_is_lost() {
        let own = [span("own", 1, 1, 10, 20)];
        assert_eq!(shape(&own)[0].2, [Oddity::Cycle]);

        let spans = [
            span("hangs on", 4, 1, 10, 20),
            span("a", 1, 3, 10, 20),
            span("b", 2, 1, 10, 20),
            span("c", 3, 2, 10, 20),
        ];
        let cut = shape(&spans)
            .iter()
            .filter(|(.., odd)| odd.contains(&Oddity::Cycle))
            .count();
        assert_eq!(cut, 1);
    }

    #[test]
    fn spans_of_one_id_are_all_there() {
        let spans = [
            span("root", 1, 0, 10, 20),
            span("twice", 2, 1, 11, 12),
            span("twice", 2, 1, 13, 14),
            span("child", 3, 2, 11, 12),
        ];
        let shape = shape(&spans);
        assert_eq!(shape.iter().map(|(.., odd)| odd.len()).sum::<usize>(), 1);
        assert_eq!(shape[3].2, [Oddity::DuplicateId]);
    }

    #[test]
    fn impossible_times_are_said_and_do_no_harm() {
        let spans = [
            span("root", 1, 0, 10, 20),
            span("backwards", 2, 1, 15, 5),
            span("timeless", 3, 1, 0, 0),
            span("unended", 4, 1, 12, 0),
        ];
        let tree = Tree::of(&spans);
        assert_eq!((tree.start, tree.end), (10, 20));
        let odd = |name: &str| {
            shape(&spans)
                .into_iter()
                .find(|node| node.0 == name)
                .unwrap()
                .2
        };
        assert_eq!(odd("backwards"), [Oddity::Backwards]);
        assert_eq!(odd("timeless"), [Oddity::NoTime]);
        assert_eq!(odd("unended"), []);
        let nothing = Tree::of(&[span("timeless", 1, 0, 0, 0)]);
        assert_eq!((nothing.start, nothing.duration()), (0, 0));
        assert_eq!(Tree::of(&[]).nodes.len(), 0);
    }

    #[test]
    fn a_child_of_another_service_before_its_parent_tells_of_its_clock() {
        let mut other = span("other", 2, 1, 7, 9);
        other.service = "payments".to_owned();
        let spans = [span("root", 1, 0, 10, 20), other, span("own", 3, 1, 8, 9)];
        let shape = shape(&spans);
        assert_eq!(shape[1].2, [Oddity::ClockSkew(3)]);
        assert_eq!(shape[2].2, []);
    }

    #[test]
    fn a_chain_of_ten_thousand_spans_is_no_matter() {
        let spans: Vec<_> = (1..=10_000)
            .map(|id| span("deep", id, id - 1, id, 20_000))
            .collect();
        let tree = Tree::of(&spans);
        assert_eq!(tree.nodes[9_999].depth, 9_999);
        assert_eq!(tree.nodes[0].descendants, 9_999);
    }
}
