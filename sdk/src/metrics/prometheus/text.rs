//! The text format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::family::{Exponential, Family, Point, Value};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn render(families: &BTreeMap<String, Family>) -> String {
    let mut text = String::new();
    for (name, family) in families {
        // Writing to a string cannot fail.
        let _ = render_family(&mut text, name, family);
    }
    text
}

fn render_family(text: &mut String, name: &str, family: &Family) -> fmt::Result {
    if !family.help.is_empty() {
        write!(text, "# HELP {name} ")?;
        escape(text, &family.help, false);
        text.push('\n');
    }
    writeln!(text, "# TYPE {name} {}", family.kind.word())?;
    for point in &family.points {
        match &point.value {
            Value::Number(value) => line(text, name, "", point, None, *value)?,
            Value::Histogram {
                count,
                sum,
                buckets,
            } => histogram(text, name, point, *count, *sum, buckets)?,
            Value::Exponential(histogram_) => {
                let buckets = powers_of_two(histogram_);
                histogram(
                    text,
                    name,
                    point,
                    histogram_.count,
                    histogram_.sum,
                    &buckets,
                )?;
            }
        }
    }
    Ok(())
}

fn histogram(
    text: &mut String,
    name: &str,
    point: &Point,
    count: u64,
    sum: f64,
    buckets: &[(f64, u64)],
) -> fmt::Result {
    for (bound, up_to) in buckets {
        let bound = Number(*bound).to_string();
        line(text, name, "_bucket", point, Some(&bound), *up_to as f64)?;
    }
    line(text, name, "_bucket", point, Some("+Inf"), count as f64)?;
    line(text, name, "_sum", point, None, sum)?;
    line(text, name, "_count", point, None, count as f64)
}

/// Text knows no exponential buckets. Their bounds move as the scale adapts, but every
/// scale from 0 up has the powers of two among its bounds: those stay from scrape to scrape.
pub(super) fn powers_of_two(histogram: &Exponential) -> Vec<(f64, u64)> {
    let scale = histogram.scale;
    // The power of two that a bucket's upper bound does not exceed.
    let power = |index: i32| {
        if scale >= 0 {
            (index >> scale) + 1
        } else {
            (index + 1) << -scale
        }
    };
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    let negative: u64 = histogram.negative.counts.iter().sum();
    let mut up_to = negative + histogram.zero_count;
    if up_to > 0 {
        buckets.push((histogram.zero_threshold, up_to));
    }
    for (at, count) in histogram.positive.counts.iter().enumerate() {
        up_to += count;
        let bound = f64::from(power(histogram.positive.offset + at as i32)).exp2();
        match buckets.last_mut() {
            Some(last) if last.0 == bound => last.1 = up_to,
            _ => buckets.push((bound, up_to)),
        }
    }
    buckets
}

fn line(
    text: &mut String,
    name: &str,
    suffix: &str,
    point: &Point,
    bound: Option<&str>,
    value: f64,
) -> fmt::Result {
    text.push_str(name);
    text.push_str(suffix);
    let labels = point
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .chain(bound.map(|bound| ("le", bound)));
    let mut opened = false;
    for (key, value) in labels {
        text.push(if opened { ',' } else { '{' });
        opened = true;
        text.push_str(key);
        text.push_str("=\"");
        escape(text, value, true);
        text.push('"');
    }
    if opened {
        text.push('}');
    }
    writeln!(text, " {}", Number(value))
}

/// A line feed would end the line, a quotation mark the label.
fn escape(text: &mut String, value: &str, quoted: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quoted => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// A float as Go reads it; the shortest text that reads back as the same value.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            infinite if infinite == f64::INFINITY => f.write_str("+Inf"),
            infinite if infinite == f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::Side;
    use super::super::name::FamilyKind;
    use super::*;

    fn rendered(kind: FamilyKind, help: &str, labels: &[(&str, &str)], value: Value) -> String {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let family = Family {
            kind,
            help: help.to_owned(),
            points: vec![Point { labels, value }],
        };
        render(&BTreeMap::from([("m".to_owned(), family)]))
    }

    #[test]
    fn no_text_of_a_label_or_description_can_forge_a_line() {
        let text = rendered(
            FamilyKind::Gauge,
            "a\nb \"c\" \\",
            &[("k", "1\"} 9\nforged 1")],
            Value::Number(f64::INFINITY),
        );
        let expected = "# HELP m a\\nb \"c\" \\\\\n# TYPE m gauge\n\
                        m{k=\"1\\\"} 9\\nforged 1\"} +Inf\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_histogram_ends_with_all_its_values() {
        let value = Value::Histogram {
            count: 3,
            sum: 11.5,
            buckets: vec![(0.5, 1), (10.0, 2)],
        };
        let text = rendered(FamilyKind::Histogram, "", &[], value);
        let expected = "# TYPE m histogram\nm_bucket{le=\"0.5\"} 1\nm_bucket{le=\"10\"} 2\n\
                        m_bucket{le=\"+Inf\"} 3\nm_sum 11.5\nm_count 3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn exponential_buckets_are_told_by_powers_of_two() {
        let exponential = |scale, offset, counts: &[u64]| Exponential {
            count: 0,
            sum: 0.0,
            scale,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: Side {
                offset,
                counts: counts.to_vec(),
            },
            negative: Side {
                offset: 0,
                counts: vec![2],
            },
        };
        // Scale 1: (1, √2], (√2, 2], (2, 2√2].
        let fine = powers_of_two(&exponential(1, 0, &[1, 1, 1]));
        assert_eq!(fine, [(0.0, 3), (2.0, 5), (4.0, 6)]);
        // Scale -1: (1/4, 1], (1, 4].
        let coarse = powers_of_two(&exponential(-1, -1, &[1, 1]));
        assert_eq!(coarse, [(0.0, 3), (1.0, 4), (4.0, 5)]);
        // Scale 0, below one: (1/4, 1/2], (1/2, 1].
        let small = powers_of_two(&exponential(0, -2, &[1, 1]));
        assert_eq!(small, [(0.0, 3), (0.5, 4), (1.0, 5)]);
    }
}
