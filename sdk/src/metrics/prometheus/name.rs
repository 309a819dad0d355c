//! Names as Prometheus wants them, by the rules that it applies to OTLP itself, so that a
//! metric has one name whichever way it came:
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

/// What a family is, which decides its suffix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyKind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// `http.server.request.duration` in `s` becomes `http_server_request_duration_seconds`.
pub(super) fn family(name: &str, unit: &str, kind: FamilyKind) -> String {
    let mut family = sanitized(name);
    if kind == FamilyKind::Counter && family.ends_with("_total") {
        family.truncate(family.len() - "_total".len());
    }
    for suffix in unit_suffixes(unit) {
        append(&mut family, &suffix);
    }
    if unit == "1" && kind == FamilyKind::Gauge {
        append(&mut family, "ratio");
    }
    if kind == FamilyKind::Counter {
        append(&mut family, "total");
    }
    family
}

/// A label's name; also the first half of a family's.
pub(super) fn sanitized(name: &str) -> String {
    let mut clean = String::with_capacity(name.len() + 1);
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        clean.push('_');
    }
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            clean.push(character);
        } else if !clean.ends_with('_') {
            clean.push('_');
        }
    }
    clean
}

fn append(name: &mut String, suffix: &str) {
    let present = name
        .strip_suffix(suffix)
        .is_some_and(|rest| rest.ends_with('_'));
    if !present {
        name.push('_');
        name.push_str(suffix);
    }
}

/// The words of a unit: `By/s` is `bytes` and `per_second`; annotations have none.
fn unit_suffixes(unit: &str) -> Vec<String> {
    let (over, under) = match unit.split_once('/') {
        Some((over, under)) => (over, Some(under)),
        None => (unit, None),
    };
    let mut suffixes = Vec::new();
    if let Some(word) = word(over) {
        suffixes.push(word.to_owned());
    }
    if let Some(under) = under.filter(|under| !under.contains('{')) {
        let under = match under {
            "s" => "second",
            "m" | "min" => "minute",
            "h" => "hour",
            "d" => "day",
            other => other,
        };
        suffixes.push(format!("per_{}", sanitized(under)));
    }
    suffixes
}

fn word(unit: &str) -> Option<String> {
    let word = match unit {
        "" | "1" => return None,
        annotated if annotated.contains('{') => return None,
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "%" => "percent",
        "Hz" => "hertz",
        "Cel" => "celsius",
        other => return Some(sanitized(other)),
    };
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_unit_and_the_kind_once() {
        use FamilyKind::{Counter, Gauge, Histogram};
        for (name, unit, kind, expected) in [
            ("cart.items", "", Gauge, "cart_items"),
            ("cart.items", "{count}", Gauge, "cart_items"),
            ("jobs.done", "{job}", Counter, "jobs_done_total"),
            ("jobs_total", "", Counter, "jobs_total"),
            (
                "process.cpu.time",
                "s",
                Counter,
                "process_cpu_time_seconds_total",
            ),
            (
                "http.server.request.duration",
                "s",
                Histogram,
                "http_server_request_duration_seconds",
            ),
            ("wait_seconds", "s", Histogram, "wait_seconds"),
            ("disk.used", "1", Gauge, "disk_used_ratio"),
            ("net.rate", "By/s", Gauge, "net_rate_bytes_per_second"),
            ("queue.rate", "{count}/s", Gauge, "queue_rate_per_second"),
            ("a..b-c/d", "", Gauge, "a_b_c_d"),
        ] {
            assert_eq!(family(name, unit, kind), expected);
        }
        assert_eq!(sanitized("2xx"), "_2xx");
    }
}
