//! What a server allows: sizes, times, counts, and whose requests.

use std::time::Duration;

use crate::guard::Access;

/// The bounds that keep a hostile or broken client from exhausting the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request in bytes, on the wire and decompressed; at most 4 GiB.
    /// Default: [`MAX_REQUEST_BYTES`](crate::MAX_REQUEST_BYTES).
    pub request_bytes: usize,
    /// The bytes of all requests that are being read or wait for the sink, on the wire and
    /// decompressed. What would exceed them is told to come back in a second.
    /// Default: 64 MiB.
    pub in_flight_bytes: usize,
    /// Connections to both ports together; more wait to be accepted. Default: 512.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection. Default: 128.
    pub streams: u32,
    /// The length of all headers of a request. Default: 32 KiB.
    pub header_bytes: u32,
    /// From the moment a connection opens, or falls idle in HTTP/1, to the end of the next
    /// request's headers. Default: 20 s, which no common interval of an exporter hits
    /// exactly.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body. Default: 30 s.
    pub body_timeout: Duration,
    /// For how long an HTTP/2 connection may be without a request. Default: 5 min, more than
    /// the minute between two exports of metrics.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: crate::MAX_REQUEST_BYTES,
            in_flight_bytes: 64 * 1024 * 1024,
            connections: 512,
            streams: 128,
            header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// What [`Server::start_raw`](crate::Server::start_raw) is told besides addresses and sink.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub limits: Limits,
    /// Whose requests are answered. The addresses that the server listens on are added.
    pub access: Access,
}
