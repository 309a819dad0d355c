//! Where and when an issue happens: its share by release, service, user and route, and its count
//! over the last day.

use crate::{
    page::{
        chart::{COUNT, Kind, Series, TimeChart},
        format::{count, share},
        href,
        markup::Markup,
    },
    store::{Issue, Shares},
};

pub(super) struct Share {
    pub(super) name: String,
    pub(super) href: Option<String>,
    pub(super) count: String,
    pub(super) share: String,
}

pub(super) fn spread(shares: Shares) -> Vec<(&'static str, Vec<Share>)> {
    let of = shares.of.max(1);
    let rows = |values: Vec<(String, u64)>, to: fn(&str) -> Option<String>| {
        let row = |(name, number): (String, u64)| Share {
            href: to(&name),
            count: count(number),
            share: share(number as f64 / of as f64),
            name,
        };
        values.into_iter().map(row).collect::<Vec<_>>()
    };
    [
        ("Release", rows(shares.releases, |_| None)),
        ("Environment", rows(shares.environments, |_| None)),
        ("Service", rows(shares.services, |_| None)),
        (
            "User",
            rows(shares.users, |user| {
                Some(href(&["users"], &[("user", user), ("since", "all")]))
            }),
        ),
        (
            "Route",
            rows(shares.routes, |route| {
                Some(href(
                    &["traces"],
                    &[("route", route), ("status", "error"), ("since", "all")],
                ))
            }),
        ),
    ]
    .into_iter()
    .filter(|(_, rows)| !rows.is_empty())
    .collect()
}

/// How often it happened, in bars over at most a day.
pub(super) fn chart(volume: &[(u64, u64)], issue: &Issue, now: u64) -> Markup {
    const MINUTE: u64 = 60_000_000_000;
    let first = volume
        .first()
        .map_or(issue.last_seen, |(minute, _)| *minute);
    let end = now.max(issue.last_seen);
    let start = first.min(end.saturating_sub(15 * MINUTE));
    // A few lengths that an eye knows.
    let width = [1, 2, 5, 10, 30]
        .into_iter()
        .map(|minutes| minutes * MINUTE)
        .find(|width| (end - start) / width <= 48)
        .unwrap_or(30 * MINUTE);
    let start = start - start % width;
    let bars = usize::try_from((end - start) / width + 1).unwrap_or(1);
    let mut points: Vec<(u64, f64)> = (0..bars as u64)
        .map(|bar| (start + bar * width, 0.0))
        .collect();
    for (minute, count) in volume {
        let bar = usize::try_from(minute.saturating_sub(start) / width).unwrap_or(bars);
        if let Some((_, value)) = points.get_mut(bar) {
            *value += *count as f64;
        }
    }
    TimeChart {
        title: "Occurrences".to_owned(),
        unit: COUNT.to_owned(),
        kind: Kind::Bars,
        start,
        end: start + bars as u64 * width,
        series: vec![Series {
            name: "occurrences".to_owned(),
            class: "error".to_owned(),
            points,
        }],
        exemplars: Vec::new(),
    }
    .render()
}
