//! Series of values over time: lines, stacked areas or bars.

use std::collections::BTreeSet;

use super::{
    Exemplar,
    data::{column, data, nothing},
    scale::{Scale, TimeTick, time_ticks},
    sparkline::{path, runs},
};
use crate::page::{
    format::{quantity, rfc3339, unit_name},
    markup::{Markup, Percent, Px},
};

/// Of the plot without its axis, in pixels.
pub(super) const HEIGHT: f64 = 150.0;
/// The room for what stands at the axis of time.
pub(super) const FOOT: f64 = 20.0;
/// And for half a line of text above the highest tick.
pub(super) const HEAD: f64 = 8.0;
pub(super) const AXIS: f64 = 64.0;
/// Width of the nested drawing that is stretched, in units of its own.
const STRETCHED: f64 = 1000.0;
/// A table with more rows is no help.
const MOST_ROWS: usize = 360;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lines,
    /// Areas on top of one another: parts of a whole.
    Stacked,
    /// Counts in intervals, on top of one another.
    Bars,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// `c0` to `c9`, or `error`, `warn`, `ok`. See [`super::series_class`].
    pub(crate) class: String,
    /// Nanoseconds since 1970, rising, and values; one that is not a number is a gap.
    pub(crate) points: Vec<(u64, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeChart {
    pub(crate) title: String,
    /// UCUM: `s`, `By`, `1`, `{request}/s`.
    pub(crate) unit: String,
    pub(crate) kind: Kind,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) series: Vec<Series>,
    pub(crate) exemplars: Vec<Exemplar>,
}

impl TimeChart {
    pub(crate) fn render(&self) -> Markup {
        let rows = self.rows();
        let mut markup = Markup::new();
        figure(&mut markup, &self.title, &unit_name(&self.unit));
        if rows.is_empty() {
            // Axes of nothing would have numbers that mean nothing.
            nothing(&mut markup);
            markup.close("figure");
            return markup;
        }
        let stacks = self.stacks(&rows);
        let values = stacks
            .iter()
            .flatten()
            .flat_map(|(low, high)| [*low, *high]);
        let exemplars = self.exemplars.iter().map(|exemplar| exemplar.value);
        let scale = Scale::of(values.chain(exemplars), &self.unit, 4);

        self.legend(&mut markup);
        markup.open("div", &[("class", &"plot")]);
        y_axis(&mut markup, &scale);
        markup.open(
            "svg",
            &[
                ("class", &"area-of-plot"),
                ("width", &"100%"),
                ("height", &Px(HEAD + HEIGHT + FOOT)),
            ],
        );
        markup.open(
            "g",
            &[("role", &"img"), ("aria-label", &self.summary(&rows))],
        );
        grid(&mut markup, &scale);
        x_axis(&mut markup, self.start, self.end);
        match self.kind {
            Kind::Bars => self.bars(&mut markup, &rows, &stacks, &scale),
            Kind::Lines | Kind::Stacked => self.lines(&mut markup, &rows, &stacks, &scale),
        }
        markup.close("g");
        exemplar_links(&mut markup, &self.exemplars, &self.unit, |exemplar| {
            (self.x(exemplar.time) * 100.0, y(&scale, exemplar.value))
        });
        markup.close("svg").close("div");
        self.table(&mut markup, &rows);
        markup.close("figure");
        markup
    }

    /// The moments of all series within the range.
    fn rows(&self) -> Vec<u64> {
        let times = self
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| point.0));
        let times: BTreeSet<_> = times
            .filter(|time| (self.start..=self.end).contains(time))
            .collect();
        times.into_iter().collect()
    }

    /// For each series, where its value lies at each moment: from and to. On top of those
    /// before it, or from zero.
    fn stacks(&self, rows: &[u64]) -> Vec<Vec<(f64, f64)>> {
        let mut base = vec![0.0; rows.len()];
        let stacked = self.kind != Kind::Lines;
        let of_series = self.series.iter().map(|series| {
            let values = aligned(series, rows);
            values
                .into_iter()
                .zip(&mut base)
                .map(|(value, base)| {
                    let from = if stacked { *base } else { 0.0 };
                    if stacked && value.is_finite() {
                        *base += value;
                    }
                    (from, from + value)
                })
                .collect()
        });
        of_series.collect()
    }

    fn x(&self, time: u64) -> f64 {
        let length = self.end.saturating_sub(self.start).max(1) as f64;
        (time.saturating_sub(self.start) as f64 / length).clamp(0.0, 1.0)
    }

    fn lines(&self, markup: &mut Markup, rows: &[u64], stacks: &[Vec<(f64, f64)>], scale: &Scale) {
        markup.open(
            "svg",
            &[
                ("width", &"100%"),
                ("y", &Px(HEAD)),
                ("height", &Px(HEIGHT)),
                ("viewBox", &format_args!("0 0 {STRETCHED} {HEIGHT}")),
                ("preserveAspectRatio", &"none"),
            ],
        );
        for (series, stack) in self.series.iter().zip(stacks) {
            let tops: Vec<_> = stack.iter().map(|(_, top)| *top).collect();
            let point = |index: usize, value: f64| {
                (
                    self.x(rows[index]) * STRETCHED,
                    (1.0 - scale.share(value)) * HEIGHT,
                )
            };
            let (mut line, mut area) = (String::new(), String::new());
            // A series that reports more rarely than another has no gap between its points.
            let present: Vec<_> = self.present(series, rows);
            for run in runs(&present.iter().map(|index| tops[*index]).collect::<Vec<_>>()) {
                let indices = &present[run];
                let upper: Vec<_> = indices
                    .iter()
                    .map(|index| point(*index, tops[*index]))
                    .collect();
                line.push_str(&path(&upper));
                if self.kind == Kind::Stacked {
                    let lower = indices
                        .iter()
                        .rev()
                        .map(|index| point(*index, stack[*index].0));
                    let outline: Vec<_> = upper.iter().copied().chain(lower).collect();
                    area.push_str(&path(&outline));
                    area.push('Z');
                }
            }
            let class = |part: &str| format!("{part} {}", series.class);
            if !area.is_empty() {
                markup.leaf("path", &[("class", &class("area")), ("d", &area)]);
            }
            markup.leaf("path", &[("class", &class("line")), ("d", &line)]);
        }
        markup.close("svg");
    }

    /// Which of the rows a series has a point at, be it a gap.
    fn present(&self, series: &Series, rows: &[u64]) -> Vec<usize> {
        let own: BTreeSet<_> = series.points.iter().map(|point| point.0).collect();
        (0..rows.len())
            .filter(|index| own.contains(&rows[*index]))
            .collect()
    }

    fn bars(&self, markup: &mut Markup, rows: &[u64], stacks: &[Vec<(f64, f64)>], scale: &Scale) {
        let nearest = rows.windows(2).map(|pair| pair[1] - pair[0]).min();
        let length = self.end.saturating_sub(self.start).max(1);
        // A bar begins at its moment, and is as long as its interval.
        let interval = nearest.unwrap_or(length / 30) as f64 / length as f64;
        for (series, stack) in self.series.iter().zip(stacks) {
            let class = format!("bar {}", series.class);
            for (time, (from, to)) in rows.iter().zip(stack) {
                if !to.is_finite() || from == to {
                    continue;
                }
                let (top, bottom) = (y(scale, from.max(*to)), y(scale, from.min(*to)));
                let x = self.x(*time);
                let width = (interval * 0.86).min(1.0 - x);
                markup.leaf(
                    "rect",
                    &[
                        ("class", &class),
                        ("x", &Percent(x * 100.0)),
                        ("y", &Px(top)),
                        ("width", &Percent(width * 100.0)),
                        // What is there is seen, however little it is.
                        ("height", &Px((bottom - top).max(1.0))),
                    ],
                );
            }
        }
    }

    fn legend(&self, markup: &mut Markup) {
        if self.series.len() < 2 {
            return;
        }
        markup.open("ul", &[("class", &"legend")]);
        for series in &self.series {
            markup.open("li", &[]);
            markup.element(
                "i",
                &[("class", &format_args!("swatch {}", series.class))],
                &"",
            );
            markup.text(&series.name).close("li");
        }
        markup.close("ul");
    }

    /// What a reader would say of the chart.
    fn summary(&self, rows: &[u64]) -> String {
        let mut parts = vec![self.title.clone()];
        for series in self.series.iter().take(8) {
            let values: Vec<_> = aligned(series, rows)
                .into_iter()
                .filter(|value| value.is_finite())
                .collect();
            parts.push(match values.last() {
                Some(last) => {
                    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let (last, high) = (quantity(*last, &self.unit), quantity(high, &self.unit));
                    format!("{}: last {last}, at most {high}", series.name)
                }
                None => format!("{}: no values", series.name),
            });
        }
        parts.join("; ")
    }

    fn table(&self, markup: &mut Markup, rows: &[u64]) {
        let columns: Vec<_> = self
            .series
            .iter()
            .map(|series| aligned(series, rows))
            .collect();
        let head = |markup: &mut Markup| {
            column(markup, "", "Time");
            for series in &self.series {
                column(markup, &format!("number {}", series.class), &series.name);
            }
        };
        data(markup, &self.title, head, |markup| {
            let skipped = rows.len().saturating_sub(MOST_ROWS);
            for (index, time) in rows.iter().enumerate().skip(skipped) {
                markup
                    .open("tr", &[("data-x", &Px(self.x(*time) * 100.0))])
                    .open("th", &[("scope", &"row")])
                    .markup(&crate::page::format::time(*time))
                    .close("th");
                for column in &columns {
                    markup.element(
                        "td",
                        &[("class", &"number")],
                        &quantity(column[index], &self.unit),
                    );
                }
                markup.close("tr");
            }
        });
    }
}

/// The values of a series at these moments, none where it has none.
fn aligned(series: &Series, rows: &[u64]) -> Vec<f64> {
    let mut points = series.points.iter().peekable();
    rows.iter()
        .map(|time| {
            while points.next_if(|point| point.0 < *time).is_some() {}
            match points.peek() {
                Some(point) if point.0 == *time => point.1,
                _ => f64::NAN,
            }
        })
        .collect()
}

pub(super) fn figure(markup: &mut Markup, title: &str, unit: &str) {
    markup
        .open("figure", &[("class", &"chart")])
        .open("figcaption", &[])
        .text(&title);
    if !unit.is_empty() {
        markup
            .text(&" ")
            .element("span", &[("class", &"muted")], &unit);
    }
    markup.close("figcaption");
}

pub(super) fn y(scale: &Scale, value: f64) -> f64 {
    HEAD + (1.0 - scale.share(value)) * HEIGHT
}

pub(super) fn y_axis(markup: &mut Markup, scale: &Scale) {
    let ticks = scale.ticks.iter();
    labels(
        markup,
        ticks.map(|(value, label)| (y(scale, *value), label.as_str())),
    );
}

/// What stands at the vertical axis: the height in pixels, and the text.
pub(super) fn labels<'a>(markup: &mut Markup, ticks: impl Iterator<Item = (f64, &'a str)>) {
    markup.open(
        "svg",
        &[
            ("class", &"y-axis"),
            ("width", &Px(AXIS)),
            ("height", &Px(HEAD + HEIGHT + FOOT)),
            ("aria-hidden", &"true"),
        ],
    );
    for (at, label) in ticks {
        markup.element(
            "text",
            &[
                ("x", &Px(AXIS - 6.0)),
                ("y", &Px(at + 4.0)),
                ("text-anchor", &"end"),
            ],
            &label,
        );
    }
    markup.close("svg");
}

pub(super) fn grid(markup: &mut Markup, scale: &Scale) {
    for (value, _) in &scale.ticks {
        let class = if *value == 0.0 { "grid zero" } else { "grid" };
        let at = Px(y(scale, *value));
        markup.leaf(
            "line",
            &[
                ("class", &class),
                ("x1", &"0"),
                ("x2", &"100%"),
                ("y1", &at),
                ("y2", &at),
            ],
        );
    }
}

pub(super) fn x_axis(markup: &mut Markup, start: u64, end: u64) {
    let length = end.saturating_sub(start).max(1) as f64;
    // A script shows the times by the reader's own clock, and takes this away.
    markup.element(
        "text",
        &[
            ("class", &"zone"),
            ("x", &Px(-6.0)),
            ("y", &Px(HEAD + HEIGHT + 16.0)),
            ("text-anchor", &"end"),
        ],
        &"UTC",
    );
    for TimeTick { time, form } in time_ticks(start, end, 5) {
        let share = (time - start) as f64 / length;
        let Some(text) = rfc3339(time) else { continue };
        // Text at an edge would be cut by it.
        let anchor = match share {
            ..0.04 => "start",
            0.96.. => "end",
            _ => "middle",
        };
        let shown = match form {
            "day" => &text[5..10],
            "minute" => &text[11..16],
            _ => &text[11..19],
        };
        let x = Percent(share * 100.0);
        markup.leaf(
            "line",
            &[
                ("class", &"tick"),
                ("x1", &x),
                ("x2", &x),
                ("y1", &Px(HEAD + HEIGHT)),
                ("y2", &Px(HEAD + HEIGHT + 4.0)),
            ],
        );
        markup.element(
            "text",
            &[
                ("x", &x),
                ("y", &Px(HEAD + HEIGHT + 16.0)),
                ("text-anchor", &anchor),
                ("data-time", &text),
                ("data-form", &form),
            ],
            &shown,
        );
    }
}

/// Dots that lead to traces. Beside the drawing and not in it: what is an image has no links.
pub(super) fn exemplar_links(
    markup: &mut Markup,
    exemplars: &[Exemplar],
    unit: &str,
    at: impl Fn(&Exemplar) -> (f64, f64),
) {
    for exemplar in exemplars
        .iter()
        .filter(|exemplar| exemplar.value.is_finite())
    {
        let (x, y) = at(exemplar);
        let label = format!("Trace of {}", quantity(exemplar.value, unit));
        markup.open(
            "a",
            &[
                ("href", &exemplar.href),
                ("aria-label", &label),
                ("class", &"exemplar"),
            ],
        );
        markup.leaf(
            "circle",
            &[
                ("class", &"reach"),
                ("cx", &Percent(x)),
                ("cy", &Px(y)),
                ("r", &"9"),
            ],
        );
        markup.open(
            "circle",
            &[("cx", &Percent(x)), ("cy", &Px(y)), ("r", &"4")],
        );
        markup
            .element("title", &[], &label)
            .close("circle")
            .close("a");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_700_000_000 * SECOND;

    fn chart(kind: Kind) -> TimeChart {
        let series = |name: &str, class: &str, values: &[(u64, f64)]| Series {
            name: name.to_owned(),
            class: class.to_owned(),
            points: values
                .iter()
                .map(|(at, value)| (START + at * SECOND, *value))
                .collect(),
        };
        TimeChart {
            title: "<b>".to_owned(),
            unit: "s".to_owned(),
            kind,
            start: START,
            end: START + 100 * SECOND,
            series: vec![
                series("\"a\"", "c0", &[(0, 1.0), (50, 3.0), (100, 2.0)]),
                series("<i>", "c1", &[(0, 1.0), (100, 1.0)]),
            ],
            exemplars: vec![Exemplar {
                time: START + 25 * SECOND,
                value: 4.0,
                href: "/traces/\"".to_owned(),
            }],
        }
    }

    #[test]
    fn a_chart_has_its_lines_its_data_and_its_links() {
        let html = chart(Kind::Lines).render().to_string();
        assert!(
            html.contains("class=\"line c0\" d=\"M0 112.5L500 37.5L1000 75\""),
            "{html}"
        );
        assert!(
            html.contains("class=\"line c1\" d=\"M0 112.5L1000 112.5\""),
            "{html}"
        );
        assert!(html.contains("href=\"/traces/&quot;\""), "{html}");
        assert!(html.contains("text-anchor=\"end\">UTC</text>"), "{html}");
        assert!(html.contains("cx=\"25%\" cy=\"8\" r=\"4\""), "{html}");
        assert!(
            html.contains("<td class=\"number\">3 s</td><td class=\"number\">–</td>"),
            "{html}"
        );
        assert!(
            html.contains("&quot;a&quot;: last 2 s, at most 3 s"),
            "{html}"
        );
        assert!(!html.contains("<b>") && !html.contains("<i>"), "{html}");
    }

    #[test]
    fn what_is_stacked_begins_where_the_other_ends() {
        let html = chart(Kind::Bars).render().to_string();
        assert!(
            html.contains("class=\"bar c0\" x=\"0%\" y=\"120.5\" width=\"43%\" height=\"37.5\""),
            "{html}"
        );
        assert!(
            html.contains("class=\"bar c1\" x=\"0%\" y=\"83\" width=\"43%\" height=\"37.5\""),
            "{html}"
        );
        let html = chart(Kind::Stacked).render().to_string();
        assert!(
            html.contains("class=\"line c1\" d=\"M0 75L1000 37.5\""),
            "{html}"
        );
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        let html = TimeChart {
            series: Vec::new(),
            exemplars: Vec::new(),
            ..chart(Kind::Lines)
        };
        let html = html.render().to_string();
        assert!(html.contains("No values in this range."), "{html}");
        assert!(!html.contains("<svg"), "axes of nothing: {html}");
        let nan = TimeChart {
            start: 0,
            end: 0,
            ..chart(Kind::Bars)
        };
        assert!(!nan.render().to_string().contains("NaN"));
    }
}
