//! The waterfall: a row a span, its place in time as a bar, and what was recorded on the way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use throughline_receiver::proto::trace::v1::span::SpanKind;

use super::{
    TraceError, TraceRecord, TraceSpan, Tree,
    critical::Segment,
    hex,
    tree::{Node, Oddity},
};
use crate::page::{
    PageRequest,
    chart::colour,
    format::{count, duration, share},
    markup::{Markup, Percent, Px},
    query::href,
    value::plain,
};

/// Rows that a page has at most without being asked for more.
const ROWS: usize = 600;
/// And when asked for all. More than that no one reads; the JSON download has them.
const MOST_ROWS: usize = 5_000;
/// Records that stand among the spans at most.
const MOST_RECORDS: usize = 300;
/// Deeper levels are not indented further, or there would be no room for names.
const DEEPEST_INDENT: usize = 24;
const INDENT: f64 = 12.0;
const BAR: f64 = 20.0;
/// WARN, by OTLP's numbers.
const WARN: i32 = 13;

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
}

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
            of_span.records.sort_by_key(|record| time_of(record));
            of_span.errors.sort_by_key(|error| error.time);
        }
        beside
    }

    /// For each node whether it has a row, and if so, whether its children do; and how many
    /// spans are left out. Level by level, until the page is full.
    fn shown(&self, folding: &Folding) -> (Vec<Option<bool>>, usize) {
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

    fn notices(
        &self,
        markup: &mut Markup,
        beside: &[Beside<'_>],
        folding: &Folding,
        hidden: usize,
    ) {
        markup.open("ul", &[("class", &"notes")]);
        if hidden > 0 {
            markup.open("li", &[]).text(&format_args!(
                "{} of {} spans are folded.",
                count(hidden as u64),
                count(self.spans.len() as u64)
            ));
            if !folding.all {
                markup.text(&" ").element(
                    "a",
                    &[("href", &self.request.with("open", "all"))],
                    &"Show all",
                );
            }
            markup.close("li");
        }
        let missing = self.odd(|odd| matches!(odd, Oddity::MissingParent(_)));
        if missing > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} whose parent is not here: not sent yet, not sampled, or lost.",
                    plural(missing, "span")
                ),
            );
        }
        let skewed = self.odd(|odd| matches!(odd, Oddity::ClockSkew(_)));
        if skewed > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} before the one that called it: clocks differ.",
                    plural_verb(skewed, "span starts", "spans start")
                ),
            );
        }
        let broken = self.odd(|odd| {
            matches!(
                odd,
                Oddity::Cycle | Oddity::DuplicateId | Oddity::Backwards | Oddity::NoTime
            )
        });
        if broken > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} with ids or times that cannot be; shown as far as they go.",
                    plural(broken, "span")
                ),
            );
        }
        let quiet = beside
            .iter()
            .flat_map(|beside| &beside.records)
            .filter(|record| record.record.severity_number < WARN)
            .count();
        if quiet > 0 {
            let (value, words) = if folding.records {
                ("", "Show only warnings and errors".to_owned())
            } else {
                (
                    "all",
                    format!("Show {} more among the spans", plural(quiet, "record")),
                )
            };
            markup
                .open("li", &[])
                .element(
                    "a",
                    &[("href", &self.request.with("records", value))],
                    &words,
                )
                .close("li");
        }
        markup.close("ul");
    }

    fn odd(&self, is: impl Fn(&Oddity) -> bool) -> usize {
        self.tree
            .nodes
            .iter()
            .filter(|node| node.oddities.iter().any(&is))
            .count()
    }

    /// The services, and how much of the critical path each of them is.
    fn legend(&self, markup: &mut Markup, critical: &[Segment]) {
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

    fn ruler(&self, markup: &mut Markup) {
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

    fn row(
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
        if let Some(kind) = kind_name(of.span.kind()) {
            markup
                .text(&" ")
                .element("span", &[("class", &"kind muted")], &kind);
        }
        for oddity in &node.oddities {
            let (word, why) = explain(oddity);
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
        let mut closed = folding.closed.clone();
        let mut opened = folding.open.clone();
        if open {
            closed.insert(id.to_owned());
            opened.remove(id);
        } else {
            closed.remove(id);
            opened.insert(id.to_owned());
        }
        let join = |ids: BTreeSet<String>| ids.into_iter().collect::<Vec<_>>().join(",");
        let address = self
            .request
            .query
            .with("closed", &join(closed))
            .with("open", &join(opened))
            .at(&self.request.path);
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

    fn bar(
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
                    ("cx", &at(time_of(record))),
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

    /// The errors and records of a span, at their place in time.
    fn records(
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
                time_of(record),
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

fn indent(markup: &mut Markup, depth: usize) {
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

fn time_of(record: &TraceRecord) -> u64 {
    // Zero is unknown, and the observer's time the next best, says OTLP.
    match record.record.time_unix_nano {
        0 => record.record.observed_time_unix_nano,
        time => time,
    }
}

/// The word for a severity and the class of its colour.
pub(crate) fn level(severity: i32) -> (&'static str, &'static str) {
    match severity {
        ..1 => ("log", ""),
        1..5 => ("trace", "trace"),
        5..9 => ("debug", "debug"),
        9..13 => ("info", "info"),
        13..17 => ("warn", "warn"),
        17..21 => ("error", "error"),
        21.. => ("fatal", "fatal"),
    }
}

pub(crate) fn kind_name(kind: SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Unspecified | SpanKind::Internal => None,
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    }
}

/// What is odd, in a word and in a sentence.
pub(super) fn explain(oddity: &Oddity) -> (&'static str, String) {
    match oddity {
        Oddity::MissingParent(id) => (
            "no parent",
            format!("its parent {id} is not here: not sent yet, not sampled, or lost"),
        ),
        Oddity::Cycle => (
            "circle",
            "it is its own ancestor, so it is shown without a parent".to_owned(),
        ),
        Oddity::DuplicateId => (
            "same id",
            "another span of this trace has the same id".to_owned(),
        ),
        Oddity::Backwards => ("ends early", "it ends before it starts".to_owned()),
        Oddity::NoTime => (
            "no time",
            "it has no start; it stands where its parent starts".to_owned(),
        ),
        Oddity::ClockSkew(by) => (
            "clock",
            format!(
                "it starts {} before the span that called it, so the clocks of the two differ",
                duration(*by)
            ),
        ),
    }
}

pub(super) fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number as u64))
}

fn plural_verb(number: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        count(number as u64),
        if number == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests;
