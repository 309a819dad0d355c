//! All that is known of one span.

use super::{TraceSpan, Tree, hex, text};
use crate::page::{
    chart::colour,
    format::{count, duration, time},
    markup::Markup,
    query::href,
    value::{attributes, link},
};

/// The panel beside the waterfall. `node` is of the tree's nodes.
pub(crate) fn detail(spans: &[TraceSpan], tree: &Tree, node: usize, trace_id: &str) -> Markup {
    let node = &tree.nodes[node];
    let of = &spans[node.span];
    let span = &of.span;
    let id = of.id();
    let mut markup = Markup::new();
    markup.open(
        "aside",
        &[
            ("class", &"panel detail"),
            ("id", &"span"),
            ("aria-labelledby", &"span-name"),
        ],
    );
    markup.open("header", &[]);
    markup.open("h2", &[("id", &"span-name")]).element(
        "i",
        &[("class", &format_args!("swatch {}", colour(&of.service)))],
        &"",
    );
    markup
        .element("span", &[("class", &"of-service")], &of.service)
        .text(&" ")
        .text(&span.name)
        .close("h2");
    markup.close("header").open("div", &[("class", &"body")]);

    if of.failed() {
        let message = span
            .status
            .as_ref()
            .map_or("", |status| status.message.as_str());
        let message = if message.is_empty() {
            "The span's status is an error."
        } else {
            message
        };
        markup.element("p", &[("class", &"alert error")], &message);
    }
    for oddity in &node.oddities {
        markup.element("p", &[("class", &"alert warn")], &oddity.explain().1);
    }

    markup.open("dl", &[("class", &"facts")]);
    fact(&mut markup, "duration", |markup| {
        markup.text(&duration(node.duration()));
        markup.element(
            "span",
            &[("class", &"muted")],
            &format_args!(", itself {}", duration(node.self_time)),
        );
    });
    fact(&mut markup, "starts", |markup| {
        let after = duration(node.start.saturating_sub(tree.start));
        markup.markup(&time(node.start)).element(
            "span",
            &[("class", &"muted")],
            &format_args!(" +{after}"),
        );
    });
    if let Some(kind) = of.kind() {
        fact(&mut markup, "kind", |markup| {
            markup.text(&kind);
        });
    }
    fact(&mut markup, "span id", |markup| copied(markup, &id, &id));
    if !span.parent_span_id.is_empty() {
        let parent = hex(&span.parent_span_id);
        fact(&mut markup, "parent", |markup| {
            let address = href(&["traces", trace_id], &[("span", &parent)]);
            markup.element("a", &[("href", &address), ("class", &"mono")], &parent);
        });
    }
    if !span.trace_state.is_empty() {
        fact(&mut markup, "trace state", |markup| {
            markup.text(&span.trace_state);
        });
    }
    markup.close("dl");

    markup.open("p", &[("class", &"chips")]);
    chip(
        &mut markup,
        &href(&["logs"], &[("trace", trace_id), ("since", "all")]),
        "logs of this trace",
    );
    for (key, words) in [
        ("user.id", "same user"),
        ("request.id", "same request"),
        ("client.address", "same address"),
        ("session.id", "same session"),
    ] {
        let found = span
            .attributes
            .iter()
            .find(|attribute| attribute.key == key);
        if let Some(address) = found.and_then(|found| link("traces", key, found.value.as_ref())) {
            chip(&mut markup, &address, words);
        }
    }
    if let Some(route) = text(&span.attributes, "http.route") {
        chip(
            &mut markup,
            &href(
                &["traces"],
                &[("service", &of.service), ("route", route), ("since", "all")],
            ),
            "same route",
        );
    }
    chip(
        &mut markup,
        &href(&["traces"], &[("service", &of.service), ("since", "all")]),
        "same service",
    );
    markup.close("p");

    markup
        .element("h3", &[], &"Attributes")
        .markup(&attributes(&span.attributes));
    dropped(&mut markup, span.dropped_attributes_count, "attributes");

    if !span.events.is_empty() {
        markup.element(
            "h3",
            &[],
            &format_args!("Events, {}", count(span.events.len() as u64)),
        );
        for event in span.events.iter().take(100) {
            markup
                .open("details", &[("class", &"event")])
                .open("summary", &[]);
            let after = duration(event.time_unix_nano.saturating_sub(node.start));
            markup
                .element("span", &[("class", &"muted")], &format_args!("+{after} "))
                .text(&event.name);
            markup
                .close("summary")
                .markup(&attributes(&event.attributes))
                .close("details");
        }
        dropped(&mut markup, span.dropped_events_count, "events");
    }
    if !span.links.is_empty() {
        markup.element(
            "h3",
            &[],
            &format_args!("Links, {}", count(span.links.len() as u64)),
        );
        for linked in span.links.iter().take(100) {
            let (trace, span) = (hex(&linked.trace_id), hex(&linked.span_id));
            markup.open("div", &[]);
            let address = href(&["traces", &trace], &[("span", &span)]);
            markup.element(
                "a",
                &[("href", &address), ("class", &"mono")],
                &format_args!("{trace} {span}"),
            );
            if !linked.attributes.is_empty() {
                markup.markup(&attributes(&linked.attributes));
            }
            markup.close("div");
        }
        dropped(&mut markup, span.dropped_links_count, "links");
    }
    markup
        .open("details", &[])
        .open("summary", &[])
        .element("h3", &[], &"Resource")
        .close("summary");
    markup
        .markup(&attributes(&of.resource.attributes))
        .close("details");
    markup
        .open("details", &[])
        .open("summary", &[])
        .element("h3", &[], &"Scope")
        .close("summary");
    markup
        .open("p", &[])
        .text(&of.scope.name)
        .text(&" ")
        .text(&of.scope.version)
        .close("p");
    if !of.scope.attributes.is_empty() {
        markup.markup(&attributes(&of.scope.attributes));
    }
    markup.close("details").close("div").close("aside");
    markup
}

/// An id with a button that copies it.
pub(crate) fn copied(markup: &mut Markup, shown: &str, whole: &str) {
    markup.element("code", &[], &shown).text(&" ");
    let label = format!("Copy {shown}");
    markup.element(
        "button",
        &[
            ("type", &"button"),
            ("class", &"copy js"),
            ("data-copy", &whole),
            ("aria-label", &label),
        ],
        &"",
    );
}

fn fact(markup: &mut Markup, name: &str, value: impl FnOnce(&mut Markup)) {
    markup
        .open("div", &[])
        .element("dt", &[], &name)
        .open("dd", &[]);
    value(markup);
    markup.close("dd").close("div");
}

fn chip(markup: &mut Markup, address: &str, words: &str) {
    markup
        .element("a", &[("class", &"chip"), ("href", &address)], &words)
        .text(&" ");
}

fn dropped(markup: &mut Markup, number: u32, what: &str) {
    if number > 0 {
        let words = format!(
            "{} more {what} were dropped by the service",
            count(u64::from(number))
        );
        markup.element("p", &[("class", &"muted")], &words);
    }
}
