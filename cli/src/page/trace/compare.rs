//! Two traces beside each other: what one has that the other has not, and where the time went.

use std::collections::BTreeMap;

use super::{TraceSpan, Tree};

/// What one trace has at a place: a service and a name below the same ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) spans: u64,
    /// Nanoseconds of all of them.
    pub(crate) duration: u64,
    pub(crate) self_time: u64,
    pub(crate) failed: u64,
}

/// A place in either trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) depth: usize,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) a: Side,
    pub(crate) b: Side,
}

impl Place {
    /// Nanoseconds that the second took longer.
    pub(crate) fn longer(&self) -> i128 {
        i128::from(self.b.duration) - i128::from(self.a.duration)
    }

    pub(crate) fn more_spans(&self) -> i128 {
        i128::from(self.b.spans) - i128::from(self.a.spans)
    }
}

/// The places of both, each before those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) places: Vec<Place>,
}

impl Comparison {
    /// The largest difference at one place, for the length of bars.
    pub(crate) fn largest(&self) -> u64 {
        let sizes = self
            .places
            .iter()
            .map(|place| place.longer().unsigned_abs());
        sizes
            .max()
            .map_or(0, |size| u64::try_from(size).unwrap_or(u64::MAX))
    }
}

/// Spans of one service and name below one place are one place, however many: a query for each
/// line of an order is one row with a count.
pub(crate) fn compare(a: (&[TraceSpan], &Tree), b: (&[TraceSpan], &Tree)) -> Comparison {
    #[derive(Default)]
    struct Builder<'a> {
        places: Vec<(Place, Vec<usize>)>,
        /// By the place above, if any, and service and name.
        known: BTreeMap<(Option<usize>, &'a str, &'a str), usize>,
        roots: Vec<usize>,
    }
    let mut builder = Builder::default();
    for (first, (spans, tree)) in [(true, a), (false, b)] {
        // A node's parent is before it, so its place is known.
        let mut place_of = vec![0; tree.nodes.len()];
        for (index, node) in tree.nodes.iter().enumerate() {
            let span = &spans[node.span];
            let above = node.parent.map(|parent| place_of[parent]);
            let key = (above, span.service.as_str(), span.span.name.as_str());
            let next = builder.places.len();
            let at = *builder.known.entry(key).or_insert(next);
            if at == next {
                let place = Place {
                    depth: above.map_or(0, |above| builder.places[above].0.depth + 1),
                    service: span.service.clone(),
                    name: span.span.name.clone(),
                    a: Side::default(),
                    b: Side::default(),
                };
                builder.places.push((place, Vec::new()));
                match above {
                    Some(above) => builder.places[above].1.push(at),
                    None => builder.roots.push(at),
                }
            }
            place_of[index] = at;
            let place = &mut builder.places[at].0;
            let side = if first { &mut place.a } else { &mut place.b };
            side.spans += 1;
            side.duration = side.duration.saturating_add(node.duration());
            side.self_time = side.self_time.saturating_add(node.self_time);
            side.failed += u64::from(span.failed());
        }
    }
    let mut places = Vec::with_capacity(builder.places.len());
    let mut waiting: Vec<_> = builder.roots.into_iter().rev().collect();
    while let Some(at) = waiting.pop() {
        let (place, below) = &builder.places[at];
        places.push(place.clone());
        waiting.extend(below.iter().rev());
    }
    Comparison { places }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::span, *};

    #[test]
    fn places_are_matched_by_the_way_to_them() {
        let a = [
            span("GET /", 1, 0, 1, 101),
            span("query", 2, 1, 10, 20),
            span("only a", 3, 1, 30, 40),
        ];
        let b = [
            span("GET /", 1, 0, 5, 205),
            span("query", 2, 1, 10, 20),
            span("query", 3, 1, 20, 50),
            span("only b", 4, 3, 20, 25),
        ];
        let (of_a, of_b) = (Tree::of(&a), Tree::of(&b));
        let comparison = compare((&a, &of_a), (&b, &of_b));
        let rows: Vec<_> = comparison
            .places
            .iter()
            .map(|place| {
                (
                    place.name.as_str(),
                    place.depth,
                    place.longer(),
                    place.more_spans(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("GET /", 0, 100, 0),
                ("query", 1, 30, 1),
                ("only b", 2, 5, 1),
                ("only a", 1, -10, -1),
            ]
        );
        assert_eq!(comparison.largest(), 100);
        assert_eq!(
            compare((&[], &Tree::default()), (&[], &Tree::default())),
            Comparison::default()
        );
    }

    #[test]
    fn deep_traces_are_compared_too() {
        let spans: Vec<_> = (1..=10_000)
            .map(|id| span("deep", id, id - 1, id, 20_000))
            .collect();
        let tree = Tree::of(&spans);
        let comparison = compare((&spans, &tree), (&spans, &tree));
        assert_eq!(comparison.places.len(), 10_000);
        assert_eq!(comparison.largest(), 0);
    }
}
