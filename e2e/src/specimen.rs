//! The specimen as a process: what it emits, and what its own Prometheus endpoint says.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
};

use anyhow::{Context, Result};
use reqwest::Method;

use crate::{
    ask::{Answer, Api},
    prometheus::Sample,
    run::Run,
    service::{self, Exit, Options, Service},
    stack::Servers,
    wait::{ARRIVAL, eventually},
};

/// `service.version`.
pub const VERSION: &str = "1.2.3";
/// `service.namespace`.
pub const NAMESPACE: &str = "specimens";
/// How many records there are, and how many of them are errors.
pub const RECORDS: usize = 15;
pub const ERRORS: usize = 9;
/// The payments that fail. Bugsink's own grouping goes by the words of the message, others'
/// by the transaction; either would make them two issues.
pub const PAYMENTS: [Payment; 2] = [
    Payment {
        id: 71,
        customer: "Alice",
        span: "POST /payments",
    },
    Payment {
        id: 72,
        customer: "Bob",
        span: "retry payment",
    },
];
/// What the histogram in seconds is given. Each is a sum of few powers of two, so that the
/// sums are exact whatever their order.
pub const DURATIONS: [f64; 5] = [0.0078125, 0.25, 0.375, 2.0, 64.0];
/// What the histogram in bytes is given.
pub const SIZES: [f64; 4] = [3.0, 64.0, 1000.0, 1_000_000.0];
/// What the counter in bytes is given.
pub const TRAFFIC: u64 = 4096;
/// How many label sets a metric may have, with that of the overflow.
pub const MAX_SERIES: usize = 40;
/// How many more label sets than that one counter is given.
pub const OVERFLOWN: usize = 10;

/// A payment that fails.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    pub id: u64,
    pub customer: &'static str,
    /// The span that it fails in.
    pub span: &'static str,
}

impl Payment {
    /// The error's message.
    #[must_use]
    pub fn error(self) -> String {
        format!("payment {} of {} was not taken", self.id, self.customer)
    }

    /// The record's message.
    #[must_use]
    pub fn message(self) -> String {
        format!("{} cannot pay with payment {}", self.customer, self.id)
    }
}

#[derive(Debug)]
pub struct Specimen {
    service: Service,
    metrics: Api,
}

impl Specimen {
    /// Starts it under the run's names and waits until it has emitted everything.
    ///
    /// # Errors
    /// If it does not start, or does not get through.
    pub async fn start(run: &Run, servers: &Servers, variables: &[(&str, &str)]) -> Result<Self> {
        let address: SocketAddr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let base = format!("http://{address}");
        let options = Options {
            sentry: true,
            ..Options::default()
        };
        let mut command = service::command("specimen", run, servers, options)?;
        command
            .env("SPECIMEN_SECRET", run.secret())
            .env("OTEL_METRICS_EXPORTER", "otlp,prometheus")
            .env("OTEL_EXPORTER_PROMETHEUS_PORT", address.port().to_string())
            .envs(variables.iter().copied());
        let service = Service::start(command, &format!("{base}/metrics")).await?;
        let specimen = Self {
            service,
            metrics: Api::new("specimen", base),
        };
        eventually(
            "the end of what the specimen emits",
            ARRIVAL,
            || specimen.scrape(),
            |samples| {
                samples
                    .iter()
                    .any(|sample| sample.labels["__name__"] == "specimen_complete")
            },
        )
        .await?;
        Ok(specimen)
    }

    /// Starts it and stops it, which delivers everything.
    ///
    /// # Errors
    /// If it does not get through, or does not end well.
    pub async fn emitted(run: &Run, servers: &Servers) -> Result<Exit> {
        Self::start(run, servers, &[]).await?.stop().await
    }

    /// What its own Prometheus endpoint says now.
    ///
    /// # Errors
    /// If it does not answer with the text format.
    pub async fn scrape(&self) -> Result<Answer<Vec<Sample>>> {
        let text = self.metrics.text(Method::GET, "/metrics", &[]).await?;
        text.try_map(|text| {
            let samples = text.lines().filter(|line| !line.starts_with('#'));
            samples
                .map(|line| sample(line).with_context(|| format!("not a sample: {line}")))
                .collect()
        })
    }

    /// SIGTERM, and waits for a good end.
    ///
    /// # Errors
    /// If it does not end in time and with exit code 0.
    pub async fn stop(self) -> Result<Exit> {
        self.service.stop().await
    }
}

/// A line of the text format: `name{label="value",…} value`.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
    let mut labels = BTreeMap::from([("__name__".to_owned(), name.to_owned())]);
    while rest != "}" {
        let (label, quoted) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        labels.insert(label.to_owned(), text);
        let after = characters.as_str();
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(Sample { labels, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_text_format_is_read_with_its_escapes() {
        let found = sample(r#"requests_total{route="a \"b\", {c}\\d\n",le="+Inf"} 1.5"#).unwrap();
        let expected = [
            ("__name__", "requests_total"),
            ("le", "+Inf"),
            ("route", "a \"b\", {c}\\d\n"),
        ];
        let expected = expected.map(|(label, value)| (label.to_owned(), value.to_owned()));
        assert_eq!(found.labels, BTreeMap::from(expected));
        assert_eq!(found.value, 1.5);
        assert_eq!(sample("up 1").unwrap().labels["__name__"], "up");
        assert_eq!(sample("up{a=\"} 1"), None);
    }
}
