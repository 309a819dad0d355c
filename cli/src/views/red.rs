//! Rate, errors and duration of services and of endpoints, from what was counted as spans came.

use std::collections::BTreeMap;

use super::context::{Context, Intervals};
use crate::{
    page::{PageRequest, query::href, table::RedRow},
    store::{Durations, Endpoint, SLICE_SECONDS},
};

const SECOND: u64 = 1_000_000_000;

/// What was counted of one service, or of one of its endpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) service: String,
    /// Empty for all of the service's endpoints together.
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) durations: Durations,
    pub(super) parts: Vec<Part>,
}

/// What was counted in one interval.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) durations: Durations,
}

/// Adds endpoints up by the name that `by` gives them.
pub(super) fn tally<'a>(
    endpoints: &'a [Endpoint],
    intervals: Intervals,
    by: impl Fn(&'a Endpoint) -> (&'a str, &'a str),
) -> Vec<Tally> {
    let mut tallies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for endpoint in endpoints {
        let key = by(endpoint);
        let tally = tallies.entry(key).or_insert_with(|| Tally {
            service: key.0.to_owned(),
            name: key.1.to_owned(),
            parts: vec![Part::default(); intervals.len()],
            ..Tally::default()
        });
        tally.count += endpoint.count;
        tally.errors += endpoint.errors;
        tally.durations.merge(&endpoint.durations);
        for slice in &endpoint.slices {
            // The first slice may have begun before the range.
            let at = (slice.at.unsigned_abs() * SECOND).max(intervals.start);
            if let Some(index) = intervals.index(at) {
                let part = &mut tally.parts[index];
                part.count += slice.count;
                part.errors += slice.errors;
                part.durations.merge(&slice.durations);
            }
        }
    }
    tallies.into_values().collect()
}

/// What makes counts rates: how long was counted, and each interval's length.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Seconds from the range's beginning, or the first that was counted, until now.
    pub(super) seconds: f64,
    lengths: Vec<f64>,
}

impl Clock {
    /// `first` is when the first slice of all began, in seconds since 1970.
    pub(super) fn of(context: &Context, intervals: Intervals, first: Option<i64>) -> Self {
        let now = context.now.unsigned_abs();
        let first = first.map_or(intervals.start, |first| first.unsigned_abs() * SECOND);
        let start = context.since.unsigned_abs().max(first).min(now);
        let slice = SLICE_SECONDS as f64;
        let mut lengths: Vec<f64> = (0..intervals.len())
            .map(|index| {
                let end = (intervals.at(index) + intervals.width).min(now);
                end.saturating_sub(intervals.at(index)) as f64 / 1e9
            })
            .collect();
        // A moment of an interval that has just begun says nothing of it.
        if lengths.len() > 2 && lengths.last().is_some_and(|last| *last < slice / 2.0) {
            lengths.pop();
        }
        Self {
            seconds: ((now - start) as f64 / 1e9).max(1.0),
            lengths: lengths
                .into_iter()
                .map(|length| length.max(slice / 2.0))
                .collect(),
        }
    }

    /// Requests a second in each interval.
    pub(super) fn rates(&self, tally: &Tally) -> Vec<f64> {
        let counts = tally.parts.iter().map(|part| part.count as f64);
        counts
            .zip(&self.lengths)
            .map(|(count, seconds)| count / seconds)
            .collect()
    }
}

impl Tally {
    pub(super) fn failed(&self) -> f64 {
        share(self.errors, self.count)
    }

    /// Seconds.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        seconds(&self.durations, quantile)
    }

    pub(super) fn row(&self, clock: &Clock, request: &PageRequest) -> RedRow {
        let since = request.query.get("since").unwrap_or_default();
        let address = |status| {
            href(
                &["traces"],
                &[
                    ("service", &self.service),
                    ("route", &self.name),
                    ("status", status),
                    ("since", since),
                ],
            )
        };
        let whole = self.name.is_empty();
        let parts = &self.parts[..clock.lengths.len().min(self.parts.len())];
        RedRow {
            name: if whole { &self.service } else { &self.name }.clone(),
            service: if whole {
                String::new()
            } else {
                self.service.clone()
            },
            href: address(""),
            errors_href: address("error"),
            rate: self.count as f64 / clock.seconds,
            failed: self.failed(),
            p50: self.quantile(0.5),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            rates: clock.rates(self),
            failures: parts
                .iter()
                .map(|part| share(part.errors, part.count))
                .collect(),
            durations: parts
                .iter()
                .map(|part| seconds(&part.durations, 0.95).unwrap_or(f64::NAN))
                .collect(),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn seconds(durations: &Durations, quantile: f64) -> Option<f64> {
    durations
        .quantile(quantile)
        .map(|nanoseconds| nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        page::{Counters, Query},
        store::EndpointSlice,
    };

    fn slice(at: i64, count: u64, errors: u64, nanoseconds: u64) -> EndpointSlice {
        let mut durations = Durations::default();
        (0..count).for_each(|_| durations.add(nanoseconds));
        EndpointSlice {
            at,
            count,
            errors,
            durations,
        }
    }

    fn endpoint(name: &str, slices: Vec<EndpointSlice>) -> Endpoint {
        let mut durations = Durations::default();
        for slice in &slices {
            durations.merge(&slice.durations);
        }
        Endpoint {
            service: "shop".into(),
            name: name.into(),
            count: slices.iter().map(|slice| slice.count).sum(),
            errors: slices.iter().map(|slice| slice.errors).sum(),
            durations,
            slices,
        }
    }

    #[test]
    fn endpoints_add_up_to_their_service_with_rates_by_what_has_passed() {
        let context = Context {
            now: 1_060 * 1_000_000_000,
            since: 1_000 * 1_000_000_000,
            service: None,
            counters: Counters::default(),
        };
        let intervals = context.intervals(None);
        assert_eq!((intervals.width, intervals.len()), (10 * SECOND, 7));
        let endpoints = [
            endpoint(
                "GET /a",
                vec![
                    slice(1_020, 20, 0, 1_000_000),
                    slice(1_050, 10, 5, 8_000_000),
                ],
            ),
            endpoint("GET /b", vec![slice(1_050, 10, 0, 1_000_000)]),
        ];
        let clock = Clock::of(&context, intervals, Some(1_020));
        assert!((clock.seconds - 40.0).abs() < 1e-9, "{clock:?}");
        let services = tally(&endpoints, intervals, |one| (&one.service, ""));
        assert_eq!(services.len(), 1);
        let request = PageRequest {
            path: "/".into(),
            query: Query::parse("since=5m"),
            fragment: false,
        };
        let row = services[0].row(&clock, &request);
        assert_eq!(row.name, "shop");
        assert!((row.rate - 1.0).abs() < 1e-9, "40 requests in 40 seconds");
        assert!((row.failed - 0.125).abs() < 1e-9);
        assert_eq!(row.rates, [0.0, 0.0, 2.0, 0.0, 0.0, 2.0], "no begun one");
        assert!((row.failures[5] - 0.25).abs() < 1e-9);
        assert!(row.durations[0].is_nan() && row.p50 < row.p95);
        assert_eq!(
            row.errors_href,
            "/traces?service=shop&status=error&since=5m"
        );
        let names = tally(&endpoints, intervals, |one| (&one.service, &one.name));
        assert_eq!(names[1].row(&clock, &request).name, "GET /b");
        assert_eq!(names[1].failed(), 0.0);
    }
}
