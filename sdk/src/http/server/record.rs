//! What is written of a request: one line of the access log, one more if it was slow, and the
//! error if nobody has told it.

use std::time::Duration;

use http::StatusCode;
use tracing::field::debug;

use super::TARGET;
use super::exchange::Outcome;
use super::facts::Facts;
use super::failure::Failure;
use super::grpc::{self, Code};
use crate::database::Asked;

/// What proxies write where the client did not wait for its answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

fn signed(size: Option<u64>) -> Option<i64> {
    size.and_then(|size| i64::try_from(size).ok())
}

pub(super) fn access(outcome: &Outcome<'_>, took: Duration, asked: Option<Asked>) {
    let facts = outcome.facts;
    let status = match (outcome.cancelled, outcome.status) {
        (true, _) => Some(CLIENT_CLOSED_REQUEST),
        (false, status) => status.map(|status| status.as_u16()),
    };
    let (method, path) = (facts.original.as_str(), facts.path());
    let shown = status.unwrap_or_default();
    tracing::info!(
        name: "http.server.request",
        target: TARGET,
        {
            log.category = "request",
            http.request.method = method,
            http.route = facts.route(),
            url.path = path,
            http.response.status_code = status.map(i64::from),
            rpc.system.name = facts.is_call.then_some(grpc::SYSTEM),
            rpc.method = outcome.call(),
            rpc.response.status_code = outcome.code.map(Code::name),
            error.type = outcome.error,
            http.server.request.duration = took.as_secs_f64(),
            http.request.body.size = signed(facts.request_size),
            http.response.body.size = signed(outcome.response_size),
            client.address = facts.client().map(display),
            user_agent.original = facts.user_agent().as_deref(),
            db.query.count = asked.map(|asked| asked.count),
            db.query.time = asked.map(|asked| asked.total.as_secs_f64()),
        },
        "{method} {path} {shown}"
    );
}

pub(super) fn slow(outcome: &Outcome<'_>, took: Duration) {
    let facts = outcome.facts;
    let (method, path) = (facts.original.as_str(), facts.path());
    let seconds = took.as_secs_f64();
    tracing::warn!(
        name: "request.slow",
        target: TARGET,
        {
            log.category = "performance",
            http.request.method = method,
            http.route = facts.route(),
            url.path = path,
            http.response.status_code = outcome.status.map(|status| i64::from(status.as_u16())),
            rpc.method = outcome.call(),
            http.server.request.duration = seconds,
        },
        "{method} {path} took {seconds:.3} s"
    );
}

/// An answer that says that the service has failed.
pub(super) fn failure(
    facts: &Facts,
    status: Option<StatusCode>,
    code: Option<Code>,
    failure: Option<&Failure>,
    broke_off: bool,
) {
    let name = facts.name();
    let error = failure.and_then(Failure::error).map(debug);
    let text = status.map(|status| status.as_str().to_owned());
    let answer = match (code, text) {
        (Some(code), _) => format!("was answered with {}", code.name()),
        (None, Some(status)) if broke_off => format!("broke off after {status}"),
        (None, Some(status)) => format!("was answered with {status}"),
        (None, None) => "was not answered".to_owned(),
    };
    tracing::error!(
        name: "http.server.exception",
        target: TARGET,
        {
            http.response.status_code = status.map(|status| i64::from(status.as_u16())),
            rpc.response.status_code = code.map(Code::name),
            error,
        },
        "{name} {answer}"
    );
}
