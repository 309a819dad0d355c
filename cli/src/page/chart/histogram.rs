//! How values are distributed: at one time as bars, over time as a heat map.

use super::{
    Exemplar,
    data::{column, data, nothing},
    scale::Scale,
    time::{FOOT, HEAD, HEIGHT, exemplar_links, figure, grid, labels, x_axis, y, y_axis},
};
use crate::page::{
    format::{count, quantity, rfc3339, unit_name},
    markup::{Markup, Percent, Px},
};

/// How many values were above `lower`, up to and with `upper`. Either may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: u64,
}

impl Bucket {
    fn name(&self, unit: &str) -> String {
        match (self.lower.is_finite(), self.upper.is_finite()) {
            (true, true) => format!(
                "{} to {}",
                quantity(self.lower, unit),
                quantity(self.upper, unit)
            ),
            (true, false) => format!("over {}", quantity(self.lower, unit)),
            (false, true) => format!("up to {}", quantity(self.upper, unit)),
            (false, false) => "all".to_owned(),
        }
    }
}

/// The value that this share of all values does not exceed, as Prometheus' `histogram_quantile`
/// tells it: evenly spread within a bucket; the last bound where the bucket has no end.
pub(crate) fn quantile(buckets: &[Bucket], share: f64) -> Option<f64> {
    let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    if total == 0 {
        return None;
    }
    let rank = share.clamp(0.0, 1.0) * total as f64;
    let mut below = 0_u64;
    for bucket in buckets.iter().filter(|bucket| bucket.count > 0) {
        let up_to = below + bucket.count;
        if up_to as f64 >= rank {
            // The first bucket of durations and sizes begins at zero.
            let lower = if bucket.lower.is_finite() {
                bucket.lower
            } else {
                bucket.upper.min(0.0)
            };
            if !bucket.upper.is_finite() {
                return lower.is_finite().then_some(lower);
            }
            let within = ((rank - below as f64) / bucket.count as f64).clamp(0.0, 1.0);
            return Some(lower + (bucket.upper - lower) * within);
        }
        below = up_to;
    }
    None
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) title: String,
    pub(crate) unit: String,
    /// Rising.
    pub(crate) buckets: Vec<Bucket>,
}

impl Histogram {
    /// The buckets at equal widths, without the empty ones at the ends.
    pub(crate) fn render(&self) -> Markup {
        let first = self.buckets.iter().position(|bucket| bucket.count > 0);
        let last = self.buckets.iter().rposition(|bucket| bucket.count > 0);
        let mut markup = Markup::new();
        figure(&mut markup, &self.title, &unit_name(&self.unit));
        let (Some(first), Some(last)) = (first, last) else {
            nothing(&mut markup);
            markup.close("figure");
            return markup;
        };
        let buckets = &self.buckets[first..=last];
        let scale = Scale::of(
            buckets.iter().map(|bucket| bucket.count as f64),
            "{value}",
            4,
        );
        let label = self.summary(buckets);
        markup.open("div", &[("class", &"plot")]);
        y_axis(&mut markup, &scale);
        markup.open(
            "svg",
            &[
                ("class", &"area-of-plot"),
                ("width", &"100%"),
                ("height", &Px(HEAD + HEIGHT + FOOT)),
                ("role", &"img"),
                ("aria-label", &label),
            ],
        );
        grid(&mut markup, &scale);
        let width = 100.0 / buckets.len() as f64;
        // Names at as many bounds as there is room for on a telephone.
        let every = buckets.len().div_ceil(6);
        for (index, bucket) in buckets.iter().enumerate() {
            let x = index as f64 * width;
            if bucket.count > 0 {
                let top = y(&scale, bucket.count as f64);
                let height = (HEAD + HEIGHT - top).max(1.0);
                markup.leaf(
                    "rect",
                    &[
                        ("class", &"bar c0"),
                        ("x", &Percent(x + width * 0.04)),
                        ("width", &Percent(width * 0.92)),
                        ("y", &Px(top)),
                        ("height", &Px(height)),
                    ],
                );
            }
            if index > 0 && index.is_multiple_of(every) {
                let text = quantity(bucket.lower, &self.unit);
                markup.leaf(
                    "line",
                    &[
                        ("class", &"tick"),
                        ("x1", &Percent(x)),
                        ("x2", &Percent(x)),
                        ("y1", &Px(HEAD + HEIGHT)),
                        ("y2", &Px(HEAD + HEIGHT + 4.0)),
                    ],
                );
                markup.element(
                    "text",
                    &[
                        ("x", &Percent(x)),
                        ("y", &Px(HEAD + HEIGHT + 16.0)),
                        ("text-anchor", &"middle"),
                    ],
                    &text,
                );
            }
        }
        markup.close("svg").close("div");

        let head = |markup: &mut Markup| {
            column(markup, "", "Value");
            column(markup, "number", "Count");
        };
        data(&mut markup, &self.title, head, |markup| {
            for (index, bucket) in buckets.iter().enumerate() {
                markup.open("tr", &[("data-x", &Px((index as f64 + 0.5) * width))]);
                markup.element("th", &[("scope", &"row")], &bucket.name(&self.unit));
                markup
                    .element("td", &[("class", &"number")], &count(bucket.count))
                    .close("tr");
            }
        });
        markup.close("figure");
        markup
    }

    fn summary(&self, buckets: &[Bucket]) -> String {
        let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
        let mut text = format!("{}: {} values", self.title, count(total));
        for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            if let Some(value) = quantile(buckets, share) {
                text.push_str(&format!("; {name} {}", quantity(value, &self.unit)));
            }
        }
        text
    }
}

/// A distribution at each moment: the darker, the more values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeatMap {
    pub(crate) title: String,
    pub(crate) unit: String,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The end of each bucket but the last, which has none; rising.
    pub(crate) bounds: Vec<f64>,
    /// When each interval begins, and its counts: one more than there are bounds.
    pub(crate) columns: Vec<(u64, Vec<u64>)>,
    pub(crate) exemplars: Vec<Exemplar>,
}

impl HeatMap {
    pub(crate) fn render(&self) -> Markup {
        let mut markup = Markup::new();
        figure(&mut markup, &self.title, &unit_name(&self.unit));
        let has = |row: usize| {
            self.columns
                .iter()
                .any(|(_, counts)| counts.get(row).is_some_and(|count| *count > 0))
        };
        let rows = 0..=self.bounds.len();
        let (Some(first), Some(last)) = (
            rows.clone().find(|row| has(*row)),
            rows.rev().find(|row| has(*row)),
        ) else {
            nothing(&mut markup);
            markup.close("figure");
            return markup;
        };
        let rows = last - first + 1;
        let height = HEIGHT / rows as f64;
        let length = self.end.saturating_sub(self.start).max(1) as f64;
        let x =
            |time: u64| (time.saturating_sub(self.start) as f64 / length).clamp(0.0, 1.0) * 100.0;

        markup.open("div", &[("class", &"plot")]);
        let every = rows.div_ceil(7);
        let ticks: Vec<_> = (0..=rows)
            .step_by(every)
            .filter_map(|row| {
                // The line between two buckets is the end of the lower one.
                let bound = self.bounds.get((first + row).checked_sub(1)?)?;
                let at = HEAD + HEIGHT - row as f64 * height;
                Some((at, quantity(*bound, &self.unit)))
            })
            .collect();
        let ticks = ticks.iter().map(|(at, label)| (*at, label.as_str()));
        labels(&mut markup, ticks);
        markup.open(
            "svg",
            &[
                ("class", &"area-of-plot"),
                ("width", &"100%"),
                ("height", &Px(HEAD + HEIGHT + FOOT)),
            ],
        );
        let total: u64 = self.columns.iter().flat_map(|(_, counts)| counts).sum();
        let label = format!("{}: {} values", self.title, count(total));
        markup.open("g", &[("role", &"img"), ("aria-label", &label)]);
        x_axis(&mut markup, self.start, self.end);
        let most = self
            .columns
            .iter()
            .flat_map(|(_, counts)| counts)
            .copied()
            .max()
            .unwrap_or(1)
            .max(1);
        let nearest = self
            .columns
            .windows(2)
            .map(|pair| pair[1].0.saturating_sub(pair[0].0))
            .min();
        let width = nearest.map_or(4.0, |interval| interval as f64 / length * 100.0);
        for (time, counts) in &self.columns {
            for (row, values) in counts.iter().enumerate().take(last + 1).skip(first) {
                if *values == 0 {
                    continue;
                }
                // By the root, so that the few beside the many are seen.
                let share = (*values as f64 / most as f64).sqrt().max(0.08);
                markup.leaf(
                    "rect",
                    &[
                        ("class", &"bar c0"),
                        ("x", &Percent(x(*time))),
                        ("width", &Percent(width.min(100.0 - x(*time)))),
                        ("y", &Px(HEAD + HEIGHT - (row - first + 1) as f64 * height)),
                        ("height", &Px(height)),
                        ("opacity", &Px(share)),
                    ],
                );
            }
        }
        markup.close("g");
        exemplar_links(&mut markup, &self.exemplars, &self.unit, |exemplar| {
            let row = self
                .bounds
                .partition_point(|bound| *bound < exemplar.value)
                .clamp(first, last);
            (
                x(exemplar.time),
                HEAD + HEIGHT - (row as f64 - first as f64 + 0.5) * height,
            )
        });
        markup.close("svg").close("div");

        let bucket = |row: usize| Bucket {
            lower: row
                .checked_sub(1)
                .map_or(f64::NEG_INFINITY, |below| self.bounds[below]),
            upper: self.bounds.get(row).copied().unwrap_or(f64::INFINITY),
            count: 0,
        };
        let head = |markup: &mut Markup| {
            column(markup, "", "Time");
            for row in first..=last {
                column(markup, "number", &bucket(row).name(&self.unit));
            }
        };
        data(&mut markup, &self.title, head, |markup| {
            for (time, counts) in &self.columns {
                markup
                    .open("tr", &[("data-x", &Px(x(*time)))])
                    .open("th", &[("scope", &"row")]);
                match rfc3339(*time) {
                    Some(_) => markup.markup(&crate::page::format::time(*time)),
                    None => markup.text(&"–"),
                };
                markup.close("th");
                for row in first..=last {
                    let values = counts.get(row).copied().unwrap_or(0);
                    markup.element("td", &[("class", &"number")], &count(values));
                }
                markup.close("tr");
            }
        });
        markup.close("figure");
        markup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: [u64; 4]) -> Vec<Bucket> {
        let bounds = [f64::NEG_INFINITY, 0.1, 0.2, 0.4, f64::INFINITY];
        let pairs = bounds.windows(2).zip(counts);
        pairs
            .map(|(pair, count)| Bucket {
                lower: pair[0],
                upper: pair[1],
                count,
            })
            .collect()
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let close = |value: Option<f64>, expected: f64| {
            assert!(
                (value.unwrap() - expected).abs() < 1e-9,
                "{value:?} {expected}"
            );
        };
        close(quantile(&buckets([10, 0, 10, 0]), 0.5), 0.1);
        close(quantile(&buckets([10, 0, 10, 0]), 0.75), 0.3);
        close(quantile(&buckets([10, 0, 10, 0]), 0.25), 0.05);
        close(quantile(&buckets([0, 0, 0, 5]), 0.99), 0.4);
        assert_eq!(quantile(&buckets([0; 4]), 0.5), None);
    }

    #[test]
    fn a_histogram_leaves_out_the_empty_ends() {
        let histogram = Histogram {
            title: "<b>".to_owned(),
            unit: "s".to_owned(),
            buckets: buckets([0, 3, 4, 0]),
        };
        let html = histogram.render().to_string();
        assert_eq!(html.matches("<rect").count(), 2, "{html}");
        assert!(
            html.contains("<th scope=\"row\">100 ms to 200 ms</th><td class=\"number\">3</td>")
        );
        assert!(html.contains("&lt;b&gt;: 7 values; p50 225 ms"), "{html}");
        assert!(!html.contains("<b>"));
    }

    #[test]
    fn a_heat_map_has_a_cell_where_there_are_values() {
        let map = HeatMap {
            title: "durations".to_owned(),
            unit: "s".to_owned(),
            start: 1_700_000_000_000_000_000,
            end: 1_700_000_100_000_000_000,
            bounds: vec![0.1, 0.2, 0.4],
            columns: vec![
                (1_700_000_000_000_000_000, vec![0, 4, 0, 0]),
                // One that is not whole.
                (1_700_000_050_000_000_000, vec![0, 0, 1]),
            ],
            exemplars: vec![Exemplar {
                time: 1,
                value: 99.0,
                href: "/traces/a".to_owned(),
            }],
        };
        let html = map.render().to_string();
        assert_eq!(html.matches("<rect").count(), 2, "{html}");
        assert!(
            html.contains("y=\"83\" height=\"75\" opacity=\"1\""),
            "{html}"
        );
        assert!(
            html.contains("y=\"8\" height=\"75\" opacity=\"0.5\""),
            "{html}"
        );
        assert!(html.contains("href=\"/traces/a\""), "{html}");
    }
}
