//! The conventions' tables of HTTP servers:
//! <https://github.com/open-telemetry/semantic-conventions/blob/main/model/http/spans.yaml>,
//! `common.yaml` and `metrics.yaml` beside it.

use crate::support::semconv::*;

/// Those that RFC 9110, RFC 5789 and the conventions' registry name.
const METHODS: Kind = Kind::OneOf(&[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
    "_OTHER",
]);

const SCHEMES: Kind = Kind::OneOf(&["http", "https"]);

pub(super) const SPAN: &[Row] = &[
    required("http.request.method", METHODS),
    conditional("http.request.method_original", Kind::Text),
    conditional("http.response.status_code", Kind::Int),
    conditional("error.type", Kind::Text),
    conditional("http.route", Kind::Text),
    conditional("network.protocol.name", Kind::Text),
    optional(
        "network.protocol.version",
        Kind::OneOf(&["1.0", "1.1", "2", "3"]),
    ),
    optional("server.address", Kind::Text),
    conditional("server.port", Kind::Int),
    required("url.path", Kind::Text),
    conditional("url.query", Kind::Text),
    required("url.scheme", SCHEMES),
    optional("client.address", Kind::Text),
    optional("client.port", Kind::Int),
    optional("network.local.address", Kind::Text),
    optional("network.local.port", Kind::Int),
    optional("network.peer.address", Kind::Text),
    optional("network.peer.port", Kind::Int),
    optional("network.transport", Kind::Text),
    optional("user_agent.original", Kind::Text),
    optional("user_agent.synthetic.type", Kind::OneOf(&["bot", "test"])),
    optional("http.request.size", Kind::Int),
    optional("http.response.size", Kind::Int),
    optional("http.request.body.size", Kind::Int),
    optional("http.response.body.size", Kind::Int),
    optional("http.request.header.*", Kind::Texts),
    optional("http.response.header.*", Kind::Texts),
];

/// On a server's span beside what the conventions have.
pub(super) const OURS: &[&str] = &["request.id"];

pub(super) const DURATION: Instrument = Instrument {
    name: "http.server.request.duration",
    unit: "s",
    shape: Shape::Histogram(REQUEST_SECONDS),
    table: &[
        required("http.request.method", METHODS),
        required("url.scheme", SCHEMES),
        conditional("error.type", Kind::Text),
        conditional("http.response.status_code", Kind::Int),
        conditional("http.route", Kind::Text),
        conditional("network.protocol.name", Kind::Text),
        optional(
            "network.protocol.version",
            Kind::OneOf(&["1.0", "1.1", "2", "3"]),
        ),
        optional("server.address", Kind::Text),
        optional("server.port", Kind::Int),
        optional("user_agent.synthetic.type", Kind::OneOf(&["bot", "test"])),
    ],
};

pub(super) const ACTIVE: Instrument = Instrument {
    name: "http.server.active_requests",
    unit: "{request}",
    shape: Shape::UpDownCounter,
    table: &[
        required("http.request.method", METHODS),
        required("url.scheme", SCHEMES),
        optional("server.address", Kind::Text),
        optional("server.port", Kind::Int),
    ],
};
