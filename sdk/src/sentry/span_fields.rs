//! What spans say of the request or job that an error happened in.
//!
//! An OpenTelemetry span can be written, not read, and neither can a `tracing` span; so what
//! an event may need is kept beside the span. The layer is only there where `SENTRY_DSN` is
//! set, keeps a handful of names, and is looked at only when an error is captured.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber, span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::event::Value;

/// A span's fields that are of use to an event.
fn is_kept(name: &str) -> bool {
    matches!(
        name,
        "otel.name"
            | "otel.kind"
            | "http.request.method"
            | "http.route"
            | "url.full"
            | "url.scheme"
            | "url.path"
            | "url.query"
            | "server.address"
            | "server.port"
            | "client.address"
            | "user_agent.original"
    ) || name.starts_with("job.")
        || name.starts_with("messaging.")
}

/// Values by name, each name once.
pub(crate) type Fields = Vec<(&'static str, Value)>;

fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.iter().find_map(|(field, value)| match value {
        Value::Text(text) if *field == name => Some(text.as_str()),
        _ => None,
    })
}

/// In the extensions of a span that has any.
struct Kept(Fields);

/// Keeps the fields.
pub(crate) struct SpanFields;

/// The server layer's spans, which keep their request themselves.
const KEPT_ELSEWHERE: &str = "throughline::http";

impl SpanFields {
    fn keeps(metadata: &Metadata<'_>) -> bool {
        if metadata.target() == KEPT_ELSEWHERE {
            return false;
        }
        metadata.fields().iter().any(|field| is_kept(field.name()))
    }
}

impl<S> Layer<S> for SpanFields
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        if !Self::keeps(attrs.metadata()) {
            return;
        }
        let mut visitor = Visitor(Fields::new());
        attrs.record(&mut visitor);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().replace(Kept(visitor.0));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else {
            return;
        };
        if !Self::keeps(span.metadata()) {
            return;
        }
        // Before the lock: a value's own code runs here, and might log.
        let mut visitor = Visitor(Fields::new());
        values.record(&mut visitor);
        if let Some(Kept(fields)) = span.extensions_mut().get_mut::<Kept>() {
            for (name, value) in visitor.0 {
                fields.retain(|(known, _)| *known != name);
                fields.push((name, value));
            }
        }
    }
}

struct Visitor(Fields);

impl Visitor {
    fn push(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        if is_kept(field.name()) {
            self.0.push((field.name(), value()));
        }
    }
}

impl Visit for Visitor {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, || Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, || Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, || Value::Uint(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, || Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, || Value::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, || Value::Text(format!("{value:?}")));
    }
}

/// Where an error came from: the name of its request or job, and what is known of that.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) transaction: String,
    pub(crate) fields: Fields,
}

/// One span of a scope.
struct Seen {
    name: &'static str,
    fields: Fields,
}

impl Seen {
    /// Whether it is of this kind. `tracing-opentelemetry` takes the words in any case.
    fn is(&self, kinds: [&str; 2]) -> bool {
        text(&self.fields, "otel.kind")
            .is_some_and(|kind| kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)))
    }
}

impl Origin {
    /// The origin of an event in this scope, which goes from the innermost span outwards.
    pub(crate) fn of<'a, R>(scope: Option<Scope<'a, R>>) -> Option<Self>
    where
        R: LookupSpan<'a>,
    {
        let mut spans: Vec<Seen> = scope?
            .map(|span| Seen {
                name: span.name(),
                fields: span
                    .extensions()
                    .get::<Kept>()
                    .map(|kept| kept.0.clone())
                    .unwrap_or_default(),
            })
            .collect();
        // The span that took the request or message in. A service's own outermost span may
        // last as long as the service.
        let entry = spans
            .iter()
            .position(|span| span.is(["server", "consumer"]))
            .or_else(|| spans.len().checked_sub(1))?;
        let entry = spans.remove(entry);
        let transaction = name_of(&entry);
        let mut fields = entry.fields;
        // What an outgoing call says is about somebody else's request.
        for span in spans
            .into_iter()
            .filter(|span| !span.is(["client", "producer"]))
        {
            for (name, value) in span.fields {
                if !fields.iter().any(|(known, _)| *known == name) {
                    fields.push((name, value));
                }
            }
        }
        Some(Self {
            transaction,
            fields,
        })
    }

    /// The origin of what happens now on this thread, for whom no event tells the scope.
    pub(crate) fn current() -> Option<Self> {
        let span = tracing::Span::current();
        span.with_subscriber(|(id, dispatch)| {
            let registry = dispatch.downcast_ref::<Registry>()?;
            Self::of(registry.span(id).map(|span| span.scope()))
        })?
    }
}

/// The name that OpenTelemetry has for the span; else the conventions' name for an HTTP
/// server's span, where the router told it too late for `otel.name`.
fn name_of(span: &Seen) -> String {
    let text = |name| text(&span.fields, name);
    if let Some(name) = text("otel.name") {
        return name.to_owned();
    }
    match (text("http.request.method"), text("http.route")) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        _ => span.name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::{info_span, subscriber};
    use tracing_subscriber::layer::SubscriberExt;

    fn origin(body: impl FnOnce() -> Option<Origin>) -> Origin {
        let subscriber = tracing_subscriber::registry().with(SpanFields);
        subscriber::with_default(subscriber, || body().unwrap())
    }

    fn named(origin: &Origin, name: &str) -> Option<String> {
        let found = origin.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.to_string())
    }

    #[test]
    fn a_request_is_called_as_its_root_span_is_in_opentelemetry() {
        let plain = origin(|| {
            let _request = info_span!("request").entered();
            let _inner = info_span!("inner", otel.name = "another").entered();
            Origin::current()
        });
        assert_eq!(plain.transaction, "request");
        let given = origin(|| {
            let request = info_span!("request", otel.name = "first", http.route = "/a");
            let _entered = request.enter();
            request.record("otel.name", "GET /cart");
            Origin::current()
        });
        assert_eq!(given.transaction, "GET /cart");
        let routed = origin(|| {
            let route = tracing::field::Empty;
            let request = info_span!("request", http.request.method = "GET", http.route = route);
            let _entered = request.enter();
            request.record("http.route", "/cart/{id}");
            let _inner = info_span!("inner").entered();
            Origin::current()
        });
        assert_eq!(routed.transaction, "GET /cart/{id}");
    }

    #[test]
    fn a_span_that_takes_a_request_in_is_where_it_began() {
        let origin = origin(|| {
            let _service = info_span!("main", url.path = "/none", job.name = "serve").entered();
            let server = info_span!("http", otel.kind = "Server", url.path = "/cart");
            let _server = server.entered();
            let _query = info_span!("query").entered();
            let client = info_span!(
                "pay",
                otel.kind = "client",
                url.full = "https://pay.example/",
                server.port = 443
            );
            let _client = client.entered();
            Origin::current()
        });
        assert_eq!(origin.transaction, "http");
        assert_eq!(named(&origin, "url.path").unwrap(), "/cart");
        assert_eq!(named(&origin, "job.name").unwrap(), "serve");
        assert_eq!(named(&origin, "url.full"), None);
        assert_eq!(named(&origin, "server.port"), None);
    }
}
