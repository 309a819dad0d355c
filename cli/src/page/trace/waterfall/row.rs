//! The row of a span: its name under its parent's, how long it took, and what folds it.

use super::{Beside, Folding, Waterfall};
use crate::page::{
    chart::colour,
    format::{count, duration, plural},
    markup::{Markup, Px},
    trace::{Oddity, tree::Node},
};

/// Deeper levels are not indented further, or there would be no room for names.
const DEEPEST_INDENT: usize = 24;
const INDENT: f64 = 12.0;

impl Waterfall<'_> {
    pub(super) fn row(
        &self,
        markup: &mut Markup,
        node: &Node,
        beside: &Beside<'_>,
        folding: &Folding,
        open: bool,
    ) {
        let of = &self.spans[node.span];
        let id = of.id();
        let failed = of.failed() || !beside.errors.is_empty();
        let chosen = folding.span.as_deref() == Some(id.as_str());
        let class = match (chosen, failed) {
            (true, true) => "chosen failed",
            (true, false) => "chosen",
            (false, true) => "failed",
            (false, false) => "",
        };
        // Two spans may have one id, two rows may not have one key.
        let key = if node.oddities.contains(&Oddity::DuplicateId) {
            format!("{id}-{}", node.span)
        } else {
            id.clone()
        };
        markup.open(
            "tr",
            &[
                ("class", &class),
                ("data-row", &""),
                ("data-key", &key),
                ("data-depth", &node.depth),
            ],
        );

        markup
            .open("th", &[("scope", &"row")])
            .open("div", &[("class", &"tree")]);
        indent(markup, node.depth);
        self.twist(markup, node, &id, open, folding);
        markup.element(
            "i",
            &[("class", &format_args!("swatch {}", colour(&of.service)))],
            &"",
        );
        let link = self.request.with("span", &id);
        markup.open("a", &[("href", &link), ("data-open", &"")]);
        if chosen {
            // Told to those who do not see the row's ground.
            markup.element("span", &[("class", &"quiet")], &"chosen: ");
        }
        markup
            .element("span", &[("class", &"of-service")], &of.service)
            .text(&" ");
        markup.text(&if of.span.name.is_empty() {
            "(no name)"
        } else {
            of.span.name.as_str()
        });
        markup.close("a");
        if failed {
            markup
                .text(&" ")
                .element("span", &[("class", &"badge error")], &"error");
        } else if !open && node.failed > 0 {
            markup.text(&" ").element(
                "span",
                &[("class", &"badge error")],
                &plural(node.failed, "error"),
            );
        }
        if let Some(kind) = of.kind() {
            markup
                .text(&" ")
                .element("span", &[("class", &"kind muted")], &kind);
        }
        for oddity in &node.oddities {
            let (word, why) = oddity.explain();
            markup
                .text(&" ")
                .element("span", &[("class", &"badge warn"), ("title", &why)], &word);
        }
        markup.close("div").close("th");

        markup.element("td", &[("class", &"number")], &duration(node.duration()));
        markup.element(
            "td",
            &[("class", &"number self muted")],
            &duration(node.self_time),
        );
        markup.open("td", &[("class", &"time-line")]);
        self.bar(markup, node, of, beside, failed);
        markup.close("td").close("tr");
    }

    /// What opens and closes the children: a link, which the script does at once.
    fn twist(&self, markup: &mut Markup, node: &Node, id: &str, open: bool, folding: &Folding) {
        if node.children.is_empty() {
            markup.element("span", &[("class", &"twist")], &"");
            return;
        }
        let address = folding.turned(self.request, id, open);
        let below = plural(node.descendants, "span");
        let label = if open {
            format!("Fold {below}")
        } else {
            format!("Unfold {below}")
        };
        markup.open(
            "a",
            &[
                ("class", &"twist"),
                ("href", &address),
                ("aria-label", &label),
                ("aria-expanded", &open),
                ("role", &"button"),
                ("data-twist", &""),
            ],
        );
        markup.open(
            "svg",
            &[
                ("width", &"10"),
                ("height", &"10"),
                ("viewBox", &"0 0 10 10"),
                ("aria-hidden", &"true"),
            ],
        );
        markup.leaf("path", &[("d", &"M3 1l4 4-4 4")]).close("svg");
        markup.close("a");
        if !open {
            markup
                .element(
                    "span",
                    &[("class", &"badge")],
                    &format_args!("+{}", count(node.descendants as u64)),
                )
                .text(&" ");
        }
    }
}

pub(in crate::page::trace) fn indent(markup: &mut Markup, depth: usize) {
    if depth == 0 {
        return;
    }
    let levels = depth.min(DEEPEST_INDENT);
    markup.open(
        "svg",
        &[
            ("class", &"indent"),
            ("width", &Px(levels as f64 * INDENT)),
            ("height", &"24"),
            ("aria-hidden", &"true"),
        ],
    );
    for level in 0..levels {
        let x = Px(level as f64 * INDENT + 5.5);
        markup.leaf(
            "line",
            &[("x1", &x), ("x2", &x), ("y1", &"0"), ("y2", &"24")],
        );
    }
    markup.close("svg");
    if depth > DEEPEST_INDENT {
        markup.element("span", &[("class", &"badge"), ("title", &"depth")], &depth);
    }
}
