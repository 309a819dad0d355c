//! Which spans made a trace as long as it is: shortening any other would not have helped.
//!
//! The rule is that of Jaeger's page. One goes backwards in time from the root's end. Of the
//! children of the span at hand, the one that finished last is what it waited for; the time
//! after that child's end is the span's own. Then the child is looked at in the same
//! way, and from the child's start on one goes on with the child that had finished last by
//! then. A child that is still running after its parent counts up to the parent's end, and one
//! that starts after that end does not count, since its parent did not wait for it.

use super::Tree;

/// A stretch of time in which this node was what everybody waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) node: usize,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Tree {
    /// From the first root, by time from its end to its start.
    pub(crate) fn critical_path(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let Some(root) = self.roots.first() else {
            return segments;
        };
        let mut waiting = vec![(*root, self.nodes[*root].start, self.nodes[*root].end)];
        while let Some((index, start, end)) = waiting.pop() {
            let mut children: Vec<_> = self.nodes[index]
                .children
                .iter()
                .map(|child| (*child, &self.nodes[*child]))
                .map(|(child, node)| (child, node.start.max(start), node.end.min(end)))
                .filter(|(_, from, to)| from < to)
                .collect();
            children.sort_unstable_by_key(|(child, from, to)| (*to, *from, *child));
            let mut cursor = end;
            for (child, from, to) in children.into_iter().rev() {
                // It ran beside one that finished later.
                if to > cursor {
                    continue;
                }
                push(&mut segments, index, to, cursor);
                waiting.push((child, from, to));
                cursor = from;
            }
            push(&mut segments, index, start, cursor);
        }
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.start));
        segments
    }
}

fn push(segments: &mut Vec<Segment>, node: usize, start: u64, end: u64) {
    if start < end {
        segments.push(Segment { node, start, end });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{TraceSpan, fixture::span},
        *,
    };

    /// Name, start and end of each stretch.
    fn path(spans: &[TraceSpan]) -> Vec<(String, u64, u64)> {
        let tree = Tree::of(spans);
        let path = tree.critical_path();
        path.into_iter()
            .map(|segment| {
                let name = spans[tree.nodes[segment.node].span].span.name.clone();
                (name, segment.start, segment.end)
            })
            .collect()
    }

    fn expected(parts: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        parts
            .iter()
            .map(|(name, start, end)| ((*name).to_owned(), *start, *end))
            .collect()
    }

    #[test]
    fn it_goes_through_the_child_that_finished_last() {
        let spans = [
            span("root", 1, 0, 10, 110),
            span("first", 2, 1, 20, 40),
            span("beside", 3, 1, 50, 70),
            span("slow", 4, 1, 45, 100),
            span("inner", 5, 4, 60, 95),
        ];
        assert_eq!(
            path(&spans),
            expected(&[
                ("root", 100, 110),
                ("slow", 95, 100),
                ("inner", 60, 95),
                ("slow", 45, 60),
                ("root", 40, 45),
                ("first", 20, 40),
                ("root", 10, 20),
            ])
        );
    }

    #[test]
    fn its_stretches_are_the_whole_length_of_the_root() {
        let spans: Vec<_> = (2..200_u64)
            .map(|id| span("x", id, id / 3, 10 + id * 7 % 90, 20 + id * 13 % 150))
            .chain([span("root", 1, 0, 10, 200)])
            .collect();
        let path = path(&spans);
        assert!(path.len() > 3, "{path:?}");
        assert_eq!(
            path.iter().map(|(_, start, end)| end - start).sum::<u64>(),
            190
        );
        assert!(
            path.windows(2).all(|pair| pair[0].1 == pair[1].2),
            "{path:?}"
        );
    }

    #[test]
    fn nobody_waits_for_what_outlives_its_parent() {
        let spans = [
            span("root", 1, 0, 10, 100),
            span("overhangs", 2, 1, 80, 300),
            span("later", 3, 1, 200, 250),
        ];
        assert_eq!(
            path(&spans),
            expected(&[("overhangs", 80, 100), ("root", 10, 80)])
        );
    }

    #[test]
    fn impossible_spans_have_a_path_too() {
        assert_eq!(path(&[]), []);
        assert_eq!(path(&[span("timeless", 1, 0, 0, 0)]), []);
        assert_eq!(path(&[span("backwards", 1, 0, 9, 3)]), []);
        assert_eq!(
            path(&[span("own parent", 1, 1, 3, 9)]),
            expected(&[("own parent", 3, 9)])
        );
        let chain: Vec<_> = (1..=10_000)
            .map(|id| span("deep", id, id - 1, id, 20_000))
            .collect();
        assert_eq!(path(&chain).len(), 10_000);
    }
}
