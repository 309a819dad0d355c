//! Numbers, lengths and moments as a reader wants them: three digits that count, and the unit.

use std::fmt::Display;

use jiff::Timestamp;

use super::markup::Markup;

/// Nanoseconds as `1.23 ms`.
pub(crate) fn duration(nanoseconds: u64) -> String {
    seconds(nanoseconds as f64 / 1e9)
}

/// Seconds as `1.23 ms`, `45.6 s`, `2 min 5 s`, `3 h 4 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    let size = seconds.abs();
    if size == 0.0 {
        "0 s".to_owned()
    } else if size < 0.999_5e-6 {
        format!("{} ns", digits(seconds * 1e9))
    } else if size < 0.999_5e-3 {
        format!("{} µs", digits(seconds * 1e6))
    } else if size < 0.999_5 {
        format!("{} ms", digits(seconds * 1e3))
    } else if size < 99.95 {
        format!("{} s", digits(seconds))
    } else if !size.is_finite() {
        digits(seconds)
    } else {
        let whole = size.round();
        let sign = if seconds < 0.0 { "-" } else { "" };
        let pair = |large: f64, name: &str, small: f64, small_name: &str| {
            let (most, rest) = ((whole / large).floor(), (whole % large / small).floor());
            if rest == 0.0 {
                format!("{sign}{most} {name}")
            } else {
                format!("{sign}{most} {name} {rest} {small_name}")
            }
        };
        if whole < 3600.0 {
            pair(60.0, "min", 1.0, "s")
        } else if whole < 86_400.0 {
            pair(3600.0, "h", 60.0, "min")
        } else {
            pair(86_400.0, "d", 3600.0, "h")
        }
    }
}

/// Bytes as `1.23 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let (value, prefix) = binary(bytes);
    format!("{} {prefix}B", digits(value))
}

/// A number as `1,234` or `1.23 M`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        digits(value)
    } else if size >= 999_500.0 {
        let (value, prefix) = decimal(value);
        format!("{} {prefix}", digits(value))
    } else if size >= 999.5 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(size.round() as u64))
    } else {
        digits(value)
    }
}

/// A count in full: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of what one is called: `1 span`, `1,234 spans`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number as u64))
}

/// A count in a second, or in a minute where that is the better number.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second != 0.0 && per_second.abs() < 0.1 {
        format!("{}/min", number(per_second * 60.0))
    } else {
        format!("{}/s", number(per_second))
    }
}

/// A share from 0 to 1 as `12.3 %`. What is not nothing is never shown as nothing.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.01 {
        "<0.01 %".to_owned()
    } else if (99.95..100.0).contains(&percent) {
        ">99.9 %".to_owned()
    } else {
        format!("{} %", digits(percent))
    }
}

/// A value in a UCUM unit, as OpenTelemetry's instruments name them.
///
/// <https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units>
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return digits(value);
    }
    if let Some(whole) = unit.strip_suffix("/s") {
        return match whole {
            "" | "1" => rate(value),
            _ if is_annotation(whole) => rate(value),
            _ => format!("{}/s", quantity(value, whole)),
        };
    }
    match unit {
        "s" => seconds(value),
        "ms" => seconds(value / 1e3),
        "us" => seconds(value / 1e6),
        "ns" => seconds(value / 1e9),
        "min" => seconds(value * 60.0),
        "h" => seconds(value * 3600.0),
        "d" => seconds(value * 86_400.0),
        "By" => bytes(value),
        "KiBy" => bytes(value * 1024.0),
        "MiBy" => bytes(value * 1024.0 * 1024.0),
        "GiBy" => bytes(value * 1024.0 * 1024.0 * 1024.0),
        "kBy" => bytes(value * 1e3),
        "MBy" => bytes(value * 1e6),
        "GBy" => bytes(value * 1e9),
        "%" => format!("{} %", digits(value)),
        "Cel" => format!("{} °C", digits(value)),
        "" | "1" => number(value),
        _ if is_annotation(unit) => number(value),
        _ => format!("{} {unit}", number(value)),
    }
}

/// What a unit counts, to stand beside a metric's name: `{request}` is "request".
pub(crate) fn unit_name(unit: &str) -> String {
    match unit {
        // These stand at the numbers themselves.
        "" | "1" | "1/s" | "s" | "ms" | "us" | "ns" => String::new(),
        "By" | "KiBy" | "MiBy" | "GiBy" | "kBy" | "MBy" | "GBy" => String::new(),
        _ => unit.replace(['{', '}'], ""),
    }
}

/// What stands in braces counts things, and has no size of its own.
fn is_annotation(unit: &str) -> bool {
    unit.starts_with('{') && unit.ends_with('}')
}

fn binary(value: f64) -> (f64, &'static str) {
    scaled(value, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"])
}

fn decimal(value: f64) -> (f64, &'static str) {
    scaled(value, 1000.0, &["", "k", "M", "G", "T", "P"])
}

fn scaled(mut value: f64, step: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut index = 0;
    // As it will be rounded, so that there is no "1000 k".
    while value.abs() >= step - 0.5 && index + 1 < prefixes.len() {
        value /= step;
        index += 1;
    }
    (value, prefixes[index])
}

/// Three digits that count, without zeros at the end: `1.2`, `12.3`, `123`, `0.00123`.
pub(crate) fn digits(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() {
            "–"
        } else if value > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned();
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let before = size.log10().floor() as i32 + 1;
    let decimals = usize::try_from(3 - before).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A moment in nanoseconds since 1970 as RFC 3339 in UTC, to the millisecond. Zero, which OTLP
/// uses for unknown, is `None`.
pub(crate) fn rfc3339(nanoseconds: u64) -> Option<String> {
    if nanoseconds == 0 {
        return None;
    }
    let timestamp = Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
    Some(format!("{timestamp:.3}"))
}

/// A moment for a reader: in UTC, until the script shows it by the reader's own clock.
pub(crate) fn time(nanoseconds: u64) -> Markup {
    moment(nanoseconds, &"clock")
}

/// A moment as how long it is ago.
pub(crate) fn ago(nanoseconds: u64) -> Markup {
    moment(nanoseconds, &"ago")
}

fn moment(nanoseconds: u64, form: &dyn Display) -> Markup {
    let mut markup = Markup::new();
    match rfc3339(nanoseconds) {
        Some(text) => {
            let shown = text.replace('T', " ").replace('Z', "\u{a0}UTC");
            markup.element("time", &[("datetime", &text), ("data-form", form)], &shown)
        }
        None => markup.element("span", &[("class", &"muted")], &"no time"),
    };
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_three_digits_and_the_unit_that_suits() {
        for (nanoseconds, text) in [
            (0, "0 s"),
            (1, "1 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (12_345, "12.3 µs"),
            (999_999, "1 ms"),
            (1_234_567, "1.23 ms"),
            (120_000_000, "120 ms"),
            (999_900_000, "1 s"),
            (45_678_000_000, "45.7 s"),
            (99_960_000_000, "1 min 40 s"),
            (120_000_000_000, "2 min"),
            (11_045_000_000_000, "3 h 4 min"),
            (u64::MAX, "213503 d 23 h"),
        ] {
            assert_eq!(duration(nanoseconds), text, "{nanoseconds}");
        }
    }

    #[test]
    fn a_value_is_shown_in_its_unit() {
        for (value, unit, text) in [
            (0.25, "s", "250 ms"),
            (250.0, "ms", "250 ms"),
            (1536.0, "By", "1.5 KiB"),
            (1023.9, "By", "1 KiB"),
            (2048.0, "By/s", "2 KiB/s"),
            (12.0, "{request}", "12"),
            (12.34, "{request}/s", "12.3/s"),
            (0.05, "1/s", "3/min"),
            (12_345.0, "", "12,345"),
            (-12_345.0, "", "-12,345"),
            (1_234_567.0, "1", "1.23 M"),
            (0.001_234, "1", "0.00123"),
            (36.6, "Cel", "36.6 °C"),
            (3.0, "m<b>", "3 m<b>"),
            (f64::NAN, "s", "–"),
            (f64::INFINITY, "By", "∞"),
        ] {
            assert_eq!(quantity(value, unit), text, "{value} {unit}");
        }
    }

    #[test]
    fn a_share_is_nothing_or_all_only_where_it_is() {
        for (value, text) in [
            (0.0, "0 %"),
            (0.000_001, "<0.01 %"),
            (0.123_4, "12.3 %"),
            (0.999_9, ">99.9 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(share(value), text, "{value}");
        }
    }

    #[test]
    fn a_moment_is_utc_until_the_script_knows_better() {
        assert_eq!(
            time(1_700_000_000_123_456_789).to_string(),
            "<time datetime=\"2023-11-14T22:13:20.123Z\" data-form=\"clock\">\
             2023-11-14 22:13:20.123\u{a0}UTC</time>"
        );
        assert_eq!(time(0).to_string(), "<span class=\"muted\">no time</span>");
        assert!(rfc3339(u64::MAX).is_some(), "the year 2554 is in range");
    }

    #[test]
    fn a_count_is_whole_and_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(3.0), "3/s");
    }
}
