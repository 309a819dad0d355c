//! Whose colour is whose, and who the trace waited for.

use std::collections::BTreeMap;

use super::Waterfall;
use crate::page::{
    chart::colour,
    format::{plural, share},
    markup::Markup,
    trace::critical::Segment,
};

impl Waterfall<'_> {
    /// The services, and how much of the critical path each of them is.
    pub(super) fn legend(&self, markup: &mut Markup, critical: &[Segment]) {
        let mut services: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for span in self.spans {
            services.entry(&span.service).or_default().0 += 1;
        }
        let mut whole = 0;
        for segment in critical {
            let length = segment.end - segment.start;
            let service = self.spans[self.tree.nodes[segment.node].span]
                .service
                .as_str();
            services.entry(service).or_default().1 += length;
            whole += length;
        }
        markup.open("ul", &[("class", &"legend services")]);
        for (service, (spans, critical)) in services {
            markup.open("li", &[]);
            markup.element(
                "i",
                &[("class", &format_args!("swatch {}", colour(service)))],
                &"",
            );
            markup.element("b", &[], &service).text(&" ");
            let spans = plural(spans, "span");
            let part = if critical > 0 {
                format!(
                    "{spans}, {} of the critical path",
                    share(critical as f64 / whole as f64)
                )
            } else {
                spans
            };
            markup
                .element("span", &[("class", &"muted")], &part)
                .close("li");
        }
        markup
            .open("li", &[])
            .element("i", &[("class", &"swatch critical")], &"");
        markup
            .element(
                "span",
                &[
                    ("class", &"muted"),
                    (
                        "title",
                        &"Going back from the end: the time in which nothing else was waited for",
                    ),
                ],
                &"critical path",
            )
            .close("li");
        markup.close("ul");
    }
}
