//! Requests to other services: a span and a duration for each, the trace and who it is about
//! for hosts that may know. By the semantic conventions for
//! [HTTP clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span)
//! and, where a request is `application/grpc`, for
//! [gRPC](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/).

mod attempt;
mod body;
mod call;
mod destination;
mod duration;
mod failure;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod grpc;
#[cfg(feature = "reqwest")]
mod reqwest;
mod resends;
mod service;
mod url;

use std::sync::Arc;

use http::Uri;
use tower_layer::Layer;

use crate::InitError;
use crate::propagation::{ALLOWED_EXPECTED, AllowedHosts, allowed_in_force};
use crate::span_layer::CLIENT_TARGET as TARGET;

pub use body::ClientBody;
pub use resends::{CountResends, CountResendsLayer, Resends, count_resends};
pub use service::{ClientFuture, ClientService};

/// A layer for clients: hyper-util's, tonic's channels, any Tower service of
/// `http::Request`; with the feature `reqwest`, reqwest's as well.
///
/// For each request that passes there is
///
/// - a span of kind `client`, named by the method, or by the method and a [`UrlTemplate`], or
///   by the gRPC method. Credentials and secret query parameters are not in its `url.full`. A
///   status of 400 and above fails it, and so does an error or a future that is dropped
///   (`error.type` is then the status, `timeout`, `name_resolution_error`,
///   `connection_refused`, `connection_reset`, `connection_error`, `secure_connection_error`,
///   `cancelled` or `_OTHER`).
/// - a value of `http.client.request.duration`, or `rpc.client.call.duration`, in seconds.
///   After a hundred servers, further ones share the `server.address` `_OTHER`.
/// - for hosts that may know (`THROUGHLINE_PROPAGATE_TO`; by default loopback, private
///   addresses and names of one label or of a cluster): the trace and its baggage by the
///   installed propagators (`OTEL_PROPAGATORS`), `user.id`, `session.id`, `request.id` and
///   `tenant.id` as baggage, and `x-request-id`. What such a header held before is replaced;
///   to other hosts nothing is added.
///
/// Both end when the response's headers are there; the body is not waited for, as nobody has
/// to read it. A gRPC call ends with its trailers, or where its body is dropped.
///
/// Where the layer is below one that tries again, each try has its span; see [`count_resends`]
/// for `http.request.resend_count`. Above such a layer all tries are one span.
///
/// ```
/// use http_body_util::Empty;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower_layer::Layer;
///
/// let client: Client<_, Empty<bytes::Bytes>> =
///     Client::builder(TokioExecutor::new()).build_http();
/// let client = throughline::http::client().layer(client);
/// // client.oneshot(request).await, with `tower::ServiceExt`
/// # drop(client);
/// ```
pub fn client() -> ClientLayer {
    ClientLayer::default()
}

/// Made by [`client`].
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ClientLayer {
    config: Arc<Config>,
}

#[derive(Clone, Debug, Default)]
struct Config {
    /// What a request that names no host is sent to.
    origin: Option<Uri>,
    /// Instead of the running telemetry's.
    allowed: Option<AllowedHosts>,
}

impl Config {
    fn allows(&self, host: &str) -> bool {
        match &self.allowed {
            Some(allowed) => allowed.allow(host),
            None => allowed_in_force().allow(host),
        }
    }
}

impl ClientLayer {
    /// Where requests go that do not say it, such as those of a tonic client around this layer,
    /// whose channel adds it later. Default: none; `server.address` is then missing, and as
    /// nobody knows who would read it, nothing is propagated.
    ///
    /// ```
    /// use http::Uri;
    ///
    /// let payments = Uri::from_static("http://payments:50051");
    /// let layer = throughline::http::client().origin(payments.clone());
    /// // let channel = Endpoint::from(payments).connect_lazy();
    /// // PaymentsClient::new(layer.layer(channel))
    /// # drop(layer);
    /// ```
    pub fn origin(mut self, origin: Uri) -> Self {
        Arc::make_mut(&mut self.config).origin = Some(origin);
        self
    }

    /// The hosts that may know, for this client alone, in the syntax of
    /// `THROUGHLINE_PROPAGATE_TO`. Default: that variable, else `private`.
    ///
    /// # Errors
    /// [`InitError::InvalidSetting`] names the entry that is none.
    ///
    /// ```
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let layer = throughline::http::client().propagate_to("private,*.example.com")?;
    /// assert!(throughline::http::client().propagate_to("example.com:443").is_err());
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagate_to(mut self, hosts: &str) -> Result<Self, InitError> {
        let allowed = AllowedHosts::parse(hosts).map_err(|reason| InitError::InvalidSetting {
            setting: "propagate_to",
            reason,
            expected: ALLOWED_EXPECTED,
        })?;
        Arc::make_mut(&mut self.config).allowed = Some(allowed);
        Ok(self)
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService::new(inner, Arc::clone(&self.config))
    }
}

/// The template of a request's path, as an extension of the request: it is a part of the span's
/// name then, and a label of the duration. A constant of the program, since each is a series.
///
/// With `reqwest-middleware` it is given by `RequestBuilder::with_extension`.
///
/// ```
/// use throughline::http::UrlTemplate;
///
/// let request = http::Request::get("http://payments/accounts/7")
///     .extension(UrlTemplate("/accounts/{id}"))
///     .body(())
///     .unwrap();
/// # drop(request);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlTemplate(pub &'static str);
