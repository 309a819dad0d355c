//! How long each page takes with a million spans stored.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use regex::Regex;

use crate::{load::percentile, server::request};

/// How often each is asked for.
const TIMES: usize = 20;
/// The target.
const QUICK: Duration = Duration::from_millis(200);

/// What is asked for besides what the pages link to: searches that people type.
const ASKED: &[&str] = &[
    "/",
    "/traces",
    "/traces?service=payments",
    "/traces?status=error",
    "/traces?min=100ms",
    "/traces?min=10s",
    "/traces?route=%2Fcheckout",
    "/traces?user=user-17",
    "/traces?q=http.response.status_code%3D500",
    "/traces?q=no.such.key%3Dnothing",
    "/traces?q=products",
    "/traces?request=0000000000000000",
    "/logs",
    "/logs?level=warn",
    "/logs?level=error",
    "/logs?stream=security",
    "/logs?q=declined+Vienna",
    "/logs?q=user.id%3Duser-17",
    "/logs?q=nosuchword",
    "/logs?service=payments",
    "/metrics",
    "/metrics/shop.metric.0",
    "/metrics/shop.metric.2?service=storefront",
    "/errors",
    "/errors?status=resolved",
    "/security",
    "/audit",
    "/business",
    "/analytics",
    "/users",
    "/users?user=user-17",
    "/users?address=203.0.113.7",
    "/health",
    // The longest ranges, in which the most lies.
    "/?since=24h",
    "/?since=all",
    "/?service=payments&since=all",
    "/traces?since=24h",
    "/traces?since=all",
    "/traces?status=error&since=all",
    "/logs?since=24h",
    "/logs?since=all",
    "/logs?stream=security&since=all",
    "/metrics?since=all",
    "/metrics/shop.metric.2?since=all",
    "/errors?since=all",
    "/security?since=24h",
    "/security?since=all",
    "/audit?since=24h",
    "/audit?since=all",
    "/business?since=24h",
    "/business?since=all",
    "/analytics?since=24h",
    "/analytics?since=all",
    "/users?since=24h",
    "/users?since=all",
    "/users?q=user-17&since=all",
    "/users?user=user-17&since=all",
    "/users?address=203.0.113.7&since=all",
    "/health?since=all",
];

/// The lists whose links are followed, one of each form.
const FOLLOWED: [&str; 7] = [
    "/",
    "/traces",
    "/logs",
    "/metrics",
    "/errors",
    "/security",
    "/users",
];

/// Asks for every page and prints what it took; tells whether all were quick enough.
pub(crate) fn measure(page: SocketAddr) -> Result<bool> {
    let mut addresses: BTreeMap<String, String> = ASKED
        .iter()
        .map(|address| ((*address).to_owned(), (*address).to_owned()))
        .collect();
    let link = Regex::new(r#"href="(/[^"]*)""#)?;
    let forms: std::collections::BTreeSet<String> = ASKED.iter().map(|known| form(known)).collect();
    for from in FOLLOWED {
        let (_, body) = request(page, "GET", from)?;
        for found in link.captures_iter(&body) {
            let address = found[1].replace("&amp;", "&").replace("&#38;", "&");
            let address = address.split('#').next().unwrap_or_default().to_owned();
            if !address.starts_with("/assets/") && !forms.contains(&form(&address)) {
                addresses.entry(form(&address)).or_insert(address);
            }
        }
    }
    println!("| page | status | KB | p50, ms | p95, ms | longest, ms |");
    println!("|---|---:|---:|---:|---:|---:|");
    let mut all_quick = true;
    for address in addresses.values() {
        let mut times = Vec::new();
        let (mut status, mut length) = (0, 0);
        for _ in 0..TIMES {
            let start = Instant::now();
            let (answered, body) = request(page, "GET", address)?;
            times.push(start.elapsed());
            (status, length) = (answered, body.len());
            if answered == 404 {
                break;
            }
        }
        times.sort_unstable();
        let p95 = percentile(&times, 950);
        all_quick &= p95 < QUICK && status == 200;
        let miss = if p95 < QUICK { "" } else { "**" };
        println!(
            "| `{address}` | {status} | {:.1} | {:.1} | {miss}{:.1}{miss} | {:.1} |",
            length as f64 / 1e3,
            milliseconds(percentile(&times, 500)),
            milliseconds(p95),
            milliseconds(percentile(&times, 1000)),
        );
    }
    Ok(all_quick)
}

/// An address without what differs from one item to the next: one of each form is asked for.
fn form(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path: Vec<&str> = path
        .split('/')
        .enumerate()
        .map(|(depth, part)| if depth > 1 { "*" } else { part })
        .collect();
    let keys: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .collect();
    format!("{}?{}", path.join("/"), keys.join("&"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
