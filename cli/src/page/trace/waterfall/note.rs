//! The rows below a span: its errors and its log records, each at its moment.

use super::{Beside, Folding, Waterfall, row::indent, timeline::BAR};
use crate::page::{
    format::duration,
    markup::{Markup, Percent, Px},
    query::href,
    record::{WARN, happened, level},
    trace::{hex, tree::Node},
    value::plain,
};

impl Waterfall<'_> {
    /// The errors and records of a span, at their place in time.
    pub(super) fn records(
        &self,
        markup: &mut Markup,
        node: &Node,
        beside: &Beside<'_>,
        folding: &Folding,
        left: &mut usize,
    ) {
        for error in &beside.errors {
            let key = format!("e{}-{}", hex(&error.span_id), error.time);
            self.note(
                markup,
                node,
                error.time,
                &Note {
                    key,
                    class: "error",
                    word: "issue",
                    href: &error.href,
                    text: &error.title,
                },
            );
        }
        for record in &beside.records {
            if *left == 0 {
                return;
            }
            if record.record.severity_number < WARN && !folding.records {
                continue;
            }
            *left -= 1;
            let (word, class) = level(record.record.severity_number);
            let body = plain(record.record.body.as_ref(), 200);
            let text = if body.is_empty() {
                record.record.event_name.clone()
            } else {
                body
            };
            let id = record.id.to_string();
            self.note(
                markup,
                node,
                happened(&record.record),
                &Note {
                    key: format!("r{id}"),
                    class,
                    word,
                    href: &href(&["logs", &id], &[]),
                    text: &text,
                },
            );
        }
    }

    fn note(&self, markup: &mut Markup, node: &Node, time: u64, note: &Note<'_>) {
        markup.open(
            "tr",
            &[
                ("class", &"note"),
                ("data-row", &""),
                ("data-key", &note.key),
                ("data-depth", &(node.depth + 1)),
            ],
        );
        markup
            .open("th", &[("scope", &"row"), ("colspan", &"2")])
            .open("div", &[("class", &"tree")]);
        indent(markup, node.depth + 1);
        markup.element("span", &[("class", &"twist")], &"");
        markup
            .element(
                "span",
                &[("class", &format_args!("badge {}", note.class))],
                &note.word,
            )
            .text(&" ");
        markup.element("a", &[("href", &note.href), ("data-open", &"")], &note.text);
        markup
            .close("div")
            .close("th")
            .element("td", &[("class", &"self")], &"");
        markup.open("td", &[("class", &"time-line")]);
        let offset = duration(time.saturating_sub(self.tree.start));
        let share = self.tree.share(time) * 100.0;
        // On the side where there is room.
        let (anchor, dx) = if share > 80.0 {
            ("end", -8.0)
        } else {
            ("start", 8.0)
        };
        markup.open(
            "svg",
            &[
                ("width", &"100%"),
                ("height", &BAR),
                ("role", &"img"),
                ("aria-label", &format_args!("after {offset}")),
            ],
        );
        markup.leaf(
            "circle",
            &[
                ("class", &format_args!("record {}", note.class)),
                ("cx", &Percent(share)),
                ("cy", &"9"),
                ("r", &"3.5"),
            ],
        );
        markup.element(
            "text",
            &[
                ("x", &Percent(share)),
                ("dx", &Px(dx)),
                ("y", &"13"),
                ("text-anchor", &anchor),
            ],
            &format_args!("+{offset}"),
        );
        markup.close("svg").close("td").close("tr");
    }
}

/// A row below a span.
struct Note<'a> {
    key: String,
    class: &'a str,
    word: &'a str,
    href: &'a str,
    text: &'a str,
}
