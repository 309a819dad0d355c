//! What is known of the work at hand, and telling it.
//!
//! What is set here is on every log record and Sentry event of the same request from that
//! moment on, on every span that starts afterwards and on the current span, also in tasks
//! that were given the span. A field of the same name on a span (`user.id`, `session.id`,
//! `request.id`, `tenant.id`) does the same for that span's subtree alone.
//!
//! A secret in a value is replaced when it is set: a JSON web token is no session id, and with
//! [`Redaction::emails`](crate::Redaction::emails) an e-mail address is no user id.
//!
//! ```
//! # fn main() -> Result<(), throughline::InitError> {
//! # let _telemetry = throughline::builder("docs").log_format(throughline::LogFormat::Off).init()?;
//! let span = tracing::info_span!("request", request.id = "r-1");
//! span.in_scope(|| {
//!     throughline::context::set_user("ada");
//!     tracing::info!("with user.id and request.id");
//!     assert_eq!(throughline::context::request_id().as_deref(), Some("r-1"));
//! });
//! # Ok(())
//! # }
//! ```

use std::net::IpAddr;

use http::HeaderValue;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use crate::correlation::{self, Correlation, PROMOTED, Promoted};
use crate::redaction;

/// The user that the request at hand is made by: `user.id`. Without a span there is nothing
/// to hold on to, and nothing happens.
pub fn set_user(id: impl AsRef<str>) {
    set(Promoted::User, id.as_ref());
}

/// The session of the request at hand: `session.id`. Without a span nothing happens.
pub fn set_session(id: impl AsRef<str>) {
    set(Promoted::Session, id.as_ref());
}

/// The tenant that the request at hand is made for: `tenant.id`, a name of ours, as the semantic
/// conventions have none. Without a span nothing happens.
///
/// ```
/// # fn main() -> Result<(), throughline::InitError> {
/// # let _telemetry = throughline::builder("docs").log_format(throughline::LogFormat::Off).init()?;
/// tracing::info_span!("request").in_scope(|| {
///     throughline::context::set_tenant("blue");
///     tracing::info!("with tenant.id");
/// });
/// # Ok(())
/// # }
/// ```
pub fn set_tenant(id: impl AsRef<str>) {
    set(Promoted::Tenant, id.as_ref());
}

/// The client that the request at hand came from, and what it calls itself. Security records
/// of the request have both, as `client.address` and `user_agent.original`, without naming
/// them; no others do. Without a span nothing happens.
///
/// `address` is one to be believed: the peer's, or what a proxy of your own says.
///
/// ```
/// let request = tracing::info_span!("request");
/// request.in_scope(|| {
///     throughline::context::set_client([203, 0, 113, 9].into(), Some("curl/8"));
///     throughline::streams::security::login_failed().user_name("ada").emit();
/// });
/// ```
pub fn set_client(address: IpAddr, user_agent: Option<&str>) {
    // A header's value holds any text without control characters.
    let user_agent = user_agent.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
    correlation::set_client(address, user_agent);
}

/// Whether the request at hand has a user.
pub(crate) fn user_is_known() -> bool {
    Context::map_current(|context| {
        let correlation = context.get::<Correlation>();
        correlation.is_some_and(|it| it.values()[Promoted::User as usize].is_some())
    })
}

/// The id of the request at hand: `request.id`.
pub fn request_id() -> Option<String> {
    let values =
        Context::map_current(|context| context.get::<Correlation>().map(Correlation::values))?;
    values[Promoted::Request as usize]
        .as_deref()
        .map(str::to_owned)
}

/// The current trace's id as 32 hexadecimal digits, for answers and support tickets.
pub fn trace_id() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| ids.trace_id().to_string())
    })
}

/// A context that knows what its baggage says of user, session, request and tenant: the spans
/// that are made in it, and their records, have it as if it had been set there.
///
/// The HTTP client sends them so, to the hosts of `THROUGHLINE_PROPAGATE_TO`. This is the
/// other end, for what is received by other ways than the HTTP server, such as a message of a
/// queue. Call it only where the sender is trusted: whoever sends baggage says who the user is.
/// An entry that is empty, longer than 256 bytes, has control characters or is secret is left
/// out, and what the context already knows stays.
///
/// ```
/// use opentelemetry::baggage::BaggageExt;
/// use opentelemetry::{Context, KeyValue};
///
/// # fn main() -> Result<(), throughline::InitError> {
/// # let _telemetry = throughline::builder("docs").log_format(throughline::LogFormat::Off).init()?;
/// // As a propagator extracts it from a message's headers.
/// let received = Context::new().with_baggage([KeyValue::new("request.id", "r-1")]);
///
/// let _attached = throughline::context::from_baggage(&received).attach();
/// tracing::info_span!("consume").in_scope(|| {
///     assert_eq!(throughline::context::request_id().as_deref(), Some("r-1"));
/// });
/// # Ok(())
/// # }
/// ```
pub fn from_baggage(context: &Context) -> Context {
    correlation::from_baggage(context)
}

fn set(which: Promoted, value: &str) {
    let value = redaction::known_value(PROMOTED[which as usize], value);
    Context::map_current(|context| {
        if let Some(correlation) = context.get::<Correlation>() {
            correlation.set(which, &value);
        }
        context
            .span()
            .set_attribute(KeyValue::new(PROMOTED[which as usize], value));
    });
}
