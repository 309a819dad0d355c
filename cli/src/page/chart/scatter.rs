//! How long traces took over time: each a dot that leads to it, in bands that lead to all traces
//! of such a length.

use std::fmt::Display;

use super::time::{FOOT, HEAD, HEIGHT, labels, x_axis};
use crate::page::{
    PageRequest,
    format::{count, duration},
    markup::{Markup, Percent, Px},
    query::href,
};

/// Bands at most: each is ten times as long as the one below.
const BANDS: i32 = 6;

/// One trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dot {
    pub(crate) trace_id: String,
    pub(crate) name: String,
    /// Of the service's colour.
    pub(crate) class: String,
    /// Nanoseconds since 1970, and nanoseconds.
    pub(crate) start: u64,
    pub(crate) duration: u64,
    pub(crate) failed: bool,
}

/// The drawing of these traces between two moments. The bands change `min=` and `max=` of the
/// request's address.
pub(crate) fn scatter(request: &PageRequest, start: u64, end: u64, dots: &[Dot]) -> Markup {
    let mut markup = Markup::new();
    let (Some(shortest), Some(longest)) = (
        dots.iter().map(|dot| dot.duration.max(1)).min(),
        dots.iter().map(|dot| dot.duration.max(1)).max(),
    ) else {
        return markup;
    };
    let top = longest.ilog10().cast_signed() + 1;
    let bottom = shortest.ilog10().cast_signed().max(top - BANDS);
    let low = f64::from(bottom);
    let y = |nanoseconds: f64| {
        let share = (nanoseconds.log10() - low) / f64::from(top - bottom);
        HEAD + HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    };
    let length = end.saturating_sub(start).max(1) as f64;

    markup.open("figure", &[("class", &"chart scatter")]);
    let hint = "a dot leads to its trace, a band to all of such a length";
    markup
        .open("figcaption", &[])
        .text(&"Duration ")
        .element("span", &[("class", &"muted")], &hint)
        .close("figcaption");
    // The list below has the same links for whoever cannot see dots.
    markup.open("div", &[("class", &"plot"), ("aria-hidden", &"true")]);
    let ticks: Vec<(f64, String)> = (bottom..=top)
        .map(|power| {
            let nanoseconds = 10_f64.powi(power);
            (y(nanoseconds), duration(nanoseconds as u64))
        })
        .collect();
    labels(
        &mut markup,
        ticks.iter().map(|(at, label)| (*at, label.as_str())),
    );
    let size: [(&str, &dyn Display); 3] = [
        ("class", &"area-of-plot"),
        ("width", &"100%"),
        ("height", &Px(HEAD + HEIGHT + FOOT)),
    ];
    markup.open("svg", &size);
    for power in bottom..top {
        let (from, to) = (10_f64.powi(power), 10_f64.powi(power + 1));
        let mut query = request.query.with("min", "").with("max", "");
        // The lowest has all that is shorter, the highest all that is longer.
        if power > bottom {
            query = query.with("min", &exact(from));
        }
        if power + 1 < top {
            query = query.with("max", &exact(to));
        }
        let address = query.at(&request.path);
        let words = format!("{} to {}", duration(from as u64), duration(to as u64));
        markup.open("a", &[("href", &address), ("tabindex", &"-1")]);
        markup.open(
            "rect",
            &[
                ("class", &"band"),
                ("width", &"100%"),
                ("y", &Px(y(to))),
                ("height", &Px(y(from) - y(to))),
            ],
        );
        markup
            .element("title", &[], &words)
            .close("rect")
            .close("a");
    }
    for (at, _) in &ticks {
        let at = Px(*at);
        markup.leaf(
            "line",
            &[
                ("class", &"grid"),
                ("x2", &"100%"),
                ("y1", &at),
                ("y2", &at),
            ],
        );
    }
    x_axis(&mut markup, start, end);
    // Failed ones on top.
    for failed in [false, true] {
        for dot in dots.iter().filter(|dot| dot.failed == failed) {
            let x = (dot.start.saturating_sub(start) as f64 / length).clamp(0.0, 1.0);
            let address = href(&["traces", &dot.trace_id], &[]);
            let class = if failed { "error" } else { &dot.class };
            markup.open("a", &[("href", &address), ("tabindex", &"-1")]);
            markup.open(
                "circle",
                &[
                    ("class", &format_args!("dot {class}")),
                    ("cx", &Percent(x * 100.0)),
                    ("cy", &Px(y(dot.duration.max(1) as f64))),
                    ("r", &"4"),
                ],
            );
            let words = format!(
                "{}, {}{}",
                dot.name,
                duration(dot.duration),
                if failed { ", failed" } else { "" }
            );
            markup
                .element("title", &[], &words)
                .close("circle")
                .close("a");
        }
    }
    markup.close("svg").close("div");
    let failed = dots.iter().filter(|dot| dot.failed).count();
    let summary = format!(
        "{} traces from {} to {}, {} of them failed",
        count(dots.len() as u64),
        duration(shortest),
        duration(longest),
        count(failed as u64)
    );
    markup
        .element("p", &[("class", &"quiet")], &summary)
        .close("figure");
    markup
}

/// A power of ten of nanoseconds as a filter has it.
fn exact(nanoseconds: f64) -> String {
    match nanoseconds {
        1e9.. => format!("{}s", nanoseconds / 1e9),
        1e6.. => format!("{}ms", nanoseconds / 1e6),
        1e3.. => format!("{}us", nanoseconds / 1e3),
        _ => format!("{nanoseconds}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Query;

    fn dot(id: &str, nanoseconds: u64, failed: bool) -> Dot {
        Dot {
            trace_id: id.to_owned(),
            name: "<script>alert(1)</script>".to_owned(),
            class: "c1".to_owned(),
            start: 1_500,
            duration: nanoseconds,
            failed,
        }
    }

    #[test]
    fn dots_lead_to_traces_and_bands_to_lengths() {
        let request = PageRequest {
            path: "/traces".to_owned(),
            query: Query::parse("service=shop&before=7"),
            fragment: false,
        };
        let dots = [
            dot("aa", 3_000_000, false),
            dot("bb", 40_000_000, true),
            dot("cc", 500_000_000, false),
        ];
        let html = scatter(&request, 1_000, 2_000, &dots).to_string();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("href=\"/traces/bb\""), "{html}");
        assert!(html.contains("class=\"dot error\" cx=\"50%\""), "{html}");
        for band in [
            "href=\"/traces?service=shop&amp;max=10ms\"",
            "href=\"/traces?service=shop&amp;min=10ms&amp;max=100ms\"",
            "href=\"/traces?service=shop&amp;min=100ms\"",
        ] {
            assert!(html.contains(band), "{band}: {html}");
        }
        assert_eq!(html.matches("class=\"band\"").count(), 3, "{html}");
        assert!(html.contains("3 traces from 3 ms to 500 ms, 1 of them failed"));
    }

    #[test]
    fn traces_of_any_length_have_a_place() {
        let request = PageRequest {
            path: "/traces".to_owned(),
            query: Query::default(),
            fragment: false,
        };
        assert!(scatter(&request, 0, 0, &[]).to_string().is_empty());
        let all = [dot("a", 0, false), dot("b", u64::MAX, false)];
        let html = scatter(&request, 0, 0, &all).to_string();
        assert_eq!(html.matches("class=\"dot c1\"").count(), 2, "{html}");
        assert!(!html.contains("NaN"), "{html}");
    }
}
