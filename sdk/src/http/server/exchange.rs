//! One request, from its arrival to the end of its answer. Whoever holds it last ends it: a
//! future or body that is dropped was waited for no longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, response};
use metrics::Gauge;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::caller::{Caller, Sent};
use super::extensions::{ClientAddress, RequestId};
use super::facts::Facts;
use super::failure::{Failure, HandlerError};
use super::grpc::Code;
use super::layer::Options;
use super::meters::Point;
use super::method::OTHER;
use super::scope::{Inside, Scope};
use super::{record, request_id, span};
use crate::correlation::{self, Client, Correlation};
use crate::database;
use crate::sampling::{self, Early};
use crate::settings::{self, inbound};

pub(super) struct Exchange {
    scope: Scope,
    state: State,
}

struct State {
    options: Arc<Options>,
    facts: Arc<Facts>,
    active: Gauge,
    begun: Instant,
    /// Neither traced nor logged.
    quiet: bool,
    status: Option<StatusCode>,
    code: Option<Code>,
    failure: Option<Failure>,
    /// When the answer's headers were there.
    answered: Option<Duration>,
    /// The body's length as its header says it.
    declared: Option<u64>,
    sent: u64,
    /// An answer that its client ends, by going away.
    endless: bool,
    ended: bool,
}

/// What became of a request.
pub(super) struct Outcome<'a> {
    pub(super) facts: &'a Facts,
    /// What was sent.
    pub(super) status: Option<StatusCode>,
    pub(super) code: Option<Code>,
    /// `error.type`
    pub(super) error: Option<&'a str>,
    /// Whether the service has failed.
    pub(super) failed: bool,
    pub(super) cancelled: bool,
    pub(super) response_size: Option<u64>,
}

impl Outcome<'_> {
    /// `rpc.method`: the name of a method that is not there could be anything.
    pub(super) fn call(&self) -> Option<&str> {
        let call = self.facts.call()?;
        let known = self.code != Some(Code::UNIMPLEMENTED);
        Some(if known { call } else { OTHER })
    }
}

impl Exchange {
    pub(super) fn begin(options: &Arc<Options>, parts: &mut Parts) -> Self {
        let begun = Instant::now();
        let peer = options.peer(parts);
        let caller = Caller::of(peer, &parts.headers, inbound::in_force());
        let sent = Sent::with(&parts.headers, caller.trusted);
        let given = caller.trusted.then(|| request_id::given(&parts.headers));
        let id = given.flatten().unwrap_or_else(request_id::made);
        let facts = Arc::new(Facts::of(parts, options, caller, Arc::clone(&id)));
        if let Some(client) = caller.client {
            parts.extensions.insert(ClientAddress(client));
        }
        parts.extensions.insert(RequestId(Arc::clone(&id)));

        let cell = Correlation::of_request(id, Arc::clone(&facts), &sent.context);
        if let Some(address) = caller.client {
            cell.set_client(Client {
                address,
                user_agent: parts.headers.get(USER_AGENT).cloned(),
            });
        }
        let mut context = sent.context.with_value(cell);
        if caller.trusted && !context.baggage().is_empty() {
            context = correlation::from_baggage(&context);
        }
        let quiet = options.is_quiet(parts.uri.path());
        let (span, context) = if quiet {
            (Span::none(), sampling::untraced(&context))
        } else {
            traced(&facts, context, sent.linked)
        };
        let scope = Scope::new(span, context);
        let active = {
            let _inside = scope.enter();
            options.meters.active(&facts)
        };
        active.increment(1.0);
        Self {
            scope,
            state: State {
                options: Arc::clone(options),
                facts,
                active,
                begun,
                quiet,
                status: None,
                code: None,
                failure: None,
                answered: None,
                declared: None,
                sent: 0,
                endless: false,
                ended: false,
            },
        }
    }

    pub(super) fn enter(&self) -> Inside<'_> {
        self.scope.enter()
    }

    pub(super) fn id(&self) -> &str {
        &self.state.facts.id
    }

    pub(super) fn is_call(&self) -> bool {
        self.state.facts.is_call
    }

    /// Takes what the headers say and adds the request's id. True where nothing comes after
    /// them: the body is dropped without a look.
    pub(super) fn answered(&mut self, parts: &mut response::Parts) -> bool {
        let state = &mut self.state;
        state.answered = Some(state.begun.elapsed());
        state.status = Some(parts.status);
        if let Some(id) = request_id::header(&state.facts.id) {
            parts.headers.insert(request_id::HEADER, id);
        }
        let content_type = parts.headers.get(CONTENT_TYPE);
        state.endless =
            content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let length = parts.headers.get(CONTENT_LENGTH);
        state.declared = length.and_then(|value| value.to_str().ok()?.parse().ok());
        if state.facts.is_call {
            state.code = Code::of(&parts.headers);
        }
        let error = parts.extensions.remove::<HandlerError>();
        if state.failure.is_none() && (parts.status.is_server_error() || state.facts.is_call) {
            state.failure = error.map(Failure::Handler);
        }
        if parts.status.is_server_error() {
            let _inside = self.scope.enter();
            state.report();
        }
        let state = &self.state;
        let method = &state.facts.original;
        let without_body = method == Method::HEAD
            || parts.status.is_informational()
            || matches!(
                parts.status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            )
            || (method == Method::CONNECT && parts.status.is_success());
        if without_body {
            self.state.declared = None;
        }
        without_body
    }

    /// The handler has panicked, and the hook has told so.
    pub(super) fn panicked(&mut self) {
        self.state.failure = Some(Failure::Panic);
        if self.state.facts.is_call {
            self.state.code = Some(Code::INTERNAL);
        }
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.state.is_panic()
    }

    /// There is no answer, or no more of it.
    pub(super) fn failed(&mut self, failure: Failure) {
        let _inside = self.scope.enter();
        self.state.failure = Some(failure);
        self.state.report();
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.state.sent += bytes as u64;
    }

    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        if self.state.facts.is_call {
            self.state.code = Code::of(trailers).or(self.state.code);
        }
    }

    /// All of the answer is on its way, or whatever failed has been told.
    pub(super) fn end(mut self) {
        let _inside = self.scope.enter();
        self.state.end();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.state.ended {
            return;
        }
        let _inside = self.scope.enter();
        let state = &mut self.state;
        let leaving_is_ending = state.endless && state.answered.is_some();
        if state.failure.is_none() && !leaving_is_ending {
            state.failure = Some(Failure::Cancelled);
        }
        state.end();
    }
}

/// The span, if the sampler keeps it, and the context that it belongs to.
fn traced(
    facts: &Facts,
    context: Context,
    linked: Option<opentelemetry::trace::SpanContext>,
) -> (Span, Context) {
    let decided = sampling::for_requests().map(|head| head.decide_request(&context, ""));
    let (context, kept) = match decided {
        None | Some(Early::Forward(None)) => (context, true),
        Some(Early::Forward(Some(context))) => (context, true),
        Some(Early::Skip(context)) => (context, false),
    };
    let _attached = context.clone().attach();
    if !kept {
        return (span::skipped(), context);
    }
    let span = span::kept(facts);
    if let Some(linked) = linked {
        span.add_link(linked);
    }
    (span, context)
}

impl State {
    fn is_cancelled(&self) -> bool {
        matches!(self.failure, Some(Failure::Cancelled))
    }

    fn is_panic(&self) -> bool {
        matches!(self.failure, Some(Failure::Panic))
    }

    /// Tells the error, unless something in the request has done so. Called inside of it.
    fn report(&self) {
        let told = || {
            Context::map_current(|context| {
                context
                    .get::<Correlation>()
                    .is_some_and(Correlation::has_failed)
            })
        };
        if self.quiet || self.is_panic() || self.is_cancelled() || told() {
            return;
        }
        let failure = self.failure.as_ref();
        let broke_off = matches!(failure, Some(Failure::Service(_)));
        record::failure(&self.facts, self.status, self.code, failure, broke_off);
    }

    fn end(&mut self) {
        self.ended = true;
        let took = self.begun.elapsed();
        if self.facts.is_call && self.code.is_none() {
            // What a client makes of an answer without a status.
            self.code = Some(if self.is_cancelled() {
                Code::CANCELLED
            } else {
                Code::UNKNOWN
            });
        }
        if self
            .code
            .is_some_and(|code| code.is_error() && code != Code::UNIMPLEMENTED)
        {
            self.report();
        }
        self.active.decrement(1.0);
        let outcome = self.outcome();
        let status = match outcome.code {
            Some(code) => Some(code.name()),
            None => outcome.status.as_ref().map(StatusCode::as_str),
        };
        let point = Point::of(&self.facts, outcome.call(), status, outcome.error);
        self.options.meters.record(point, took.as_secs_f64());
        if self.quiet {
            return;
        }
        let asked = database::asked();
        span::end(&outcome);
        let worked = match self.answered {
            Some(answered) if self.endless => answered,
            _ => took,
        };
        if settings::in_force()
            .slow_request
            .is_some_and(|limit| worked >= limit)
        {
            record::slow(&outcome, worked);
        }
        if self.options.logs() {
            record::access(&outcome, took, asked);
        }
    }

    fn outcome(&self) -> Outcome<'_> {
        let code_failed = self.code.is_some_and(Code::is_error);
        let status_failed = self.status.is_some_and(|status| status.is_server_error());
        let error = match (&self.failure, self.code, &self.status) {
            (Some(failure), _, _) => Some(failure.kind()),
            (None, Some(code), _) => code_failed.then(|| code.name()),
            (None, None, Some(status)) => status_failed.then(|| status.as_str()),
            (None, None, None) => None,
        };
        let cancelled = self.is_cancelled();
        let size = if self.sent > 0 {
            Some(self.sent)
        } else {
            self.declared
        };
        Outcome {
            facts: &self.facts,
            status: self.status,
            code: self.code,
            error,
            failed: code_failed || status_failed || (self.failure.is_some() && !cancelled),
            cancelled,
            response_size: size.filter(|_| self.answered.is_some()),
        }
    }
}
