//! A span's place in time: the ruler above, and the bar with what was recorded on it.

use super::{Beside, Waterfall};
use crate::page::{
    chart::colour,
    format::duration,
    markup::{Markup, Percent},
    record::{happened, level},
    trace::{TraceSpan, tree::Node},
};

/// Height of what is drawn in a row, in pixels.
pub(super) const BAR: f64 = 20.0;

impl Waterfall<'_> {
    pub(super) fn ruler(&self, markup: &mut Markup) {
        markup.element("span", &[("class", &"quiet")], &"Time");
        markup.open(
            "svg",
            &[
                ("width", &"100%"),
                ("height", &"16"),
                ("aria-hidden", &"true"),
            ],
        );
        // No more than have room on a telephone; the lines are at the quarters.
        for half in 0..=2_u32 {
            let at = f64::from(half) / 2.0;
            let anchor = match half {
                0 => "start",
                2 => "end",
                _ => "middle",
            };
            let label = duration((self.tree.duration() as f64 * at) as u64);
            markup.element(
                "text",
                &[
                    ("x", &Percent(at * 100.0)),
                    ("y", &"12"),
                    ("text-anchor", &anchor),
                ],
                &label,
            );
        }
        markup.close("svg");
    }

    pub(super) fn bar(
        &self,
        markup: &mut Markup,
        node: &Node,
        of: &TraceSpan,
        beside: &Beside<'_>,
        failed: bool,
    ) {
        let (from, to) = (
            self.tree.share(node.start) * 100.0,
            self.tree.share(node.end) * 100.0,
        );
        let at = |time: u64| Percent(self.tree.share(time) * 100.0);
        markup.open(
            "svg",
            &[
                ("width", &"100%"),
                ("height", &BAR),
                ("aria-hidden", &"true"),
            ],
        );
        let class = if failed {
            format!("span failed {}", colour(&of.service))
        } else {
            format!("span {}", colour(&of.service))
        };
        // A span too short to be seen still has its place.
        let width = (to - from).max(0.25);
        markup.leaf(
            "rect",
            &[
                ("class", &class),
                ("x", &Percent(from.min(99.75))),
                ("width", &Percent(width)),
                ("y", &"4"),
                ("height", &"10"),
                ("rx", &"2"),
            ],
        );
        for segment in &beside.critical {
            let (start, end) = (
                self.tree.share(segment.start) * 100.0,
                self.tree.share(segment.end) * 100.0,
            );
            markup.leaf(
                "rect",
                &[
                    ("class", &"critical"),
                    ("x", &Percent(start)),
                    ("width", &Percent((end - start).max(0.15))),
                    ("y", &"15.5"),
                    ("height", &"2.5"),
                ],
            );
        }
        for event in of.span.events.iter().take(50) {
            let x = at(event.time_unix_nano);
            markup.leaf(
                "line",
                &[
                    ("class", &"event"),
                    ("x1", &x),
                    ("x2", &x),
                    ("y1", &"2"),
                    ("y2", &"16"),
                ],
            );
        }
        for record in beside.records.iter().take(50) {
            let class = format!("record {}", level(record.record.severity_number).1);
            markup.leaf(
                "circle",
                &[
                    ("class", &class),
                    ("cx", &at(happened(&record.record))),
                    ("cy", &"9"),
                    ("r", &"2.5"),
                ],
            );
        }
        for error in &beside.errors {
            markup.leaf(
                "circle",
                &[
                    ("class", &"record error"),
                    ("cx", &at(error.time)),
                    ("cy", &"9"),
                    ("r", &"4"),
                ],
            );
        }
        markup.close("svg");
    }
}
