//! The bounds of histograms, decided in one place so that every reader has the same.

/// Bounds of every histogram in seconds, from the HTTP conventions:
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Bounds of a database's answers, which are quicker:
/// <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#metric-dbclientoperationduration>.
const QUERY_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Bounds of every other histogram: the specification's default.
/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation>
const OTHERS: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

const QUERY_DURATION: &str = "db.client.operation.duration";

/// The conventions name what is measured in seconds `….duration`.
const DURATION: &str = ".duration";

/// What the service gave in code, and the rule for all other histograms.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    given: Vec<(String, Vec<f64>)>,
}

impl Bounds {
    /// Takes names, or prefixes that end in `*`.
    ///
    /// # Errors
    /// What is wrong, for a person: bounds must be finite and ascend.
    pub(super) fn new(given: Vec<(String, Vec<f64>)>) -> Result<Self, String> {
        for (pattern, bounds) in &given {
            let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
            if bounds.is_empty() || !ascending || bounds.iter().any(|bound| !bound.is_finite()) {
                return Err(format!("the bounds of {pattern:?} are {bounds:?}"));
            }
        }
        Ok(Self { given })
    }

    /// What the service gave for this name: the name itself first, then the longest prefix.
    pub(super) fn given(&self, name: &str) -> Option<&[f64]> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        };
        self.given
            .iter()
            .filter(|(pattern, _)| matches(pattern))
            .max_by_key(|(pattern, _)| (!pattern.ends_with('*'), pattern.len()))
            .map(|(_, bounds)| bounds.as_slice())
    }

    /// The bounds of a histogram of this name and unit.
    pub(super) fn of(&self, name: &str, unit: &str) -> &[f64] {
        self.given(name).unwrap_or(match is_in_seconds(name, unit) {
            true if name == QUERY_DURATION => QUERY_SECONDS,
            true => SECONDS,
            false => OTHERS,
        })
    }
}

/// The unit decides; a `….duration` without one is in seconds.
fn is_in_seconds(name: &str, unit: &str) -> bool {
    unit == "s" || (unit.is_empty() && name.ends_with(DURATION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_decides_and_durations_without_one_are_seconds() {
        let bounds = Bounds::default();
        assert_eq!(bounds.of("job.run", "s"), SECONDS);
        assert_eq!(bounds.of("job.duration", ""), SECONDS);
        assert_eq!(bounds.of("job.duration", "ms"), OTHERS);
        assert_eq!(bounds.of("body.size", "By"), OTHERS);
        assert_eq!(bounds.of(QUERY_DURATION, "s"), QUERY_SECONDS);
    }

    #[test]
    fn a_name_wins_over_the_longest_prefix_and_that_over_a_shorter_one() {
        let given = |pattern: &str, bound| (pattern.to_owned(), vec![bound]);
        let bounds = Bounds::new(vec![
            given("http.*", 1.0),
            given("http.server.request.duration", 2.0),
            given("http.server.*", 3.0),
            // Longer than the name that it would win over.
            given("http.server.request.duration*", 4.0),
        ])
        .unwrap();
        assert_eq!(bounds.of("http.server.request.duration", "s"), [2.0]);
        assert_eq!(bounds.of("http.server.body", "By"), [3.0]);
        assert_eq!(bounds.of("http.client.body", "By"), [1.0]);
        assert_eq!(bounds.of("rpc.body", "By"), OTHERS);
    }

    #[test]
    fn bounds_that_do_not_ascend_are_refused_by_name() {
        for bad in [vec![], vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN]] {
            let said = Bounds::new(vec![("a.b".to_owned(), bad)]).unwrap_err();
            assert!(said.contains("a.b"), "{said}");
        }
    }
}
