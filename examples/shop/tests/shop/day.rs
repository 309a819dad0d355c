//! One day in the shop, which all of these tests look at: the same actions each time, over the
//! files of SQLite and over a real PostgreSQL.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use throughline_receiver::proto::common::v1::any_value;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::{Attributes, Contents, Received};
use xtask::postgres::Postgres;

use crate::intake::Intake;
use crate::open::{Faults, Shop, folder};
use crate::process::Ended;

pub(crate) struct Day {
    /// What the load says that it did.
    pub(crate) summary: Value,
    /// What the services sent.
    pub(crate) contents: Contents,
    pub(crate) intake: Intake,
    /// How they ended: storefront, payments, worker.
    pub(crate) ended: [Ended; 3],
}

pub(crate) static OVER_FILES: LazyLock<Day> = LazyLock::new(|| spend("day", None));
pub(crate) static OVER_A_SERVER: LazyLock<Day> = LazyLock::new(|| {
    let server = Postgres::start().unwrap();
    spend("day-over-a-server", Some(server.url()))
});

/// Makes each of these functions of a day a test of both.
macro_rules! both_days {
    ($($test:ident,)+) => {
        mod over_files {
            $(#[test]
            fn $test() {
                super::$test(&crate::day::OVER_FILES);
            })+
        }

        mod over_a_server {
            $(#[test]
            fn $test() {
                super::$test(&crate::day::OVER_A_SERVER);
            })+
        }
    };
}
pub(crate) use both_days;

const JOBS_DONE_WITHIN: Duration = Duration::from_secs(60);

fn spend(name: &str, database: Option<String>) -> Day {
    let shop = Shop::open(&folder(name), database, &Faults::default());
    let summary = shop.visited(&[
        "--seed=7",
        "--actions=600",
        "--rate=100",
        "--users=40",
        "--with=panics,failing_jobs",
        "--summary=json",
    ]);
    let asked = summary["jobs"]["asked"].as_u64().unwrap();
    let done = shop
        .receiver
        .blocking_wait_until(JOBS_DONE_WITHIN, |contents| {
            let done = contents.spans.iter().filter(|span| is_asked_for(span));
            done.count() as u64 == asked
        });
    done.unwrap_or_else(|error| panic!("{asked} jobs were asked for: {error}"));
    let (receiver, intake, ended) = shop.close();
    Day {
        summary,
        contents: receiver.contents(),
        intake,
        ended,
    }
}

/// Whether it is a job that a request asked for.
pub(crate) fn is_asked_for(span: &Span) -> bool {
    span.attribute_str("job.name")
        .is_some_and(|name| name.starts_with("send_"))
}

impl Day {
    /// A count of the summary: `logins/failed`.
    pub(crate) fn told(&self, path: &str) -> u64 {
        let value = self.summary.pointer(&format!("/{path}"));
        value.and_then(Value::as_u64).unwrap_or_default()
    }

    /// The records of one event.
    pub(crate) fn events(&self, name: &str) -> Vec<&Received<LogRecord>> {
        let records = self.contents.logs.iter();
        records.filter(|record| record.event_name == name).collect()
    }

    /// What a counter counted for one value of an attribute, in all processes together.
    pub(crate) fn counted(&self, metric: &str, key: &str, value: &str) -> f64 {
        let metrics = throughline_receiver::latest_metrics(&self.contents.metrics);
        let of_name = metrics.into_iter().filter(|found| found.name == metric);
        let points = of_name.flat_map(Received::points);
        let of_value = points.filter(|point| point.attribute_str(key) == Some(value));
        of_value.map(number).sum()
    }
}

pub(crate) fn number(point: throughline_receiver::Point<'_>) -> f64 {
    use throughline_receiver::proto::metrics::v1::number_data_point::Value;
    match point {
        throughline_receiver::Point::Number(point) => match point.value {
            Some(Value::AsInt(count)) => count as f64,
            Some(Value::AsDouble(count)) => count,
            None => 0.0,
        },
        throughline_receiver::Point::Histogram(point) => point.count as f64,
        _ => 0.0,
    }
}

/// The text of a value, also of a number.
pub(crate) fn text(value: Option<&any_value::Value>) -> String {
    match value {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}
