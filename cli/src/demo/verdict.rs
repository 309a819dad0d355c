//! Whether what arrived is all that was made, and whether it is correlated.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use opentelemetry::TraceId;
use owo_colors::OwoColorize;
use throughline_receiver::{
    Attributes, Contents, Received, latest_metrics, proto::trace::v1::Span,
};

use super::load::Answer;
use crate::render::value;

/// How many problems are printed; with more of them, these have one cause.
const SHOWN: usize = 10;

#[derive(Debug)]
pub(super) struct Verdict {
    summary: String,
    problems: Vec<String>,
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "{} {problem}", "✗".red().bold())?;
        }
        if let Some(more) = self
            .problems
            .len()
            .checked_sub(SHOWN)
            .filter(|more| *more > 0)
        {
            writeln!(f, "{} and {more} more", "✗".red().bold())?;
        }
        let mark = if self.is_good() {
            "✓".green().bold().to_string()
        } else {
            "✗".red().bold().to_string()
        };
        writeln!(f, "{mark} {}", self.summary)
    }
}

/// Compares what was received with the requests that were answered.
pub(super) fn judge(received: &Contents, answers: &[Answer]) -> Verdict {
    let mut problems = Vec::new();
    for (what, none) in [
        ("spans", received.spans.is_empty()),
        ("log records", received.logs.is_empty()),
        ("metrics", received.metrics.is_empty()),
    ] {
        if none {
            problems.push(format!("no {what} arrived"));
        }
    }

    let traces: HashSet<TraceId> = received
        .spans
        .iter()
        .map(Received::<Span>::trace_id)
        .collect();
    let mut records_of: HashMap<TraceId, usize> = HashMap::new();
    for record in &received.logs {
        let message = record.message().unwrap_or_default();
        match record.trace_id() {
            Some(id) if traces.contains(&id) => *records_of.entry(id).or_default() += 1,
            Some(id) => problems.push(format!(
                "log record {message:?} names trace {id}, which did not arrive"
            )),
            // The quickstart puts the order's id on each record that a request makes.
            None if record.attribute("order.id").is_some() => {
                problems.push(format!(
                    "log record {message:?} was made in a request and carries no trace id"
                ));
            }
            None => {}
        }
    }

    let mut roots: HashMap<&str, Vec<_>> = HashMap::new();
    for span in received
        .spans
        .iter()
        .filter(|span| span.parent_span_id().is_none())
    {
        if let Some(path) = span.attribute_str("url.path") {
            roots.entry(path).or_default().push(span);
        }
    }
    for Answer { path, status } in answers {
        let [root] = roots.get(path.as_str()).map_or(&[][..], Vec::as_slice) else {
            let found = roots.get(path.as_str()).map_or(0, Vec::len);
            problems.push(format!(
                "{found} traces arrived for the one request to {path}"
            ));
            continue;
        };
        if value::of(&root.attributes, "http.response.status_code") != Some(status.to_string()) {
            problems.push(format!(
                "the span of {path} does not tell the status {status} that was answered"
            ));
        }
        if !records_of.contains_key(&root.trace_id()) {
            problems.push(format!("no log record arrived for the request to {path}"));
        }
    }

    let series: usize = latest_metrics(&received.metrics)
        .iter()
        .map(|m| m.points().len())
        .sum();
    let correlated: usize = records_of.values().sum();
    Verdict {
        summary: format!(
            "{} requests gave {} traces with {} spans, {} log records ({correlated} of them in a \
             trace) and {series} metric series",
            answers.len(),
            traces.len(),
            received.spans.len(),
            received.logs.len(),
        ),
        problems,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture::{Fixture, attribute, integer};

    fn answer(path: &str) -> Answer {
        Answer {
            path: path.into(),
            status: 200,
        }
    }

    fn request(fixture: Fixture, trace: u8, path: &str) -> Fixture {
        fixture.span(trace, 1, 0, "GET /orders/{id}", 0, 12.0, |span| {
            span.attributes = vec![
                attribute("url.path", path),
                integer("http.response.status_code", 200),
            ];
        })
    }

    fn problems(fixture: Fixture, answers: &[Answer]) -> Vec<String> {
        judge(&fixture.contents(), answers).problems
    }

    #[test]
    fn a_request_with_its_trace_record_and_metric_is_good() {
        let fixture = request(Fixture::default(), 1, "/orders/1")
            .log(1, 1, 9, "order placed", 1, &[("order.id", "1")])
            .log(0, 0, 9, "listening", 0, &[])
            .counter("quickstart.orders", "{order}", 1);
        let verdict = judge(&fixture.contents(), &[answer("/orders/1")]);
        assert_eq!(verdict.problems, Vec::<String>::new());
        assert_eq!(
            anstream::adapter::strip_str(&verdict.to_string()).to_string(),
            "✓ 1 requests gave 1 traces with 1 spans, 2 log records (1 of them in a trace) and 1 \
             metric series\n"
        );
    }

    #[test]
    fn each_signal_that_is_missing_is_named() {
        assert_eq!(
            problems(Fixture::default(), &[]),
            [
                "no spans arrived",
                "no log records arrived",
                "no metrics arrived"
            ]
        );
    }

    #[test]
    fn a_record_without_its_trace_is_a_problem() {
        let fixture = request(Fixture::default(), 1, "/orders/1")
            .log(1, 1, 9, "order placed", 1, &[])
            .log(0, 0, 9, "order lost", 1, &[("order.id", "1")])
            .log(7, 1, 9, "order strayed", 1, &[])
            .counter("quickstart.orders", "{order}", 1);
        let problems = problems(fixture, &[answer("/orders/1")]);
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert!(
            problems[0].contains("\"order lost\" was made in a request"),
            "{problems:#?}"
        );
        assert!(
            problems[1].contains("which did not arrive"),
            "{problems:#?}"
        );
    }

    #[test]
    fn a_request_without_a_trace_or_a_record_is_a_problem() {
        let fixture = request(Fixture::default(), 1, "/orders/1")
            .log(0, 0, 9, "listening", 0, &[])
            .counter("quickstart.orders", "{order}", 1);
        assert_eq!(
            problems(fixture, &[answer("/orders/1"), answer("/orders/2")]),
            [
                "no log record arrived for the request to /orders/1",
                "0 traces arrived for the one request to /orders/2"
            ]
        );
    }
}
