//! A line as small as a word, for a cell of a table.

use crate::page::{
    format::quantity,
    markup::{Markup, Px},
};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 22.0;

/// Values at equal distances; one that is not a number is a gap. `what` names them for those who
/// cannot see the line.
pub(crate) fn sparkline(values: &[f64], unit: &str, what: &str, class: &str) -> Markup {
    let mut markup = Markup::new();
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let high = finite().fold(0.0, f64::max);
    let label = match finite().next_back() {
        Some(last) => {
            format!(
                "{what}: now {}, at most {}",
                quantity(last, unit),
                quantity(high, unit)
            )
        }
        None => format!("{what}: no values"),
    };
    let class = format!("spark {class}");
    markup.open(
        "svg",
        &[
            ("class", &class),
            ("width", &WIDTH),
            ("height", &HEIGHT),
            ("role", &"img"),
            ("aria-label", &label),
        ],
    );
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let at = |index: usize, value: f64| {
        let share = if high > 0.0 {
            (value / high).clamp(0.0, 1.0)
        } else {
            0.0
        };
        (index as f64 * step, HEIGHT - 2.0 - share * (HEIGHT - 4.0))
    };
    let (mut line, mut area) = (String::new(), String::new());
    for run in runs(values) {
        let points: Vec<_> = run.map(|index| at(index, values[index])).collect();
        line.push_str(&path(&points));
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            area.push_str(&path(&points));
            area.push_str(&format!(
                "L{} {HEIGHT}L{} {HEIGHT}Z",
                Px(last.0),
                Px(first.0)
            ));
        }
    }
    if !line.is_empty() {
        markup.leaf("path", &[("class", &"area"), ("d", &area)]);
        markup.leaf("path", &[("class", &"line"), ("d", &line)]);
    }
    markup.close("svg");
    markup
}

/// The stretches without a gap.
pub(super) fn runs(values: &[f64]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < values.len() && !values[start].is_finite() {
            start += 1;
        }
        if start >= values.len() {
            return None;
        }
        let length = values[start..]
            .iter()
            .take_while(|value| value.is_finite())
            .count();
        let run = start..start + length;
        start += length;
        Some(run)
    })
}

/// A line through these points; a single one is a dot, drawn by its round ends.
pub(super) fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{} {}", Px(*x), Px(*y)));
    }
    if points.len() == 1 {
        path.push_str("h0");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_values_is_one_in_the_line() {
        let html = sparkline(&[1.0, 2.0, f64::NAN, 4.0], "{request}", "requests", "c0").to_string();
        assert!(html.contains("d=\"M0 15.5L32 11M96 2h0\""), "{html}");
        assert!(
            html.contains("aria-label=\"requests: now 4, at most 4\""),
            "{html}"
        );
    }

    #[test]
    fn no_values_are_said_so() {
        let html = sparkline(&[], "s", "<b>", "c0").to_string();
        assert!(
            html.contains("aria-label=\"&lt;b&gt;: no values\""),
            "{html}"
        );
        assert!(!html.contains("<path"), "{html}");
    }
}
