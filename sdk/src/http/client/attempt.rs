//! One request on its way: its span, what it takes along, and how it ends, once.

use std::time::Instant;

use http::header::HeaderMap;
use http::{Method, StatusCode, Version};
use opentelemetry::trace::{SpanId, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;

use super::call::{self, Call};
use super::destination::Destination;
use super::duration::{self, Outcome, Series, Server};
use super::failure::{self, Failure};
use super::url::FullUrl;
use super::{Config, TARGET, UrlTemplate, grpc};
use crate::{propagation, sampling};

/// What a client knows of a request before it is sent.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) destination: Destination<'a>,
    pub(super) is_grpc: bool,
    pub(super) template: Option<UrlTemplate>,
    /// How often it was sent before.
    pub(super) resends: Option<u32>,
    pub(super) body_size: Option<u64>,
}

/// A request whose span and measurement run. Dropped before its end it was cancelled.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) span: Span,
    /// The context of the span where somebody keeps it.
    kept: Option<Context>,
    call: Call,
    server: Option<Server>,
    started: Instant,
    over: bool,
}

/// An attempt's span, made but not yet entered, and what is put on it then.
pub(super) struct Prepared {
    pub(super) span: Span,
    call: Call,
    server: Option<Server>,
    started: Instant,
    /// Of the span around.
    around: SpanId,
    propagates: bool,
    later: Later,
}

/// Attributes that no sampler asks for, and most requests do not have.
#[derive(Default)]
struct Later {
    method_original: Option<String>,
    template: Option<&'static str>,
    resends: Option<u32>,
    body_size: Option<u64>,
}

/// What is around a request when it is made.
struct Around {
    suppressed: bool,
    span: SpanId,
    /// Whether a child of it is not kept, whatever the child is.
    unsampled: bool,
}

impl Around {
    fn current() -> Self {
        Context::map_current(|context| {
            let span = context.span();
            let ids = span.span_context();
            Self {
                suppressed: context.is_telemetry_suppressed(),
                span: ids.span_id(),
                unsampled: ids.is_valid() && !ids.is_sampled() && !ids.is_remote(),
            }
        })
    }
}

impl Prepared {
    /// Makes the span. `None` where telemetry is suppressed: the exporters' own requests.
    pub(super) fn new(request: &Request<'_>, config: &Config) -> Option<Self> {
        let around = Around::current();
        if around.suppressed {
            return None;
        }
        let destination = &request.destination;
        let call = if request.is_grpc {
            Call::grpc(destination.path)
        } else {
            Call::http(request.method, request.template)
        };
        let span = if around.unsampled && sampling::for_requests().is_some() {
            // Its ids would be its parent's, so there is no need for one.
            Span::none()
        } else {
            request.span(call)
        };
        let mut later = Later::default();
        if let Call::Http { method, template } = call {
            later = Later {
                method_original: (method == call::OTHER)
                    .then(|| request.method.as_str().chars().take(64).collect()),
                template,
                resends: request.resends,
                body_size: request.body_size,
            };
        }
        Some(Self {
            span,
            call,
            server: call::server(destination),
            started: Instant::now(),
            around: around.span,
            propagates: config.allows(destination.host),
            later,
        })
    }

    /// To be called within the span: puts on it what is left, and into the headers what goes
    /// along.
    pub(super) fn send(&mut self, headers: &mut HeaderMap) -> Option<Context> {
        let later = std::mem::take(&mut self.later);
        Context::map_current(|context| {
            if self.propagates {
                propagation::inject(context, headers);
            }
            let span = context.span();
            // Where the filter or a sampler wants none of ours it is the one around.
            if !span.is_recording() || span.span_context().span_id() == self.around {
                return None;
            }
            later.put_on(&span);
            Some(context.clone())
        })
    }

    /// From here on it is under way.
    pub(super) fn started(self, kept: Option<Context>) -> Attempt {
        Attempt {
            span: self.span,
            kept,
            call: self.call,
            server: self.server,
            started: self.started,
            over: false,
        }
    }
}

impl Later {
    fn put_on(self, span: &opentelemetry::trace::SpanRef<'_>) {
        if let Some(method) = self.method_original {
            span.set_attribute(KeyValue::new("http.request.method_original", method));
        }
        if let Some(template) = self.template {
            span.set_attribute(KeyValue::new("url.template", template));
        }
        if let Some(resends) = self.resends {
            let resends = i64::from(resends);
            span.set_attribute(KeyValue::new("http.request.resend_count", resends));
        }
        if let Some(size) = self.body_size {
            span.set_attribute(KeyValue::new("http.request.body.size", signed(size)));
        }
    }
}

impl Request<'_> {
    fn span(&self, call: Call) -> Span {
        let to = &self.destination;
        let known = !to.host.is_empty();
        let address = known.then(|| to.address());
        let port = known.then(|| i64::from(to.server_port()));
        match call {
            Call::Grpc { .. } => {
                let method = call::grpc_name(to.path);
                tracing::info_span!(
                    target: TARGET,
                    "rpc.client.call",
                    otel.kind = "client",
                    otel.name = method,
                    rpc.system.name = "grpc",
                    rpc.method = method,
                    server.address = address,
                    server.port = port,
                )
            }
            Call::Http { method, template } => {
                // By the conventions a method that nobody knows is no part of a name.
                let word = if method == call::OTHER {
                    "HTTP"
                } else {
                    method
                };
                let full = template.map(|template| format!("{word} {template}"));
                tracing::info_span!(
                    target: TARGET,
                    "http.client.request",
                    otel.kind = "client",
                    otel.name = full.as_deref().unwrap_or(word),
                    http.request.method = method,
                    server.address = address,
                    server.port = port,
                    url.full = %FullUrl(*to),
                )
            }
        }
    }
}

impl Attempt {
    /// The headers of the response are there, which ends a request.
    pub(super) fn answered(mut self, status: StatusCode, version: Version, size: Option<u64>) {
        let status = status.as_u16();
        let version = version_text(version);
        if let Some(kept) = &self.kept {
            let span = kept.span();
            let code = i64::from(status);
            span.set_attribute(KeyValue::new("http.response.status_code", code));
            if let Some(version) = version {
                span.set_attribute(KeyValue::new("network.protocol.version", version));
            }
            if let Some(size) = size {
                span.set_attribute(KeyValue::new("http.response.body.size", signed(size)));
            }
            if status >= 400 {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
                // The status code says it all.
                span.set_status(Status::error(""));
            }
        }
        self.end(Outcome::Response { status, version });
    }

    /// A call has its status.
    pub(super) fn completed(mut self, code: &'static str) {
        self.complete(code, None, "");
    }

    /// There will be no response.
    pub(super) fn failed(mut self, failure: &Failure) {
        self.fail(failure.kind, failure.grpc_status(), &failure.description);
    }

    fn fail(&mut self, kind: &'static str, code: &'static str, description: &str) {
        if let Call::Grpc { .. } = self.call {
            self.complete(code, Some(kind), description);
            return;
        }
        if let Some(kept) = &self.kept {
            let span = kept.span();
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(description.to_owned()));
        }
        self.end(Outcome::Failed(kind));
    }

    fn complete(&mut self, code: &'static str, failed: Option<&'static str>, description: &str) {
        if let Some(kept) = &self.kept {
            let span = kept.span();
            span.set_attribute(KeyValue::new("rpc.response.status_code", code));
            if code != grpc::OK {
                span.set_attribute(KeyValue::new("error.type", failed.unwrap_or(code)));
                span.set_status(Status::error(description.to_owned()));
            }
        }
        self.end(Outcome::Grpc { code, failed });
    }

    fn end(&mut self, outcome: Outcome) {
        self.over = true;
        let series = Series {
            call: self.call,
            server: self.server,
            outcome,
        };
        duration::record(series, self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.over {
            self.fail(failure::CANCELLED, grpc::CANCELLED, "");
        }
    }
}

/// OTLP has signed numbers only.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn version_text(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}
